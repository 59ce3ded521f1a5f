package gateway

// A sessionList is the sessions of a loop, in no order.
type sessionList struct {
	first *session
	count int
}

func (l *sessionList) add(s *session) {
	l.count++
	s.next = l.first
	if s.next != nil {
		s.next.prev = s
	}
	l.first = s
}

func (l *sessionList) remove(s *session) {
	l.count--
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		l.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.next, s.prev = nil, nil
}
