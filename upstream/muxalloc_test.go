//go:build !race

package upstream

import "testing"

// TestStreamsAllocateNothing sends 1 000 requests through an open connection.
func TestStreamsAllocateNothing(t *testing.T) {
	r := newRig(t, rigConfig())
	r.call()
	s := r.server(0)
	s.answer(1)
	s.Discard()
	calls := make([]call, 10)
	for i := range calls {
		calls[i].prepare(r)
		calls[i].quiet = true
	}
	begin := func() {
		for i := range calls {
			calls[i].acquire()
		}
	}
	var answers []byte
	exchange := func() {
		r.l.Do(begin)
		answers = answers[:0]
		for b := s.Bytes(); len(b) >= frameLen; b = b[frameLen:] {
			answers = append(answers, b[:frameLen]...)
			answers[len(answers)-frameLen+1] = flagEnd
		}
		s.Discard()
		s.SendBytes(answers)
		r.l.Run()
	}
	for range 100 {
		exchange()
	}
	least := 1.0
	for i := 0; i < 10 && least > 0; i++ {
		least = testing.AllocsPerRun(1, func() {
			for range 100 {
				exchange()
			}
		})
	}
	if least != 0 {
		t.Errorf("%v allocations per 1 000 requests, want 0", least)
	}
	for i := range calls {
		if !calls[i].done || calls[i].lease != nil {
			t.Errorf("call %d: %s", i, calls[i].state())
		}
	}
	r.wantServers(1)
}

// TestHTTP2AllocatesNothing is the same with the codec of HTTP/2.
func TestHTTP2AllocatesNothing(t *testing.T) {
	_, exchange := h2rig(t, 20)
	for range 200 {
		exchange()
	}
	least := 1.0
	for i := 0; i < 10 && least > 0; i++ {
		least = testing.AllocsPerRun(1, func() {
			for range 50 {
				exchange()
			}
		})
	}
	if least != 0 {
		t.Errorf("%v allocations per 1 000 requests, want 0", least)
	}
}
