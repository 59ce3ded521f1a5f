package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// startTLS runs a server with a bench's certificate; its answers are those of the backend.
func startTLS(t *testing.T, set func(*tls.Config)) (*bench, *httptest.Server, int) {
	t.Helper()
	b := testBench(t)
	var err error
	if b.identity, err = newIdentity(b.shop); err != nil {
		t.Fatal(err)
	}
	if err := b.compileTLS(t.Context()); err != nil {
		t.Skip("OpenSSL's headers are not here: ", err)
	}
	pair, err := tls.LoadX509KeyPair(b.identity.certificate, b.identity.key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := map[string]int{"/tiny": 64, "/1m": 1 << 20}[r.URL.Path]
		rw.Header().Set("Content-Length", fmt.Sprint(n))
		_, _ = rw.Write(pattern(n))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if set != nil {
		set(s.TLS)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return b, s, s.Listener.Addr().(*net.TCPAddr).Port
}

func runWorkload(t *testing.T, b *bench, w workload, port int) (loadResult, error) {
	t.Helper()
	run, err := b.startWorkload(t.Context(), w, port, "--seconds", "0.2")
	if err != nil {
		return loadResult{}, err
	}
	defer b.closeLoad(run)
	return b.finish(t.Context(), run)
}

func TestLoadSpeaksTLS(t *testing.T) {
	b, _, port := startTLS(t, nil)
	for _, w := range []workload{
		{name: "tiny", tls: tls13, connections: 8, path: "/tiny", answer: 64},
		{name: "bulk", tls: tls13, connections: 2, path: "/1m", answer: 1 << 20},
		{name: "upload", tls: tls13, connections: 2, path: "/tiny", answer: 64, body: 1 << 20},
		{name: "new connections", tls: tls13, connections: 4, path: "/tiny", answer: 64, fresh: true},
		{name: "idle", tls: tls13, connections: 40, path: "/tiny", answer: 64, kind: idleHold},
	} {
		r, err := runWorkload(t, b, w, port)
		switch {
		case err != nil || r.failed() != nil:
			t.Errorf("%s: %v, %v", w.name, err, r.failed())
		case w.kind == idleHold && r.Alive != w.connections:
			t.Errorf("%s: %d alive", w.name, r.Alive)
		case w.kind != idleHold && (r.Requests == 0 || r.Bytes < r.Requests*uint64(w.answer)):
			t.Errorf("%s: %d requests, %d bytes", w.name, r.Requests, r.Bytes)
		}
	}
}

// TestHandshakesAreWhatTheyAreSaidToBe compares with what the server saw.
func TestHandshakesAreWhatTheyAreSaidToBe(t *testing.T) {
	for _, w := range []workload{
		{name: tls13Full, tls: tls13}, {name: tls13Resumed, tls: tls13, resume: true},
		{name: tls12Full, tls: tls12}, {name: tls12Resumed, tls: tls12, resume: true},
	} {
		w.handshake, w.connections = true, 4
		var seen []tls.ConnectionState
		states := make(chan tls.ConnectionState, 1<<16)
		b, s, port := startTLS(t, func(c *tls.Config) {
			c.VerifyConnection = func(state tls.ConnectionState) error {
				states <- state
				return nil
			}
		})
		r, err := runWorkload(t, b, w, port)
		s.Close()
		close(states)
		for state := range states {
			seen = append(seen, state)
		}
		resumed := len(slices.DeleteFunc(slices.Clone(seen), func(s tls.ConnectionState) bool { return !s.DidResume }))
		want := 0
		if w.resume {
			want = len(seen) - w.connections
		}
		if err != nil || r.failed() != nil || r.Requests == 0 || int(r.AllRequests) != len(seen) || resumed != want {
			t.Errorf("%s: %v, %v: %d handshakes; the server saw %d, %d of them resumed", w.name, err, r.failed(), r.AllRequests, len(seen), resumed)
			continue
		}
		first := seen[0]
		if first.Version != map[string]uint16{tls12: tls.VersionTLS12, tls13: tls.VersionTLS13}[w.tls] || first.CurveID != tls.X25519 ||
			!strings.Contains(tls.CipherSuiteName(first.CipherSuite), "AES_128_GCM_SHA256") {
			t.Errorf("%s: version %x, suite %s, group %v", w.name, first.Version, tls.CipherSuiteName(first.CipherSuite), first.CurveID)
		}
	}
}

// TestWrongHandshakesAreNoticed, each by its own name.
func TestWrongHandshakesAreNoticed(t *testing.T) {
	for _, c := range []struct {
		name, want string
		w          workload
		set        func(*tls.Config)
		foreign    bool
	}{
		{name: "no tickets", want: "resumption", w: workload{tls: tls13, resume: true}, set: func(c *tls.Config) { c.SessionTicketsDisabled = true }},
		{name: "tickets that nobody accepts", want: "resumption", w: workload{tls: tls12, resume: true}, set: func(c *tls.Config) {
			c.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil }
		}},
		{name: "another certificate", want: "handshake", w: workload{tls: tls13}, foreign: true},
		{name: "another version", want: "handshake", w: workload{tls: tls13}, set: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
	} {
		b, _, port := startTLS(t, c.set)
		if c.foreign {
			time.Sleep(time.Millisecond) // serial numbers are times
			var err error
			if b.identity, err = newIdentity(b.shop); err != nil {
				t.Fatal(err)
			}
		}
		c.w.handshake, c.w.connections = true, 1
		r, err := runWorkload(t, b, c.w, port)
		if r.Failures[c.want] == 0 && !strings.Contains(fmt.Sprint(err), "the last: "+c.want) {
			t.Errorf("%s: %v, %v, want %q", c.name, err, r.failed(), c.want)
		}
		if r.Requests > 1 { // a first handshake has nothing to resume
			t.Errorf("%s: %d handshakes were right", c.name, r.Requests)
		}
	}
}
