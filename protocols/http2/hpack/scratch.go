package hpack

// A Scratch holds the Huffman strings of one field while its user looks at it. The connections of a loop share one: a
// block is decoded from Begin to its last Next without another block in between. Not safe for concurrent use.
type Scratch struct {
	// Max is the length of the longest string that is decoded, in bytes; Next returns ErrTooLong for a longer one. Zero
	// or less means 64 KiB. A block of n bytes holds no string that is longer than n*8/5.
	Max int

	buf   []byte
	field Field // what Next returns
}

const (
	defaultMaxString = 64 << 10
	minScratch       = 512
)

// reset forgets what was decoded before.
func (s *Scratch) reset() { s.buf = s.buf[:0] }

// huffman decodes src. What was decoded since reset stays where it is.
func (s *Scratch) huffman(src []byte) ([]byte, error) {
	limit := s.Max
	if limit <= 0 {
		limit = defaultMaxString
	}
	// The shortest codes have 5 bits.
	dst := s.room(min(len(src)*8/minCodeLen, limit) + decodeSlack)
	n, err := decodeHuffman(dst, src)
	if err != nil {
		return nil, err
	}
	s.buf = s.buf[:len(s.buf)+n]
	return dst[:n:n], nil
}

// copy keeps a copy of b.
func (s *Scratch) copy(b []byte) []byte {
	dst := s.room(len(b))
	s.buf = s.buf[:len(s.buf)+copy(dst, b)]
	return dst
}

// room returns n bytes behind what was decoded.
func (s *Scratch) room(n int) []byte {
	used := len(s.buf)
	if cap(s.buf)-used < n {
		// What the old storage holds is valid as long as somebody refers to it.
		s.buf = make([]byte, 0, max(2*cap(s.buf), used+n, minScratch))
		used = 0
	}
	return s.buf[used : used+n : used+n]
}
