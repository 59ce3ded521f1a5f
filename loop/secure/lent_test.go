package secure_test

import (
	"bytes"
	"runtime"
	"testing"

	"sluice/loop/secure"
)

// TestBuffersAreFound with the version of Go that this is built with.
func TestBuffersAreFound(t *testing.T) {
	if r := newRig(t, 0); !r.engine.LendsBuffers() {
		t.Errorf("in %s a tls.Conn has no bytes.Buffer rawInput or hand any more: each connection keeps its longest record for good, "+
			"28 KiB after an upload instead of 8; look for the buffers' new names in crypto/tls/conn.go, and put them into lent.go", runtime.Version())
	}
}

// TestWithoutLentBuffers: should a version of Go have other fields, only memory is lost.
func TestWithoutLentBuffers(t *testing.T) {
	for name, version := range versions() {
		r := newRig(t, version)
		r.engine.ForgetBuffers()
		h := &endpoint{}
		s := r.open(h)
		for _, n := range []int{1, 200, 40 << 10} {
			want := bytes.Repeat([]byte("x"), n)
			h.got = nil
			if _, err := s.tls.Write(want); err != nil {
				t.Fatal(err)
			}
			r.l.Run()
			if !bytes.Equal(h.got, want) {
				t.Errorf("%s: %d bytes have come of %d", name, len(h.got), n)
			}
		}
		if c := r.engine.Counters(); c.Done != 1 || c.RecordErrors != (secure.Counters{}).RecordErrors {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
