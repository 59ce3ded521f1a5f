package secure_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/secure"
)

// alertRecord reports whether the last record that p got may be an alert: two bytes, and what encryption adds.
func alerts(t *testing.T, b []byte) int {
	t.Helper()
	n := 0
	for len(b) >= 5 {
		size := int(b[3])<<8 | int(b[4])
		if size < 40 {
			n++
		}
		b = b[5+size:]
	}
	return n
}

func TestCloseNotify(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		s := r.open(h)
		_ = s.tls.CloseWrite() // no FIN follows
		r.l.Run()
		if h.readClosed != 1 || h.closed != 0 || h.conn.(*secure.Conn).Truncated() {
			t.Fatalf("ReadClosed %d, Closed %d, truncated %v", h.readClosed, h.closed, h.conn.(*secure.Conn).Truncated())
		}
		s.p.SendBytes(bytes.Repeat([]byte("ignored"), 1000))
		r.l.Do(func() { write(h.conn, "half closed") })
		if string(s.got) != "half closed" || h.closed != 0 || len(h.got) != 0 {
			t.Errorf("got %q; Closed %d", s.got, h.closed)
		}
		r.l.Do(func() { h.conn.CloseWrite(); write(h.conn, "late") })
		if string(s.got) != "half closed" || !s.p.EOF() {
			t.Errorf("got %q, FIN %v", s.got, s.p.EOF())
		}
		s.p.CloseWrite()
		r.l.Run()
		if h.readClosed != 1 || h.closed != 0 {
			t.Errorf("ReadClosed %d, Closed %d after the FIN", h.readClosed, h.closed)
		}
		r.l.Do(func() { h.conn.Close(loop.CloseNow, nil) })
	})
}

func TestOurCloseNotify(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		for name, end := range map[string]func(c loop.Conn){
			"CloseWrite":     func(c loop.Conn) { c.CloseWrite() },
			"CloseFlushed":   func(c loop.Conn) { c.Close(loop.CloseFlushed, nil) },
			"CloseLingering": func(c loop.Conn) { c.Close(loop.CloseLingering, nil) },
		} {
			h := &endpoint{}
			s := r.open(h)
			s.p.Discard()
			r.l.Do(func() { h.conn.Write([]byte(strings.Repeat("bye", 100))); end(h.conn) })
			if len(s.got) != 300 || alerts(t, s.p.Bytes()) != 1 || !s.p.EOF() {
				t.Errorf("%s: got %d bytes, %d alerts, FIN %v", name, len(s.got), alerts(t, s.p.Bytes()), s.p.EOF())
			}
			s.p.CloseWrite()
			r.l.Do(func() { h.conn.Close(loop.CloseNow, nil) })
		}
	})
}

func TestTruncation(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		for name, partial := range map[string]bool{"between records": false, "inside a record": true} {
			h := &endpoint{}
			s := r.open(h)
			s.hold = true
			_, _ = s.tls.Write([]byte("whole"))
			whole := len(s.held)
			_, _ = s.tls.Write([]byte("torn"))
			if !partial {
				s.held = s.held[:whole]
			} else {
				s.held = s.held[:len(s.held)-1]
			}
			s.p.SendBytes(s.held)
			s.p.CloseWrite()
			r.l.Run()
			if string(h.got) != "whole" || h.readClosed != 1 || !h.conn.(*secure.Conn).Truncated() {
				t.Errorf("%s: got %q, ReadClosed %d, truncated %v", name, h.got, h.readClosed, h.conn.(*secure.Conn).Truncated())
			}
			r.l.Do(func() { write(h.conn, "still open") })
			if string(s.got) != "still open" {
				t.Errorf("%s: got %q", name, s.got)
			}
			r.l.Do(func() { h.conn.Close(loop.CloseNow, nil) })
		}
		if n := r.engine.Counters().Truncated; n != 2 {
			t.Errorf("%d were counted", n)
		}
	})
}

// TestTruncationWhilePaused has more waiting than a turn makes, behind a pause, and then the end.
func TestTruncationWhilePaused(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		s := r.open(h)
		r.l.Do(h.conn.Pause)
		data := bytes.Repeat([]byte("0123456789"), 50_000)
		_, _ = s.tls.Write(data)
		s.p.CloseWrite()
		r.l.Run()
		if len(h.got) != 0 || h.readClosed != 0 {
			t.Error("a paused connection was told something")
		}
		r.l.Do(h.conn.Resume)
		if !bytes.Equal(h.got, data) || h.readClosed != 1 {
			t.Errorf("%d bytes and %d ends; want %d and 1", len(h.got), h.readClosed, len(data))
		}
	})
}

func TestBadRecord(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		for name, spoil := range map[string]func(b []byte) []byte{
			"a bit":     func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
			"the type":  func(b []byte) []byte { b[0] = 99; return b },
			"a version": func(b []byte) []byte { b[1] = 2; return b },
			"a length":  func(b []byte) []byte { b[3] = 0xff; return b },
		} {
			h := &endpoint{}
			s := r.open(h)
			before := r.engine.Counters().RecordErrors[secure.ReasonMalformed]
			s.p.Discard()
			s.hold = true
			_, _ = s.tls.Write([]byte("good"))
			good := len(s.held)
			_, _ = s.tls.Write([]byte("evil"))
			s.p.SendBytes(append(s.held[:good:good], spoil(s.held[good:])...))
			r.l.Run()
			r.l.Advance(3 * time.Second)
			var e *secure.Error
			if string(h.got) != "good" || h.closed != 1 || !errors.As(h.err, &e) || e.Handshake || e.Reason != secure.ReasonMalformed {
				t.Errorf("%s: got %q, closed with %v", name, h.got, h.err)
			}
			if alerts(t, s.p.Bytes()) != 1 || r.engine.Counters().RecordErrors[secure.ReasonMalformed] != before+1 {
				t.Errorf("%s: no alert, or not counted", name)
			}
		}
	})
}

// TestSlowReader checks that plaintext and ciphertext together stay bounded, and that Drained comes.
func TestSlowReader(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		s := r.open(h)
		s.p.Window(0)
		for _, piece := range []int{100, 5000, 16 << 10, 70_000} {
			h.drained = 0
			r.l.Do(func() {
				for h.conn.Buffered() <= loop.HighWater {
					h.conn.Write(make([]byte, piece))
				}
			})
			if n := h.conn.Buffered(); n > loop.HighWater+2*piece+4096 {
				t.Errorf("%d bytes are buffered after pieces of %d", n, piece)
			}
			s.p.Window(-1)
			r.l.Run()
			if h.drained != 1 || h.conn.Buffered() != 0 {
				t.Errorf("pieces of %d: Drained was called %d times; %d bytes are left", piece, h.drained, h.conn.Buffered())
			}
			s.p.Window(0)
		}
	})
}

// TestAnswersThatNobodyReads bounds what a peer can make crypto/tls say (each KeyUpdate asks for one).
func TestAnswersThatNobodyReads(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		s := r.open(h)
		flood := func() {
			for range 1000 {
				r.l.Do(func() { h.conn.(*secure.Conn).Answer(30) })
				_, _ = s.tls.Write([]byte("x"))
				r.l.Run()
			}
		}
		s.p.OnReceive(func([]byte) {}) // the client would not understand the answers
		flood()
		if h.closed != 0 {
			t.Fatalf("a peer that reads was closed: %v", h.err)
		}
		s.p.Window(0)
		flood()
		if h.closed != 1 || h.conn.Buffered() > 32<<10 || r.engine.Counters().RecordErrors[secure.ReasonMalformed] != 1 {
			t.Errorf("closed %d with %v, %d bytes buffered", h.closed, h.err, h.conn.Buffered())
		}
	})
}
