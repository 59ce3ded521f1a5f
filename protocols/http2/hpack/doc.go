// Package hpack is the header compression of HTTP/2 (RFC 7541), built for a gateway: no allocation per field or block in
// steady state, tables that cost an idle connection only what is in them, well-known names as [protocols.NameID].
//
// The contract between it and its only user, package http2:
//
//	type Decoder struct{ ... }                       // embedded by value in a connection
//	func (d *Decoder) SetAllowed(max int)            // what our SETTINGS_HEADER_TABLE_SIZE said, once it is acknowledged
//	func (d *Decoder) Begin(block []byte, scratch *Scratch) // a whole header block, lent until the last Next
//	func (d *Decoder) Next() (f Field, more bool, err error)
//
//	type Field struct {
//		ID          protocols.NameID // NameOther for a name that is not well known, and for pseudo fields
//		Pseudo      Pseudo           // PseudoNone, PseudoMethod, PseudoScheme, PseudoAuthority, PseudoPath, PseudoStatus, PseudoProtocol, PseudoUnknown
//		Checked     bool             // a table entry whose bytes were found valid before (see MarkChecked)
//		Never       bool             // never to be indexed (RFC 7541 section 7.1.3)
//		Name, Value []byte           // valid until the next call of Next
//	}
//
//	type Encoder struct{ ... }                       // embedded by value
//	func (e *Encoder) SetMax(n int)                  // the peer's SETTINGS_HEADER_TABLE_SIZE (capped by us at 4096)
//	func (e *Encoder) Begin(dst []byte) []byte       // appends table size updates that are due
//	func (e *Encoder) Append(dst []byte, id protocols.NameID, name, value []byte, p Policy) []byte // lowers names
//	func (e *Encoder) AppendPseudo(dst []byte, p Pseudo, value []byte) []byte
//
// Scratch is the loop's: the bytes into which Huffman strings are decoded.
package hpack
