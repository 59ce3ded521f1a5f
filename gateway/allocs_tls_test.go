//go:build !race

package gateway

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"sluice/loop/looptest"
)

// A secured is a client's tls.Conn over a peer of a simulated loop. During the handshake its Read waits for the bytes that
// pump brings, later it finds them there.
type secured struct {
	net.Conn
	p    *looptest.Peer
	more chan struct{} // Read wants bytes, or the handshake is over
	feed chan []byte
	in   []byte
	open bool
}

func (s *secured) Read(b []byte) (int, error) {
	for len(s.in) == 0 {
		if s.open {
			return 0, errors.New("there is nothing to read")
		}
		s.more <- struct{}{}
		s.in = append(s.in, <-s.feed...)
	}
	n := copy(b, s.in)
	s.in = s.in[:copy(s.in, s.in[n:])]
	return n, nil
}

func (s *secured) Write(b []byte) (int, error) {
	s.p.SendBytes(b)
	return len(b), nil
}

// secure shakes hands on a new connection of the rig.
func (r *rig) secure(cfg *tls.Config) (*tls.Conn, *secured) {
	s := &secured{p: r.connect(), more: make(chan struct{}), feed: make(chan []byte)}
	c := tls.Client(s, cfg)
	done := make(chan error)
	go func() {
		err := c.Handshake()
		close(s.more)
		done <- err
	}()
	for range s.more { // the client waits meanwhile
		for len(s.p.Bytes()) == 0 {
			r.l.Run()
			time.Sleep(time.Millisecond) // a worker may have it
		}
		s.feed <- []byte(s.p.Take())
	}
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
	s.open = true
	return c, s
}

// TestTLSPathAllocatesNothing: of ours. crypto/tls allocates an atLeastReader of 24 bytes for each read of a record from its
// net.Conn (Conn.readFromUntil), here one for the request at the gateway and one for the answer at the client.
func TestTLSPathAllocatesNothing(t *testing.T) {
	doc := tlsDoc(t)
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, doc)
			ups := r.upstream(nil)
			client, socket := r.secure(&tls.Config{InsecureSkipVerify: true, MaxVersion: version})
			request := []byte("GET /x HTTP/1.1\r\nHost: a.test\r\nUser-Agent: test\r\n\r\n")
			answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld")
			buf := make([]byte, 4096)
			exchange := func() {
				if _, err := client.Write(request); err != nil {
					t.Fatal(err)
				}
				r.l.Run()
				if len(*ups) != 1 || len((*ups)[0].Bytes()) == 0 {
					t.Fatal("the upstream has not received the request")
				}
				(*ups)[0].Discard()
				(*ups)[0].SendBytes(answer)
				r.l.Run()
				socket.in = append(socket.in, socket.p.Bytes()...)
				socket.p.Discard()
				if n, err := client.Read(buf); err != nil || n == 0 {
					t.Fatalf("the client has received %d bytes: %v", n, err)
				}
			}
			for range 2000 {
				exchange()
			}
			const requests, theirs = 1000, 2 * 1000
			least := leastAllocations(theirs, func() {
				for range requests {
					exchange()
				}
			})
			t.Logf("%v allocations in %d requests, all of them crypto/tls's", least, requests)
			if least > theirs {
				t.Errorf("%v allocations in %d requests, of which crypto/tls makes %v", least, requests, theirs)
			}
		})
	}
}
