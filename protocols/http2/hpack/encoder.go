package hpack

import "sluice/protocols"

// An Encoder encodes the header blocks of one direction of a connection. The zero Encoder is ready; it belongs to the
// connection's loop.
//
//	Begin, then Append and AppendPseudo, for every block in the order in which they are sent
//
// Fields that are appended change the table: what they return must be sent, or the connection given up.
type Encoder struct {
	table table
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
	if e.last == 0 && n == e.table.max() {
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
	if lowest < last && lowest < e.table.max() {
		dst = e.resize(dst, lowest)
	}
	return e.resize(dst, last)
}

func (e *Encoder) resize(dst []byte, n int) []byte {
	e.table.resize(n)
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
		if len(value) == 1 && value[0] == '/' {
			return append(dst, 0x80|4)
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
	return e.append(dst, firstPseudo+known(p), nil, value, policy)
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

// maxNameToIndex is the length in bytes above which a name is written as it is, without a look at any table.
const maxNameToIndex = 128

// Append appends a field. A name that is not well known (NameOther) is lowered on the way; with another id name is not
// looked at. p says what may enter the table; a cookie that is short enough to be guessed never does, whatever p.
func (e *Encoder) Append(dst []byte, id protocols.NameID, name, value []byte, p Policy) []byte {
	if id == protocols.NameCookie && len(value) < guessable {
		// RFC 7541 section 7.1.3: "An encoder might also choose not to index values for header fields that are
		// considered to be highly valuable or sensitive to recovery, such as the Cookie".
		p = PolicyNever
	}
	if id != protocols.NameOther {
		return e.append(dst, known(id), nil, value, p)
	}
	if len(name) > maxNameToIndex {
		return appendLongName(dst, name, value, p)
	}
	var buf [maxNameToIndex]byte
	lowered := buf[:lower(buf[:], name)]
	return e.append(dst, lookupKnown(lowered), lowered, value, p)
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
	lower(dst[n:], dst[n:])
	return appendPlain(dst, value)
}

// lower writes src to dst in lower case and returns how many bytes it wrote.
func lower(dst, src []byte) int {
	for i, c := range src {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst[i] = c
	}
	return len(src)
}

// The first bytes of a literal field.
const (
	literalIndex   byte = 0x40 // RFC 7541 section 6.2.1: 01xxxxxx
	literalNoIndex byte = 0x00 // RFC 7541 section 6.2.2: 0000xxxx
	literalNever   byte = 0x10 // RFC 7541 section 6.2.3: 0001xxxx
)

// append appends a field with a name in lower case; name is looked at only if k is unknown.
func (e *Encoder) append(dst []byte, k known, name, value []byte, p Policy) []byte {
	if k == known(protocols.NameAcceptEncoding) && p <= PolicyRepeat && string(value) == "gzip, deflate" {
		return append(dst, 0x80|16) // the one field of the static table that is neither a pseudo field nor empty
	}
	nameHash := hashName(k, name)
	var fieldHash hash
	// A field that takes more than half of the table would push out too much.
	fits := len(name)+len(knownNames[k].name)+len(value)+entryOverhead <= e.table.max()/2
	if fits && p <= PolicyRepeat {
		fieldHash = hashField(nameHash, value)
		if age := e.index.find(&e.table, fieldHash, k, name, value); age != 0 {
			return appendInt(dst, 0x80, 7, staticLen+age) // RFC 7541 section 6.1: 1xxxxxxx
		}
	}
	nameIndex := int(knownNames[k].index)
	if nameIndex == 0 {
		if age := e.index.findName(&e.table, nameHash, k, name); age != 0 {
			nameIndex = staticLen + age
		}
	}
	insert := false
	if fits {
		switch p {
		case PolicyIndex:
			insert = true
		case PolicyRepeat:
			insert = e.index.seen(fieldHash) || nameIndex == 0
		case PolicyNoIndex:
			insert = nameIndex == 0 && k != unknown
			if insert {
				fieldHash = hashField(nameHash, value)
			}
		case PolicyNever:
		}
	}
	if insert {
		dst = appendName(dst, literalIndex, 6, nameIndex, k, name)
		if entry := e.table.insert(k, name, value); entry != nil {
			e.index.add(&e.table, entry, fieldHash, nameHash)
		}
		return appendString(dst, value)
	}
	first := literalNoIndex
	if p == PolicyNever {
		first = literalNever
	}
	return appendPlain(appendName(dst, first, 4, nameIndex, k, name), value)
}

// appendName appends the beginning of a literal field: its kind and its name, as an index (0 for none) or literally.
func appendName(dst []byte, first byte, prefix uint, index int, k known, name []byte) []byte {
	if index != 0 {
		return appendInt(dst, first, prefix, index)
	}
	dst = append(dst, first)
	if k != unknown {
		return append(dst, knownNames[k].literal...)
	}
	return appendString(dst, name)
}
