package secure_test

import (
	"crypto/tls"
	"slices"
	"testing"
	"time"

	"sluice/loop/looptest"
	"sluice/loop/secure"
)

// TestUnfinishedHandshakesAreBounded has many clients that stop at a stage which costs memory: the oldest are closed, so that
// there is room for who means it well, and none of the others is delayed.
func TestUnfinishedHandshakesAreBounded(t *testing.T) {
	const clients, room = 400, 1 << 20
	for name, stage := range map[string]struct {
		version uint16
		part    func(hello []byte) []byte
		behind  []byte // that follows the server's first flight
		each    int    // bytes that each costs at least
	}{
		"half a ClientHello":    {0, func(b []byte) []byte { return b[:len(b)/2] }, nil, 8 << 10},
		"half of a long one":    {0, longHello, nil, 16 << 10},
		"no Finished":           {0, slices.Clip[[]byte], nil, 10 << 10},
		"half a record":         {0, slices.Clip[[]byte], make([]byte, 3), 18 << 10},
		"half a certificate":    {tls.VersionTLS12, slices.Clip[[]byte], certificatePart(200_000), 200_000},
		"half a TLS 1.3 flight": {tls.VersionTLS13, slices.Clip[[]byte], []byte{20, 3, 3, 0, 1, 1, 23, 3, 3, 0x40, 0}, 18 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, stage.version)
			r.lobby.SetRoom(room)
			part := stage.part(helloOf(t, r.client))
			var peers []*looptest.Peer
			for range clients {
				p := r.l.Connect(r.accept(&endpoint{}))
				p.SendBytes(part)
				r.l.Run()
				p.SendBytes(stage.behind)
				r.l.Run()
				peers = append(peers, p)
				if held := r.lobby.Held(); held > room {
					t.Fatalf("%d are held, there is room for %d", held, room)
				}
			}
			left := 0
			for i, p := range peers {
				if !p.Closed() {
					left++
				} else if left > 0 {
					t.Fatalf("client %d was closed before an older one", i)
				}
			}
			if left == 0 || left > room/stage.each {
				t.Errorf("%d clients are left, each costs at least %d of %d", left, stage.each, room)
			}
			if got := failures(r.engine); got[secure.ReasonOverload] != int64(clients-left) || len(got) != 1 {
				t.Errorf("%d of %d are left, failures %v", left, clients, got)
			}
			r.open(&endpoint{})
			r.l.Advance(11 * time.Second)
			if n, held := r.engine.Counters().Waiting, r.lobby.Held(); n != 0 || held != 0 {
				t.Errorf("at the end %d wait, %d bytes are held", n, held)
			}
		})
	}
}

// longHello is the beginning of a ClientHello of 15 KiB.
func longHello(hello []byte) []byte {
	b := append(slices.Clone(hello[:9]), make([]byte, 14<<10)...)
	b[3], b[4] = 15<<10>>8, 0            // the record
	b[6], b[7], b[8] = 0, 15<<10>>8-1, 0 // the message
	return b
}

// certificatePart is n bytes of a Certificate message that is longer.
func certificatePart(n int) (b []byte) {
	message := append([]byte{11, 3, 0xff, 0xff}, make([]byte, n)...)
	for part := range slices.Chunk(message, 16<<10) {
		b = append(b, 22, 3, 3, byte(len(part)>>8), byte(len(part)))
		b = append(b, part...)
	}
	return b
}
