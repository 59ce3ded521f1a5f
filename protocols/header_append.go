package protocols

// Append adds value to the field called name as "old,new"; without such a field it is Add. Of several fields the last
// grows, which keeps the order that the list has for its reader (RFC 9110 section 5.3). Set-Cookie, which can't be
// joined (RFC 9110 section 5.3), gets a field of its own. The caller vouches for the bytes as for Add.
func (h *Header) Append(name string, value []byte) { appendIn(h, name, value) }

// AppendString is Append for a string.
func (h *Header) AppendString(name, value string) { appendIn(h, name, value) }

func appendIn[V []byte | string](h *Header, name string, value V) {
	id := LookupNameString(name)
	last := -1
	for i := h.find(id, name, 0); i >= 0; i = h.find(id, name, i+1) {
		last = i
	}
	if last < 0 || id == NameSetCookie {
		addTo(h, id, name, value)
		return
	}
	h.own()
	old := h.fields[last]
	n := uint32(len(h.raw))
	h.raw = append(h.raw, name...)
	h.raw = append(h.raw, ": "...)
	h.raw = append(h.raw, h.raw[old.value:old.value+old.valueLen]...)
	if old.valueLen > 0 {
		h.raw = append(h.raw, ',')
	}
	h.raw = append(h.raw, value...)
	start := n + uint32(len(name)) + 2
	h.fields[last] = field{name: n, nameLen: uint16(len(name)), value: start, valueLen: uint32(len(h.raw)) - start, id: id,
		flags: flagClean}
	h.raw = append(h.raw, "\r\n"...)
}

// SetAuthorityString is SetAuthority for a string.
func (h *Header) SetAuthorityString(s string) {
	h.own()
	h.auth = span{uint32(len(h.raw)), uint32(len(s))}
	h.raw = append(h.raw, s...)
}
