package protocols

// Put is Set for a well-known name, which is written in its canonical form: the fastest way to set a field, for what
// happens to every message.
func (h *Header) Put(id NameID, value []byte) { putIn(h, id, value) }

// PutString is Put for a string.
func (h *Header) PutString(id NameID, value string) { putIn(h, id, value) }

func putIn[V []byte | string](h *Header, id NameID, value V) {
	for i := range h.fields {
		if f := &h.fields[i]; f.id == id && f.flags&flagDeleted == 0 {
			setIn(h, canonicalNames[id], value)
			return
		}
	}
	AddTo(h, id, value)
}

// AddTo appends a field with a well-known name, in its canonical form, whether there is one already or not.
func AddTo[V []byte | string](h *Header, id NameID, value V) {
	h.own()
	prefix := namePrefixes[id]
	n, p, v := len(h.raw), len(prefix), len(value)
	h.raw = append(h.raw, prefix...)
	h.raw = append(h.raw, value...)
	h.raw = append(h.raw, '\r', '\n')
	f := h.slot()
	f.name, f.nameLen, f.value, f.valueLen = uint32(n), uint16(p-2), uint32(n+p), uint32(v)
	f.id, f.flags = id, flagClean
}

// slot appends a field, all of which the caller sets in its place: a copy of one that was put together elsewhere would have to
// wait for its parts (a processor forwards a store to a load of the same size only).
func (h *Header) slot() *field {
	n := len(h.fields)
	if n == cap(h.fields) {
		h.fields = append(h.fields, field{})
	} else {
		h.fields = h.fields[:n+1]
	}
	return &h.fields[n]
}

// AddField appends a field of which the decoder knows the id: the way of a protocol whose fields do not come as lines. A
// well-known name is written in its canonical form. The caller vouches for the bytes as for Add.
func (h *Header) AddField(id NameID, name, value []byte) {
	if id != NameOther {
		AddTo(h, id, value)
		return
	}
	h.own()
	n := uint32(len(h.raw))
	h.raw = append(h.raw, name...)
	h.raw = append(h.raw, ':', ' ')
	h.raw = append(h.raw, value...)
	h.raw = append(h.raw, '\r', '\n')
	f := h.slot()
	f.name, f.nameLen, f.value, f.valueLen = n, uint16(len(name)), n+uint32(len(name))+2, uint32(len(value))
	f.id, f.flags = NameOther, flagClean
}

// MarkSecret marks the field that was added last: its sender does not want it in a table of compressed fields, ours nor that
// of the next hop (RFC 7541 section 7.1.3).
func (h *Header) MarkSecret() { h.fields[len(h.fields)-1].flags |= flagSecret }

// Secret reports whether the i-th field was marked so.
func (h *Header) Secret(i int) bool { return h.fields[i].flags&flagSecret != 0 }

// Join makes one field of all that are called id, their values joined by sep, in place of the first.
func (h *Header) Join(id NameID, sep string) {
	first, n := -1, uint32(0)
	var secret uint8
	for i := range h.fields {
		f := &h.fields[i]
		if f.id != id || f.flags&flagDeleted != 0 {
			continue
		}
		if first < 0 {
			h.own()
			first, n = i, uint32(len(h.raw))
			h.raw = append(h.raw, namePrefixes[id]...)
		} else {
			h.raw = append(h.raw, sep...)
			f.flags |= flagDeleted
		}
		secret |= f.flags & flagSecret
		h.raw = append(h.raw, h.raw[f.value:f.value+f.valueLen]...)
	}
	if first < 0 {
		return
	}
	p := uint32(len(namePrefixes[id]))
	h.fields[first] = field{name: n, nameLen: uint16(p - 2), value: n + p, valueLen: uint32(len(h.raw)) - n - p, id: id,
		flags: flagClean | secret}
	h.raw = append(h.raw, '\r', '\n')
}

// namePrefixes are the canonical names with ": " behind them.
var namePrefixes = buildNamePrefixes()

func buildNamePrefixes() (t [numNames]string) {
	for id, name := range canonicalNames {
		t[id] = name + ": "
	}
	return t
}
