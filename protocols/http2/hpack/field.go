package hpack

import "sluice/protocols"

// A Field is one decoded header field. It lies in the Scratch, and its bytes alias the block, a table's storage or the
// Scratch: all of it is valid until the next call of [Decoder.Next].
type Field struct {
	ID     protocols.NameID // NameOther for a name that is not well known or not in lower case, and for pseudo fields
	Pseudo Pseudo
	// Checked: the whole field comes out of a table, and its bytes were found valid before (see [Decoder.MarkChecked]).
	Checked bool
	// NameChecked: the name is one that this package knows, exactly, in lower case, or that of a checked entry. Only
	// the value may be invalid.
	NameChecked bool
	// Never: "a literal header field never indexed": an intermediary must forward it as such (RFC 7541 section 6.2.3).
	Never bool
	Name  []byte
	Value []byte
}

// Pseudo says which pseudo field a field is (RFC 9113 section 8.3).
type Pseudo uint8

// The pseudo fields.
const (
	PseudoNone Pseudo = iota // an ordinary field
	PseudoMethod
	PseudoScheme
	PseudoAuthority
	PseudoPath
	PseudoStatus
	PseudoProtocol // RFC 8441 section 4
	PseudoUnknown  // any other name that begins with ":"
)

// String is the name with its colon; empty for PseudoNone and PseudoUnknown.
func (p Pseudo) String() string {
	switch p {
	case PseudoMethod:
		return ":method"
	case PseudoScheme:
		return ":scheme"
	case PseudoAuthority:
		return ":authority"
	case PseudoPath:
		return ":path"
	case PseudoStatus:
		return ":status"
	case PseudoProtocol:
		return ":protocol"
	case PseudoNone, PseudoUnknown:
	}
	return ""
}
