package secure

// Sizes of RFC 8446, 5.1 and 5.2, and of RFC 5246, 6.2.3, whose limit is the larger one.
const (
	recordHeader = 5
	maxPlain     = 1 << 14
	maxFragment  = maxPlain + 2048
)

// Content types, RFC 8446, B.1.
const (
	typeAlert     = 21
	typeHandshake = 22
)

// record returns the length of the record that b starts with, its header included, or 0 when it is incomplete. A header
// that no record can have is a record in itself: tls.Conn looks at it and says what is wrong, with the right alert.
func record(b []byte) int {
	if len(b) < recordHeader {
		return 0
	}
	n := int(b[3])<<8 | int(b[4])
	switch {
	case n > maxFragment || b[1] != 3:
		return recordHeader
	case len(b) < recordHeader+n:
		return 0
	}
	return recordHeader + n
}

// records returns the length of the whole records that b starts with.
func records(b []byte) (n int) {
	for {
		k := record(b[n:])
		if k == 0 {
			return n
		}
		n += k
	}
}
