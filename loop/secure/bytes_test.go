package secure_test

import (
	"bytes"
	"strings"
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
)

// eachVersion runs f with TLS 1.2 and 1.3.
func eachVersion(t *testing.T, f func(t *testing.T, r *rig)) {
	for name, version := range versions() {
		t.Run(name, func(t *testing.T) { f(t, newRig(t, version)) })
	}
}

func TestRecordsCutAtEveryByte(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		s := r.open(h)
		length := 1
		for cut := 0; cut < length; cut++ {
			h.got = nil
			s.hold = true
			_, _ = s.tls.Write([]byte("first"))
			_, _ = s.tls.Write([]byte("second"))
			length = len(s.held)
			s.p.SendBytes(s.held[:cut])
			r.l.Run()
			s.p.SendBytes(s.held[cut:])
			s.held = nil
			r.l.Run()
			if string(h.got) != "firstsecond" {
				t.Fatalf("cut at %d: got %q", cut, h.got)
			}
		}
	})
}

// TestOneByteAtATime cuts the handshake, data and the end in all places, both sides being ours.
func TestOneByteAtATime(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		for _, size := range []int{1, 2, 3, 7, 100, 1460} {
			r.l.Reads(size)
			server, client := &endpoint{}, &endpoint{}
			server.answer = func(c loop.Conn, b []byte) { c.Write(bytes.ToUpper(b)) }
			at := looptest.Addr("192.0.2.7", 443)
			r.relay(at, r.accept(server))
			r.dial(at, client)
			r.l.Run()
			if client.opened != 1 {
				t.Fatalf("size %d: not opened: %v, %v", size, client.err, failures(r.engine))
			}
			r.l.Do(func() { write(client.conn, "hello"); client.conn.CloseWrite() })
			if string(server.got) != "hello" || server.readClosed != 1 {
				t.Errorf("size %d: the server got %q and %d ends", size, server.got, server.readClosed)
			}
			r.l.Do(func() { server.conn.Close(loop.CloseFlushed, nil) })
			if string(client.got) != "HELLO" || client.readClosed != 1 {
				t.Errorf("size %d: the client got %q and %d ends", size, client.got, client.readClosed)
			}
			if n := r.engine.Counters().Truncated; n != 0 {
				t.Errorf("size %d: %d truncated", size, n)
			}
			r.l.Do(func() { client.conn.Close(loop.CloseNow, nil) })
		}
	})
}

func TestRecordsPerSegment(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		s := r.open(h)
		for n := 1; n <= 64; n++ {
			h.got, h.calls = nil, 0
			s.hold = true
			for range n {
				_, _ = s.tls.Write([]byte("0123456789"))
			}
			s.p.SendBytes(s.held)
			s.held = nil
			r.l.Run()
			if len(h.got) != 10*n || h.calls != 1 {
				t.Fatalf("%d records: %d bytes in %d calls; want all in one", n, len(h.got), h.calls)
			}
		}
	})
}

// TestTinyRecords sends many records of one byte: they all arrive, but not in one turn.
func TestTinyRecords(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		s := r.open(h)
		s.hold = true
		for range 2000 {
			_, _ = s.tls.Write([]byte("x"))
		}
		s.p.SendBytes(s.held)
		r.l.Run()
		if len(h.got) != 2000 || h.calls < 7 {
			t.Errorf("%d bytes in %d turns", len(h.got), h.calls)
		}
	})
}

func TestWritesOfABatchShareARecord(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		s := r.open(h)
		s.p.Discard()
		r.l.Calls()
		r.l.Do(func() {
			for range 50 {
				write(h.conn, "0123456789")
				h.conn.Write([]byte("abcdefghij"))
			}
			if n := h.conn.Buffered(); n != 1000 {
				t.Errorf("%d bytes are buffered, want 1000", n)
			}
		})
		if n, _ := countRecords(s.p.Bytes()); n != 1 || r.l.Calls().Writes != 1 {
			t.Errorf("50 writes made %d records", n)
		}
		if string(s.got) != strings.Repeat("0123456789abcdefghij", 50) {
			t.Error("the bytes differ")
		}
		s.p.Discard()
		s.got = nil
		large := bytes.Repeat([]byte("large"), 20_000)
		r.l.Do(func() {
			write(h.conn, "head")
			h.conn.Write(large)
		})
		if n, longest := countRecords(s.p.Bytes()); n != (len(large)+4)/(16<<10)+1 || longest < 16<<10 {
			t.Errorf("%d bytes made %d records, the longest of %d", len(large)+4, n, longest)
		}
		if string(s.got) != "head"+string(large) {
			t.Error("the bytes differ")
		}
	})
}

// relay listens at a place and passes bytes to a connection to acc, and back.
func (r *rig) relay(at loop.Addr, acc loop.Acceptor) {
	r.l.Listen(at, func(left *looptest.Peer) {
		right := r.l.Connect(acc)
		left.OnReceive(right.SendBytes)
		right.OnReceive(left.SendBytes)
		left.OnEOF(right.CloseWrite)
		right.OnEOF(left.CloseWrite)
	})
}
