package secure

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

// What a loop takes of a storm of handshakes, by the length of their steps.
func TestThrift(t *testing.T) {
	for _, tt := range []struct {
		step    time.Duration
		short   bool
		between time.Duration // from one handshake to the next
		want    int           // of a second's
	}{
		{freeStep, true, 100 * time.Microsecond, 10000},
		{freeStep, false, 100 * time.Microsecond, 10000},
		{100 * time.Microsecond, false, 200 * time.Microsecond, 1051},
		{150 * time.Microsecond, false, 200 * time.Microsecond, 263},
		{250 * time.Microsecond, false, 400 * time.Microsecond, 66},
		{250 * time.Microsecond, true, 400 * time.Microsecond, 68}, // they only seemed short
		{5 * time.Millisecond, false, 5 * time.Millisecond, 1},
		{time.Hour, false, time.Millisecond, 1},
		{2 * time.Millisecond, false, time.Millisecond, 1},
	} {
		var thrift thrift
		taken := 0
		for now := time.Second; now < 2*time.Second; now += tt.between {
			if thrift.allows(now, tt.short) {
				taken++
				thrift.pay(tt.step)
			}
		}
		if taken < tt.want*98/100 || taken > tt.want*102/100 {
			t.Errorf("steps of %v, one in %v: %d are taken, want about %d", tt.step, tt.between, taken, tt.want)
		}
	}
}

// recorder is a client's connection of which the first Write is kept.
type recorder struct {
	net.Conn
	first []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.first == nil {
		r.first = bytes.Clone(b)
	}
	return r.Conn.Write(b)
}

// Only a client that resumes a session of TLS 1.2 seems short.
func TestSeemsShort(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	for version, want := range map[uint16]bool{tls.VersionTLS12: true, tls.VersionTLS13: false} {
		server := &tls.Config{Certificates: cert.TLS.Certificates}
		client := &tls.Config{InsecureSkipVerify: true, MaxVersion: version, ServerName: "x", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for n := range 3 {
			left, right := net.Pipe()
			r := &recorder{Conn: right}
			done := make(chan error)
			go func() {
				s := tls.Server(left, server)
				err := s.Handshake()
				_, _ = s.Write([]byte("x"))
				done <- err
			}()
			c := tls.Client(r, client)
			_, errRead := c.Read(make([]byte, 1)) // tickets come before it
			if err := errors.Join(errRead, <-done); err != nil {
				t.Fatal(err)
			}
			if resumed := c.ConnectionState().DidResume; resumed != (n > 0) {
				t.Fatalf("connection %d: resumed %t", n, resumed)
			}
			if got := seemsShort(r.first); got != (want && n > 0) {
				t.Errorf("version %x, connection %d: %t", version, n, got)
			}
		}
	}
	if seemsShort(nil) || seemsShort([]byte("GET / HTTP/1.1")) {
		t.Error("what is no ClientHello seems short")
	}
}
