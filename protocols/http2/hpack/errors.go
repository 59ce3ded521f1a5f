package hpack

import "sluice/protocols"

// What a decoder refuses. Each of them is "a decoding error in a header block", which HTTP/2 answers with a connection
// error of type COMPRESSION_ERROR (RFC 9113 section 4.3). ErrTooLong is the exception: the block may be good, but holds
// a string that is longer than its reader wants.
var (
	// ErrTooLong is the refusal of a Huffman string that is longer than Scratch.Max.
	ErrTooLong = &protocols.Error{Reason: protocols.ReasonHeadTooLarge, Detail: "a name or value is longer than a head may be"}

	errTruncated      = malformed("the header block ends within a field (RFC 7541 section 6)")
	errInteger        = malformed("an integer of more than 32 bits or more than 5 continuation bytes (RFC 7541 section 5.1)")
	errIndex          = malformed("an index that is in no table (RFC 7541 section 2.3.3)")
	errIndexZero      = malformed("index 0 (RFC 7541 section 6.1)")
	errStringLength   = malformed("a string that is longer than the header block (RFC 7541 section 5.2)")
	errEOS            = malformed("EOS within a Huffman string (RFC 7541 section 5.2)")
	errPadding        = malformed("a Huffman string with padding that is longer than 7 bits or not of ones (RFC 7541 section 5.2)")
	errUpdateLate     = malformed("a table size update behind the first field of a block (RFC 7541 section 4.2)")
	errUpdateTooLarge = malformed("a table size update above SETTINGS_HEADER_TABLE_SIZE (RFC 7541 section 6.3)")
	errUpdateMissing  = malformed("no table size update though SETTINGS_HEADER_TABLE_SIZE was lowered (RFC 7541 section 4.2)")
)

func malformed(detail string) *protocols.Error {
	return &protocols.Error{Reason: protocols.ReasonProtocolError, Detail: "HPACK: " + detail}
}
