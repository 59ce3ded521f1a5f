package hpack

import "sluice/protocols"

// An Encoder encodes the header blocks of one direction of a connection. The zero Encoder is ready; it belongs to the
// connection's loop.
//
//	Begin, then Append and AppendPseudo, for every block in the order in which they are sent
//
// Fields that are appended change the table: what they return must be sent, or the connection given up.
type Encoder struct {
	index index
	// Sizes that SetMax was told since the last Begin: "the smallest maximum table size that occurs in that interval
	// MUST be signaled in a dynamic table size update. The final maximum size is always signaled" (RFC 7541 section
	// 4.2). Zero means none; otherwise 1 more than the size.
	lowest, last uint16
}

// maxEncoderTable is the largest table that an encoder uses, however much the peer would keep.
const maxEncoderTable = defaultTableSize

// SetMax takes the peer's SETTINGS_HEADER_TABLE_SIZE, in bytes. Call it between blocks.
func (e *Encoder) SetMax(n int) {
	n = min(max(n, 0), maxEncoderTable)
	if e.last == 0 && n == e.index.max() {
		return
	}
	e.last = uint16(n) + 1
	if e.lowest == 0 || e.last < e.lowest {
		e.lowest = e.last
	}
}

// Begin starts a header block: it appends the table size updates that are due.
func (e *Encoder) Begin(dst []byte) []byte {
	if e.last == 0 {
		return dst
	}
	lowest, last := int(e.lowest)-1, int(e.last)-1
	e.lowest, e.last = 0, 0
	if lowest < last && lowest < e.index.max() {
		dst = e.resize(dst, lowest)
	}
	return e.resize(dst, last)
}

func (e *Encoder) resize(dst []byte, n int) []byte {
	e.index.resize(n)
	return appendInt(dst, 0x20, 5, n) // RFC 7541 section 6.3: 001xxxxx
}

// AppendPseudo appends a pseudo field; p is neither PseudoNone nor PseudoUnknown.
func (e *Encoder) AppendPseudo(dst []byte, p Pseudo, value []byte) []byte {
	policy := PolicyIndex
	switch p {
	case PseudoMethod:
		switch string(value) {
		case "GET":
			return append(dst, 0x80|2)
		case "POST":
			return append(dst, 0x80|3)
		}
	case PseudoPath:
		switch string(value) {
		case "/":
			return append(dst, 0x80|4)
		case "/index.html":
			return append(dst, 0x80|5)
		}
		policy = PolicyRepeat
	case PseudoScheme:
		switch string(value) {
		case "http":
			return append(dst, 0x80|6)
		case "https":
			return append(dst, 0x80|7)
		}
	case PseudoStatus:
		if i := staticStatus(value); i != 0 {
			return append(dst, 0x80|i)
		}
	case PseudoNone, PseudoUnknown, PseudoAuthority, PseudoProtocol:
	}
	return e.appendKnown(dst, firstPseudo+known(p), value, policy)
}

// staticStatus returns the index of a status in the static table; 0 for none.
func staticStatus(value []byte) byte {
	switch string(value) {
	case "200":
		return 8
	case "204":
		return 9
	case "206":
		return 10
	case "304":
		return 11
	case "400":
		return 12
	case "404":
		return 13
	case "500":
		return 14
	}
	return 0
}

// Append appends a field. A name that is not well known (NameOther) is lowered on the way; with another id name is not
// looked at. p says what may enter the table; a cookie that is short enough to be guessed never does, whatever p.
func (e *Encoder) Append(dst []byte, id protocols.NameID, name, value []byte, p Policy) []byte {
	if id != protocols.NameOther {
		return e.appendKnown(dst, known(id), value, p)
	}
	if hasUpper(name) {
		return e.appendLowered(dst, name, value, p)
	}
	return e.appendNamed(dst, name, value, p)
}

// appendNamed is Append for a name in lower case.
func (e *Encoder) appendNamed(dst, name, value []byte, p Policy) []byte {
	if k := lookupKnown(name); k != unknown {
		return e.appendKnown(dst, k, value, p)
	}
	return e.append(dst, &subject{name: name, value: value}, p)
}

// maxNameToLower is the length in bytes above which a name in upper case is written without a look at any table.
const maxNameToLower = 128

// appendLowered is Append for a name that is not in lower case.
func (e *Encoder) appendLowered(dst, name, value []byte, p Policy) []byte {
	if len(name) > maxNameToLower {
		return appendLongName(dst, name, value, p)
	}
	var buf [maxNameToLower]byte
	lowered := buf[:copy(buf[:], name)]
	lower(lowered)
	return e.appendNamed(dst, lowered, value, p)
}

// appendLongName appends a field without use of a table.
func appendLongName(dst, name, value []byte, p Policy) []byte {
	first := literalNoIndex
	if p == PolicyNever {
		first = literalNever
	}
	dst = appendInt(append(dst, first), 0, 7, len(name))
	n := len(dst)
	dst = append(dst, name...)
	lower(dst[n:])
	return appendPlain(dst, value)
}

// The first bytes of a literal field.
const (
	literalIndex   byte = 0x40 // RFC 7541 section 6.2.1: 01xxxxxx
	literalNoIndex byte = 0x00 // RFC 7541 section 6.2.2: 0000xxxx
	literalNever   byte = 0x10 // RFC 7541 section 6.2.3: 0001xxxx
)

// appendKnown appends a field with a known name.
func (e *Encoder) appendKnown(dst []byte, k known, value []byte, p Policy) []byte {
	if k == known(protocols.NameCookie) && len(value) < guessable {
		// RFC 7541 section 7.1.3: "An encoder might also choose not to index values for header fields that are
		// considered to be highly valuable or sensitive to recovery, such as the Cookie".
		p = PolicyNever
	}
	if p <= PolicyRepeat {
		if age := e.index.latest(k, value); age != 0 {
			return appendIndexed(dst, age)
		}
	}
	return e.append(dst, &subject{known: k, value: value}, p)
}

// append appends a field and sets the hashes of s.
func (e *Encoder) append(dst []byte, s *subject, p Policy) []byte {
	if p > PolicyRepeat && knownNames[s.known].index != 0 {
		return appendLiteral(dst, s, int(knownNames[s.known].index), p)
	}
	s.hashName()
	s.hashField()
	if p <= PolicyRepeat {
		if s.known == known(protocols.NameAcceptEncoding) && string(s.value) == "gzip, deflate" {
			return append(dst, 0x80|16) // the one field of the static table that is neither a pseudo field nor empty
		}
		if age := e.index.find(s); age != 0 {
			return appendIndexed(dst, age)
		}
	}
	nameIndex := e.nameIndex(s)
	if !e.admits(s, p, nameIndex) {
		return appendLiteral(dst, s, nameIndex, p)
	}
	e.index.add(s)
	// What enters the table is written once, so it is worth its Huffman code.
	return appendString(appendName(dst, literalIndex, 6, nameIndex, s), s.value)
}

// nameIndex returns the index of an entry with the name of s; 0 if there is none.
func (e *Encoder) nameIndex(s *subject) int {
	if i := knownNames[s.known].index; i != 0 {
		return int(i)
	}
	if age := e.index.findName(s); age != 0 {
		return staticLen + age
	}
	return 0
}

// admits reports whether s, which is not in the table, may enter it.
func (e *Encoder) admits(s *subject, p Policy, nameIndex int) bool {
	switch p {
	case PolicyIndex:
		return e.fits(s)
	case PolicyRepeat:
		return (nameIndex == 0 || e.index.seen(s)) && e.fits(s)
	case PolicyNoIndex:
		return nameIndex == 0 && s.known != unknown && e.fits(s)
	case PolicyNever:
	}
	return false
}

// fits reports whether s may enter the table: a larger one would push out too much.
func (e *Encoder) fits(s *subject) bool {
	name := len(s.name)
	if s.known != unknown {
		name = len(knownNames[s.known].name)
	}
	return name+len(s.value)+entryOverhead <= e.index.max()/2
}

// appendIndexed appends an entry of the dynamic table.
func appendIndexed(dst []byte, age int) []byte {
	return appendInt(dst, 0x80, 7, staticLen+age) // RFC 7541 section 6.1: 1xxxxxxx
}

// appendLiteral appends a field that does not enter the table. Its value is not Huffman coded: that costs 1.8 ns for each
// byte here and 1.4 in a good decoder, to save a quarter of a byte, and it would be paid for every message.
func appendLiteral(dst []byte, s *subject, nameIndex int, p Policy) []byte {
	first := literalNoIndex
	if p == PolicyNever {
		first = literalNever
	}
	return appendPlain(appendName(dst, first, 4, nameIndex, s), s.value)
}

// appendName appends the beginning of a literal field: its kind and its name, as an index (0 for none) or literally. A
// known name has been coded once for all.
func appendName(dst []byte, first byte, prefix uint, index int, s *subject) []byte {
	if index != 0 {
		return appendInt(dst, first, prefix, index)
	}
	dst = append(dst, first)
	switch {
	case s.known != unknown:
		return append(dst, knownNames[s.known].literal...)
	case first == literalIndex:
		return appendString(dst, s.name)
	}
	return appendPlain(dst, s.name)
}
