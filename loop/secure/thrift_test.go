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

// What a loop with many others takes of a storm of handshakes, by the length of their steps.
func TestThriftInACrowd(t *testing.T) {
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
			crowd := uint64(now / time.Microsecond)
			if thrift.allows(now, crowd, tt.short) {
				taken++
				thrift.pay(tt.step)
			}
		}
		if taken < tt.want*98/100 || taken > tt.want*102/100 {
			t.Errorf("steps of %v, one in %v: %d are taken, want about %d", tt.step, tt.between, taken, tt.want)
		}
	}
}

// What a loop takes of a storm of handshakes when others are few, by how often they come: a handshake's own reads count for
// nobody.
func TestThriftAlone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		step    time.Duration
		between time.Duration // from one handshake to the next
		others  int           // reads a second
		least   int           // of a second's handshakes
		most    int
	}{
		{"alone", 150 * time.Microsecond, 500 * time.Microsecond, 0, 2000, 2000},
		{"a few others", 150 * time.Microsecond, 500 * time.Microsecond, 3000, 1950, 2000},
		{"a crowd", 150 * time.Microsecond, 500 * time.Microsecond, 8000, 200, 300},
		{"shorter steps", 100 * time.Microsecond, 500 * time.Microsecond, 8000, 1950, 2000},
		{"longer steps", time.Millisecond, 2 * time.Millisecond, 200, 0, 20},
		{"longer steps, alone", time.Millisecond, 2 * time.Millisecond, 0, 490, 500},
		{"no time for anybody else", 150 * time.Microsecond, 150 * time.Microsecond, 0, 4900, 5100}, // of 6666
		{"nor for anybody who would come", time.Minute, time.Minute, 0, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var thrift thrift
			taken, all := 0, 0
			begin := time.Second
			for now := begin; now < begin+time.Second; now += tt.between {
				all++
				reads := uint64(ownReads*all) + uint64(float64(tt.others)*now.Seconds())
				if thrift.allows(now, reads, false) {
					taken++
					thrift.pay(tt.step)
				}
			}
			if taken < tt.least || taken > tt.most {
				t.Errorf("%d are taken of %d, want %d to %d", taken, all, tt.least, tt.most)
			}
		})
	}
}

// However many come at once while nobody else is there, somebody who comes now does not wait for long.
func TestThriftAtOnce(t *testing.T) {
	var thrift thrift
	now, steps := time.Second, time.Duration(0)
	const step = 150 * time.Microsecond
	for thrift.allows(now, 0, false) {
		thrift.pay(step)
		steps += step
	}
	if steps < mostAtOne || steps > 2*mostAtOne {
		t.Errorf("steps take %v without a pause, want %v to twice that", steps, mostAtOne)
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
