package protocols

// A Header is the head of a message (or its trailers): raw bytes, and fields that are offsets into them. Well-known
// names carry a small integer, so finding a field is a compare of integers.
//
// A decoder fills the Header of its [Env], whose bytes alias the read buffer; the stream that keeps the head calls
// [Header.Take], which copies the bytes once. Changes are appended behind the original bytes and never move them, so a
// slice that a getter returned stays valid (and unchanged) until the Header is reset or grows; getters called again
// after a change see it.
//
// HTTP/1 to HTTP/1 keeps the sender's case and order, and lines that nobody changed are forwarded as they came.
//
// The zero Header is empty and ready. A Header is not safe for concurrent use; it belongs to its stream's loop.
type Header struct {
	Proto   ProtocolID // the codec that decoded it
	Minor   uint8      // HTTP/1's minor version as the sender wrote it; Bolt's version, 1 or 2
	Method  MethodID   // of a request; MethodOther: see MethodBytes
	OneWay  bool       // a request that expects no answer (Bolt, Dubbo)
	Status  int        // of a response; 0 in a request
	Timeout int64      // the sender's own deadline in ms (Bolt, grpc-timeout); 0: it says nothing; -1: it wants none (Bolt)
	Code    uint16     // of a response of Bolt or Dubbo: its own status, of which Status is HTTP's form
	Coding  uint8      // of a Bolt message: how class and content are serialized (1: Hessian 2); 0: it says nothing
	// ContentLength is the announced body length; -1 when none is announced. It is what the codec verified; the
	// content-length field itself stays among the fields.
	ContentLength int64

	lent   bool   // raw aliases a read buffer
	remade bool   // a part of a head that has a wire form was changed: see Wire
	wire   uint32 // bytes at the start of raw that are the head's own binary form; 0: it has none
	raw    []byte
	fields []field
	method span
	path   span // origin-form target: path and query ("*" for OPTIONS *; authority-form targets have an empty path)
	scheme span
	auth   span // Host or :authority
	reason span
	proto  span // the protocol that Upgrade or :protocol asks for, or that a 101 grants
	class  span // of a Bolt message: the name of its class
}

type span struct{ off, len uint32 }

// field is 16 bytes, so that a head of 16 fields fits four cache lines.
type field struct {
	name, value uint32 // offsets
	valueLen    uint32
	nameLen     uint16
	id          NameID
	flags       uint8
}

const (
	flagDeleted uint8 = 1 << iota
	// flagSecret: see Secret.
	flagSecret
	// flagClean: the bytes around name and value are `name ": " value CRLF`, so the line can be copied as it is.
	flagClean
)

// Reset empties h and keeps its storage.
func (h *Header) Reset() {
	if h.lent {
		h.raw = nil
	}
	h.raw, h.fields = h.raw[:0], h.fields[:0]
	h.clear()
}

// clear is what makes h empty, beside raw and fields. (Assigning a Header puts one together elsewhere and copies it, which is
// slow: see slot.)
func (h *Header) clear() {
	h.Proto, h.Minor, h.Method, h.OneWay = 0, 0, 0, false
	h.Status, h.Timeout = 0, 0
	h.Code, h.Coding = 0, 0
	h.ContentLength = -1
	h.lent, h.remade, h.wire = false, false, 0
	h.method, h.path, h.scheme, h.auth = span{}, span{}, span{}, span{}
	h.reason, h.proto, h.class = span{}, span{}, span{}
}

// Lend empties h and makes b its bytes without copying; decoders call it and then add spans of b.
// h must be dropped or taken before b changes.
func (h *Header) Lend(b []byte) {
	h.fields = h.fields[:0]
	h.clear()
	h.raw, h.lent = b[:len(b):len(b)], true
}

// Trim cuts the bytes that h holds to the first n: a decoder lends what it has read, and learns where the head ends when
// it gets there.
func (h *Header) Trim(n int) { h.raw = h.raw[:n:n] }

// Take makes h hold what src holds, copying lent bytes and swapping the rest; src is empty afterwards.
func (h *Header) Take(src *Header) {
	raw, fields := h.raw, h.fields
	if h.lent {
		raw = nil
	}
	*h = *src
	if src.lent {
		h.raw = append(raw[:0], src.raw...)
		h.lent = false
		raw = nil
	}
	src.raw, src.fields = raw[:0], fields[:0]
	src.clear()
}

// CopyFrom makes h hold a copy of src, which stays as it is.
func (h *Header) CopyFrom(src *Header) {
	raw, fields := h.raw, h.fields
	if h.lent {
		raw = nil
	}
	*h = *src
	h.lent = false
	h.raw = append(raw[:0], src.raw...)
	h.fields = append(fields[:0], src.fields...)
}

// Size is the number of bytes that h's storage holds; owners use it to keep outsized headers out of their free lists.
func (h *Header) Size() int { return cap(h.raw) + cap(h.fields)*16 }

// RawLen is the number of bytes of the head: an upper bound for what encoding its unchanged fields needs.
func (h *Header) RawLen() int { return len(h.raw) }

// AddSpan appends a field whose name and value are spans of the lent bytes. clean promises that the bytes are exactly
// `name ": " value CRLF`.
func (h *Header) AddSpan(id NameID, name, nameLen, value, valueLen int, clean bool) {
	f := h.slot()
	f.name, f.nameLen, f.value, f.valueLen = uint32(name), uint16(nameLen), uint32(value), uint32(valueLen)
	f.id, f.flags = id, 0
	if clean {
		f.flags = flagClean
	}
}

// Len is the number of field slots, deleted ones included: index them with Field.
func (h *Header) Len() int { return len(h.fields) }

// Field returns the i-th field; ok is false when it was deleted.
func (h *Header) Field(i int) (id NameID, name, value []byte, ok bool) {
	f := &h.fields[i]
	if f.flags&flagDeleted != 0 {
		return 0, nil, nil, false
	}
	nameEnd, valueEnd := f.name+uint32(f.nameLen), f.value+f.valueLen
	return f.id, h.raw[f.name:nameEnd:nameEnd], h.raw[f.value:valueEnd:valueEnd], true
}

// Offsets tells where name and value of the i-th field start in the bytes of h: for decoders, which name parts of them
// with AddSpan and the like.
func (h *Header) Offsets(i int) (name, value int) {
	return int(h.fields[i].name), int(h.fields[i].value)
}

// Delete removes the i-th field; the other indices stay.
func (h *Header) Delete(i int) { h.fields[i].flags |= flagDeleted }

// Present returns the well-known names among the fields, and those of them that occur more than once.
func (h *Header) Present() (set, repeated NameSet) {
	for i := range h.fields {
		if f := &h.fields[i]; f.flags&flagDeleted == 0 {
			bit := NameSet(1) << f.id
			repeated |= set & bit
			set |= bit
		}
	}
	return set &^ 1, repeated &^ 1
}

// Get returns the value of the first field with the well-known name id, or nil. A present, empty value is not nil.
func (h *Header) Get(id NameID) []byte {
	for i := range h.fields {
		if f := &h.fields[i]; f.id == id && f.flags&flagDeleted == 0 {
			return h.raw[f.value : f.value+f.valueLen : f.value+f.valueLen]
		}
	}
	return nil
}

// Has reports whether a field with the well-known name id is present.
func (h *Header) Has(id NameID) bool {
	for i := range h.fields {
		if f := &h.fields[i]; f.id == id && f.flags&flagDeleted == 0 {
			return true
		}
	}
	return false
}

// Lookup returns the value of the first field called name, whatever its case, or nil.
func (h *Header) Lookup(name string) []byte {
	if i := h.find(LookupNameString(name), name, 0); i >= 0 {
		f := &h.fields[i]
		return h.raw[f.value : f.value+f.valueLen : f.value+f.valueLen]
	}
	return nil
}

// find returns the index of the first live field from i on that is called name, or -1.
func (h *Header) find(id NameID, name string, i int) int {
	for ; i < len(h.fields); i++ {
		f := &h.fields[i]
		if f.id != id || f.flags&flagDeleted != 0 {
			continue
		}
		if id != NameOther || EqualFold(h.raw[f.name:f.name+uint32(f.nameLen)], name) {
			return i
		}
	}
	return -1
}

// Add appends a field. The caller vouches for its bytes: name is a token, value holds no CR, LF or NUL.
func (h *Header) Add(name string, value []byte) { h.add(LookupNameString(name), name, value) }

// AddString is Add for a string.
func (h *Header) AddString(name, value string) { addTo(h, LookupNameString(name), name, value) }

func (h *Header) add(id NameID, name string, value []byte) { addTo(h, id, name, value) }

func addTo[V []byte | string](h *Header, id NameID, name string, value V) {
	h.own()
	n := uint32(len(h.raw))
	h.raw = append(h.raw, name...)
	h.raw = append(h.raw, ": "...)
	h.raw = append(h.raw, value...)
	h.raw = append(h.raw, "\r\n"...)
	f := h.slot()
	f.name, f.nameLen, f.value, f.valueLen = n, uint16(len(name)), n+uint32(len(name))+2, uint32(len(value))
	f.id, f.flags = id, flagClean
}

// Set replaces the first field called name, keeping its place, and deletes the others; without one it appends.
func (h *Header) Set(name string, value []byte) { setIn(h, name, value) }

// SetString is Set for a string.
func (h *Header) SetString(name, value string) { setIn(h, name, value) }

func setIn[V []byte | string](h *Header, name string, value V) {
	id := LookupNameString(name)
	i := h.find(id, name, 0)
	if i < 0 {
		addTo(h, id, name, value)
		return
	}
	for j := h.find(id, name, i+1); j >= 0; j = h.find(id, name, j+1) {
		h.fields[j].flags |= flagDeleted
	}
	addTo(h, id, name, value)
	last := len(h.fields) - 1
	h.fields[i] = h.fields[last]
	h.fields = h.fields[:last]
}

// Del removes every field with the well-known name id (not NameOther).
func (h *Header) Del(id NameID) {
	for i := range h.fields {
		if f := &h.fields[i]; f.id == id {
			f.flags |= flagDeleted
		}
	}
}

// DelSet removes every field whose well-known name is in set.
func (h *Header) DelSet(set NameSet) {
	for i := range h.fields {
		if f := &h.fields[i]; set>>f.id&1 != 0 {
			f.flags |= flagDeleted
		}
	}
}

// DelName removes every field called name, whatever its case.
func (h *Header) DelName(name string) {
	id := LookupNameString(name)
	for i := h.find(id, name, 0); i >= 0; i = h.find(id, name, i+1) {
		h.fields[i].flags |= flagDeleted
	}
}

// own makes sure that appending to raw does not write into a lent read buffer. Lend gives raw no spare capacity, so the
// append copies; only the mark must go.
func (h *Header) own() {
	if h.lent {
		h.raw = append(make([]byte, 0, len(h.raw)+256), h.raw...)
		h.lent = false
	}
}

// AppendLines appends the live fields in HTTP/1 form, `name ": " value CRLF` each, to dst. Neighbouring lines that are
// as they came are copied in one piece.
func (h *Header) AppendLines(dst []byte) []byte {
	fields, raw := h.fields, h.raw
	for i := 0; i < len(fields); {
		f := &fields[i]
		i++
		switch {
		case f.flags&flagDeleted != 0:
		case f.flags&flagClean == 0:
			dst = append(dst, raw[f.name:f.name+uint32(f.nameLen)]...)
			dst = append(dst, ": "...)
			dst = append(dst, raw[f.value:f.value+f.valueLen]...)
			dst = append(dst, "\r\n"...)
		default:
			start, end := f.name, f.value+f.valueLen+2
			for i < len(fields) && fields[i].name == end && fields[i].flags&^flagSecret == flagClean {
				end = fields[i].value + fields[i].valueLen + 2
				i++
			}
			dst = append(dst, raw[start:end]...)
		}
	}
	return dst
}

// MethodBytes is the method of a request.
func (h *Header) MethodBytes() []byte { return h.bytes(h.method) }

// Path is the request's path with its query, in origin form; "*" for OPTIONS *; empty for CONNECT.
func (h *Header) Path() []byte { return h.bytes(h.path) }

// Scheme is the request's scheme, empty when the protocol did not say.
func (h *Header) Scheme() []byte { return h.bytes(h.scheme) }

// Authority is the request's host, with its port if it has one.
func (h *Header) Authority() []byte { return h.bytes(h.auth) }

// ReasonPhrase is what an HTTP/1 status line says behind the status.
func (h *Header) ReasonPhrase() []byte { return h.bytes(h.reason) }

// Upgrade is the protocol that a request asks for by Upgrade or :protocol, or that a 101 grants. While it is not empty
// the connection and upgrade fields are not among the fields; HTTP/1 encoders write them.
func (h *Header) Upgrade() []byte { return h.bytes(h.proto) }

func (h *Header) bytes(s span) []byte { return h.raw[s.off : s.off+s.len : s.off+s.len] }

// SpanMethod and SpanPath, SpanScheme, SpanAuthority, SpanReason, SpanUpgrade are for decoders: they name spans of the
// lent bytes.
func (h *Header) SpanMethod(off, n int) { h.method = span{uint32(off), uint32(n)} }

// SpanPath is described at SpanMethod.
func (h *Header) SpanPath(off, n int) { h.path = span{uint32(off), uint32(n)} }

// SpanScheme is described at SpanMethod.
func (h *Header) SpanScheme(off, n int) { h.scheme = span{uint32(off), uint32(n)} }

// SpanAuthority is described at SpanMethod.
func (h *Header) SpanAuthority(off, n int) { h.auth = span{uint32(off), uint32(n)} }

// SpanReason is described at SpanMethod.
func (h *Header) SpanReason(off, n int) { h.reason = span{uint32(off), uint32(n)} }

// SpanUpgrade is described at SpanMethod.
func (h *Header) SpanUpgrade(off, n int) { h.proto = span{uint32(off), uint32(n)} }

// SetMethod and SetPath, SetScheme, SetAuthority, SetUpgrade replace a part of the request. SetAuthority leaves the
// host field to the HTTP/1 encoder, which writes it from Authority. b may be a slice of h itself.
func (h *Header) SetMethod(b []byte) {
	h.method = h.store(b)
	h.Method = LookupMethod(h.bytes(h.method))
}

// SetPath is described at SetMethod.
func (h *Header) SetPath(b []byte) { h.path = h.store(b) }

// SetScheme is described at SetMethod.
func (h *Header) SetScheme(b []byte) { h.scheme = h.store(b) }

// SetAuthority is described at SetMethod.
func (h *Header) SetAuthority(b []byte) { h.auth = h.store(b) }

// SetUpgrade is described at SetMethod.
func (h *Header) SetUpgrade(b []byte) { h.proto = h.store(b) }

func (h *Header) store(b []byte) span {
	h.own()
	s := span{uint32(len(h.raw)), uint32(len(b))}
	h.raw = append(h.raw, b...)
	return s
}
