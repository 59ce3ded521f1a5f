package http2

// queue holds the streams that could send if the connection could: by urgency (RFC 9218 section 4.1), and in the order
// in which they came within one. Who was served and has more goes to the end.
type queue struct {
	first, last [urgencies]*stream
	any         uint8 // bit u: there are streams of urgency u
}

const (
	urgencies      = 8
	defaultUrgency = 3
)

func (q *queue) push(s *stream) {
	u := s.urgency
	if q.any>>u&1 == 0 {
		q.any |= 1 << u
		q.first[u] = s
	} else {
		q.last[u].next = s
	}
	q.last[u] = s
}

// pop takes out the stream whose turn it is, or returns nil.
func (q *queue) pop() *stream {
	if q.any == 0 {
		return nil
	}
	u := 0
	for q.any>>u&1 == 0 {
		u++
	}
	s := q.first[u]
	q.cut(u, nil, s)
	return s
}

// remove takes s out, which is queued.
func (q *queue) remove(s *stream) {
	u := int(s.urgency)
	var before *stream
	for x := q.first[u]; x != s; x = x.next {
		before = x
	}
	q.cut(u, before, s)
}

// cut takes s, which stands behind before, out of the list u.
func (q *queue) cut(u int, before, s *stream) {
	if before == nil {
		q.first[u] = s.next
	} else {
		before.next = s.next
	}
	if q.last[u] == s {
		q.last[u] = before
	}
	s.next = nil
	if q.first[u] == nil {
		q.any &^= 1 << u
	}
}
