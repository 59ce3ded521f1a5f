package protocols

// SpanWire is for decoders of binary heads: the first n bytes that h holds are the head as it came on the wire. The
// fields in it are added by AddSpan, not clean.
func (h *Header) SpanWire(n int) { h.wire = uint32(n) }

// CopyWire empties h and makes a copy of b its bytes, the head as it came on the wire: for decoders of binary heads whose
// fields have no names there. AddNamed adds these.
func (h *Header) CopyWire(b []byte) {
	h.Reset()
	h.raw = append(h.raw, b...)
	h.wire = uint32(len(b))
}

// AddNamed appends a field of a binary head; its value is a span of what CopyWire has copied.
func (h *Header) AddNamed(id NameID, name string, value, valueLen int) {
	n := uint32(len(h.raw))
	h.raw = append(h.raw, name...)
	f := h.slot()
	f.name, f.nameLen, f.value, f.valueLen = n, uint16(len(name)), uint32(value), uint32(valueLen)
	f.id, f.flags = id, 0
}

// Wire returns the head as it came on the wire, in its protocol's binary form, or nil for a head that has none. same
// says that its fields and its class are still what they were: an encoder of the same protocol copies it in one piece.
func (h *Header) Wire() (b []byte, same bool) {
	if h.wire == 0 {
		return nil, false
	}
	same = !h.remade
	for i := range h.fields {
		// Fields of a binary head have no flags; what is deleted, replaced or added has one.
		same = same && h.fields[i].flags == 0
	}
	return h.raw[:h.wire:h.wire], same
}

// Class is the name of the class of a Bolt message.
func (h *Header) Class() []byte { return h.bytes(h.class) }

// SpanClass is described at SpanMethod.
func (h *Header) SpanClass(off, n int) { h.class = span{uint32(off), uint32(n)} }

// SetClass replaces the class. b may be a slice of h itself.
func (h *Header) SetClass(b []byte) {
	h.class = h.store(b)
	h.remade = true
}
