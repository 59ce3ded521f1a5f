package bolt

import (
	"bytes"
	"encoding/binary"

	"sluice/protocols"
	"sluice/protocols/rpc"
)

// null is the length of a key or value that is not there, which is not the same as an empty one.
const null = 1<<32 - 1

// scanBlock reads the header block b[at:], pairs of `length (32 bits) key length (32 bits) value`, into h, whose bytes
// are b. A pair with a null key or a null value is no field: SOFABolt's own readers drop it, too. It stays in the wire
// form of the head.
//
// A key that occurs twice is refused: one reader takes the first value and another the last, and a request would be
// routed by one and served by the other.
func scanBlock(h *protocols.Header, b []byte, at, maxFields int) *rpc.Rule {
	for n := 0; at < len(b); n++ {
		if n == maxFields {
			return ruleFields
		}
		key, keyLen, next, ok := scanString(b, at)
		if !ok {
			return ruleBlock
		}
		value, valueLen, next, ok := scanString(b, next)
		if !ok {
			return ruleBlock
		}
		at = next
		if key < 0 || value < 0 {
			continue
		}
		name := b[key : key+keyLen]
		if repeats(h, name) {
			return ruleRepeated
		}
		h.AddSpan(protocols.LookupName(name), key, keyLen, value, valueLen, false)
	}
	return nil
}

// scanString reads one string of a header block; its offset is -1 when it is null.
func scanString(b []byte, at int) (off, n, next int, ok bool) {
	if len(b)-at < 4 {
		return 0, 0, 0, false
	}
	length := binary.BigEndian.Uint32(b[at:])
	at += 4
	if length == null {
		return -1, 0, at, true
	}
	if uint64(length) > uint64(len(b)-at) {
		return 0, 0, 0, false
	}
	return at, int(length), at + int(length), true
}

func repeats(h *protocols.Header, name []byte) bool {
	for i := range h.Len() {
		if _, other, _, _ := h.Field(i); bytes.Equal(name, other) {
			return true
		}
	}
	return false
}

// blockLen is what appendBlock appends: without the fields in skip.
func blockLen(h *protocols.Header, skip protocols.NameSet) (n int) {
	for i := range h.Len() {
		id, name, value, ok := h.Field(i)
		switch {
		case !ok || skip.Has(id):
		case nextSame(h, -1, i, name) >= 0:
			n += 1 + len(value)
		default:
			n += 8 + len(name) + len(value)
		}
	}
	return n
}

// appendBlock appends the fields of h that are not in skip. A map has each key once, so fields with the same name are one
// entry with their values joined by commas, in their order (RFC 9110 section 5.3).
func appendBlock(b []byte, h *protocols.Header, skip protocols.NameSet) []byte {
	for i := range h.Len() {
		id, name, value, ok := h.Field(i)
		if !ok || skip.Has(id) || nextSame(h, -1, i, name) >= 0 {
			continue
		}
		b = appendString(b, name)
		if h.Proto != protocols.ProtocolBolt {
			lower(b[len(b)-len(name):])
		}
		b = appendString(b, value)
		at := len(b) - len(value)
		for j := nextSame(h, i, h.Len(), name); j >= 0; j = nextSame(h, j, h.Len(), name) {
			_, _, more, _ := h.Field(j)
			b = append(append(b, ','), more...)
			binary.BigEndian.PutUint32(b[at-4:], uint32(len(b)-at))
		}
	}
	return b
}

// nextSame returns the first field behind i and before end that is called name, or a negative number. Names of Bolt's own
// heads differ by their case.
func nextSame(h *protocols.Header, i, end int, name []byte) int {
	for i++; i < end; i++ {
		_, other, _, ok := h.Field(i)
		if ok && len(other) == len(name) && (bytes.Equal(other, name) ||
			h.Proto != protocols.ProtocolBolt && bytes.EqualFold(other, name)) {
			return i
		}
	}
	return -1
}

// lower makes a name of HTTP, where case means nothing, an entry's key, where it does.
func lower(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
}

func appendString[S []byte | string](b []byte, s S) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}
