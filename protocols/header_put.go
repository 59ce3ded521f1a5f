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
	h.fields = append(h.fields, field{name: uint32(n), nameLen: uint16(p - 2), value: uint32(n + p), valueLen: uint32(v),
		id: id, flags: flagClean})
}

// namePrefixes are the canonical names with ": " behind them.
var namePrefixes = buildNamePrefixes()

func buildNamePrefixes() (t [numNames]string) {
	for id, name := range canonicalNames {
		t[id] = name + ": "
	}
	return t
}
