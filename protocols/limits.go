package protocols

import "time"

// Limits bounds what a codec accepts. Zero means the default, negative means none.
type Limits struct {
	HeadBytes     int // a whole head, all fields, counted as decoded: 64 KiB
	HeadFields    int // fields in a request head: 128 (256 in a response's)
	RequestLine   int // bytes of an HTTP/1 request line: 16 KiB
	TrailerBytes  int // 8 KiB
	TrailerFields int // 32
	DiscardBytes  int // request body bytes read and dropped behind an early answer to keep a connection: 64 KiB

	// Of protocols of binary frames (Bolt, Dubbo).
	ClassBytes   int // a class name, or a path, version or method of Dubbo: 4 KiB
	ContentBytes int // the content of a frame: 16 MiB
	Calls        int // requests in progress on one connection: 1024, and never more than 4000

	// Of multiplexed protocols.
	Streams   int // streams that the peer may have open on one connection: 128
	Window    int // initial receive window of a stream, in bytes: 64 KiB (towards upstreams 16 KiB, among many 4)
	WindowMax int // up to which a window grows while its stream is drained, and those of a connection grow together: 2 MiB, or Window
	// Owed is Env.Owed's part of one connection, past which its heaviest stalled stream is reset (where there are no windows:
	// past which it is not read): 4 MiB or twice WindowMax, and towards upstreams no less than two initial windows for each
	// stream. OwedOnLoop is Env.Owed itself, past which every connection does the same: 256 MiB.
	Owed, OwedOnLoop int

	PingInterval time.Duration // silence after which the peer is asked whether it is still there; 0 or negative: never
	PingTimeout  time.Duration // for its answer: 20 s
}

// WithDefaults returns l with every zero replaced by its default and every negative by the largest int. Window stays
// zero: its default depends on the side.
func (l Limits) WithDefaults() Limits {
	fill(&l.HeadBytes, 64<<10)
	fill(&l.HeadFields, 128)
	fill(&l.RequestLine, 16<<10)
	fill(&l.TrailerBytes, 8<<10)
	fill(&l.TrailerFields, 32)
	fill(&l.DiscardBytes, 64<<10)
	fill(&l.ClassBytes, 4<<10)
	fill(&l.ContentBytes, 16<<20)
	fill(&l.Calls, 1024)
	fill(&l.Streams, 128)
	fill(&l.WindowMax, max(2<<20, l.Window))
	fill(&l.Owed, max(4<<20, 2*min(l.WindowMax, 1<<29)))
	fill(&l.OwedOnLoop, 256<<20)
	if l.PingTimeout <= 0 {
		l.PingTimeout = 20 * time.Second
	}
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
