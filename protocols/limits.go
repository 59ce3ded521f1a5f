package protocols

// Limits bounds what a codec accepts. Zero means the default, negative means none.
type Limits struct {
	HeadBytes     int // a whole head, all fields, counted as decoded: 64 KiB
	HeadFields    int // fields in a request head: 128 (256 in a response's)
	RequestLine   int // bytes of an HTTP/1 request line: 16 KiB
	TrailerBytes  int // 8 KiB
	TrailerFields int // 32
	DiscardBytes  int // request body bytes read and dropped behind an early answer to keep a connection: 64 KiB
}

// WithDefaults returns l with every zero replaced by its default and every negative by the largest int.
func (l Limits) WithDefaults() Limits {
	fill(&l.HeadBytes, 64<<10)
	fill(&l.HeadFields, 128)
	fill(&l.RequestLine, 16<<10)
	fill(&l.TrailerBytes, 8<<10)
	fill(&l.TrailerFields, 32)
	fill(&l.DiscardBytes, 64<<10)
	return l
}

func fill(v *int, def int) {
	const maxInt = int(^uint(0) >> 1)
	switch {
	case *v == 0:
		*v = def
	case *v < 0:
		*v = maxInt
	}
}
