package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// pattern is n bytes without a repetition, the same for everybody, and their checksum.
func pattern(n int) (b []byte, sum string) {
	b = make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // it can't fail
	s := sha256.Sum256(b)
	return b, hex.EncodeToString(s[:])
}

// An app is the upstream of the common set, which every client goes through.
type app struct {
	t         *testing.T
	large     []byte
	sum       string
	seen      chan struct{} // the client has seen the last event
	release   chan struct{} // closed: waiting requests are answered
	waiting   atomic.Int64
	hanging   atomic.Int64 // requests that wait to be cancelled
	cancelled atomic.Int64
}

func newApp(t *testing.T) *app {
	a := &app{t: t, seen: make(chan struct{}), release: make(chan struct{})}
	a.large, a.sum = pattern(large)
	return a
}

// ServeHTTP implements http.Handler:
//
//	POST /sum     the body's length and checksum as body and as trailer, the request's trailer X-Sum as trailer X-Got
//	POST /echo    the body, while it comes
//	GET  /large   a large body, its checksum as field X-Digest and as trailer X-Sum
//	GET  /early   103, then 200
//	GET  /events  an event, the next when POST /seen has come
//	GET  /hang    an answer without an end
//	POST /hangup  reads a request without an end
//	GET  /cancelled  how many of the two above have ended
//	GET  /wait    waits for release
//	GET  /small   a few bytes
func (a *app) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(rw)
	switch r.URL.Path {
	case "/sum":
		a.serveSum(rw, r)
	case "/echo":
		_ = control.EnableFullDuplex() // HTTP/2 has nothing to enable
		_ = control.Flush()            // a client that is gone shows in the copy
		_, _ = io.Copy(flushing{rw, control}, r.Body)
	case "/large":
		rw.Header().Set("Trailer", "X-Sum")
		rw.Header().Set("X-Bytes", strconv.Itoa(len(a.large)))
		rw.Header().Set("X-Digest", a.sum)
		if r.Method == http.MethodHead {
			rw.Header().Del("Trailer")
			rw.Header().Set("Content-Length", strconv.Itoa(len(a.large)))
			return
		}
		_, _ = rw.Write(a.large) // what is missing the checksum tells
		rw.Header().Set("X-Sum", a.sum)
	case "/early":
		rw.Header().Set("Link", "</style.css>; rel=preload")
		rw.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(rw, "late") // as above
	case "/events":
		a.serveEvents(rw, r)
	case "/seen":
		select {
		case a.seen <- struct{}{}:
		case <-r.Context().Done():
		}
	case "/hang":
		a.serveForever(rw, r)
	case "/hangup":
		a.hanging.Add(1)
		if n, err := io.Copy(io.Discard, r.Body); err == nil {
			a.t.Errorf("the request that was to be cut ended well after %d bytes", n)
		}
		a.cancelled.Add(1)
	case "/cancelled":
		_, _ = fmt.Fprint(rw, a.cancelled.Load()) // as above
	case "/wait":
		a.waiting.Add(1)
		select {
		case <-a.release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(rw, "released") // as above
	default:
		_, _ = fmt.Fprintf(rw, "%s %s", r.Method, r.URL)
	}
}

func (a *app) serveSum(rw http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		return // cancelled
	}
	sum := hex.EncodeToString(h.Sum(nil))
	rw.Header().Set("Trailer", "X-Sum, X-Got")
	_, _ = fmt.Fprintf(rw, "%d %s", n, sum) // as above
	rw.Header().Set("X-Sum", sum)
	rw.Header().Set("X-Got", r.Trailer.Get("X-Sum"))
}

// serveForever goes on until the client has gone. It is never quiet for long: over HTTP/1 a client that closes may have
// closed only its sending direction, and what comes then tells.
func (a *app) serveForever(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(rw, "begun\n") // the context tells
	_ = http.NewResponseController(rw).Flush()
	a.hanging.Add(1)
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-tick.C:
			_, _ = io.WriteString(rw, "more\n") // as above
			_ = http.NewResponseController(rw).Flush()
			continue
		case <-r.Context().Done():
		}
		tick.Stop()
		a.cancelled.Add(1)
		return
	}
}

// events is how many events there are.
const events = 5

func (a *app) serveEvents(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/event-stream")
	for i := range events {
		_, _ = fmt.Fprintf(rw, "data: %d\n\n", i) // as above
		_ = http.NewResponseController(rw).Flush()
		select {
		case <-a.seen:
		case <-r.Context().Done():
			return
		}
	}
}

// flushing sends every piece at once.
type flushing struct {
	io.Writer
	*http.ResponseController
}

func (f flushing) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err == nil {
		err = f.Flush()
	}
	return n, err
}

// A combination is a gateway between two protocols, with the app behind it.
type combination struct {
	*app
	*running
	w        *world
	down, up string
	url      string
	ca       *authority // nil without TLS, which otherwise is on both sides
	caFile   string
}

// combinations runs test for the four, and for the four with TLS.
func combinations(t *testing.T, test func(t *testing.T, c *combination)) {
	for _, down := range []string{"Http1", "Http2"} {
		for _, up := range []string{"Http1", "Http2"} {
			for _, secure := range []bool{false, true} {
				t.Run(down+" to "+up+map[bool]string{true: " over TLS"}[secure], func(t *testing.T) {
					c := newCombination(t, down, up, secure)
					test(t, c)
					c.settled()
				})
			}
		}
	}
}

func newCombination(t *testing.T, down, up string, secure bool) *combination {
	w := newWorld(t)
	c := &combination{app: newApp(t), w: w, down: down, up: up}
	s := sketch{speaks: down, cluster: fmt.Sprintf(`"protocol":%q`, up), proxy: `"http2":{"max_concurrent_streams":1000}`,
		document: adminOnAnyPort}
	scheme := "http"
	if secure {
		scheme, c.ca, c.caFile = "https", newAuthority(t), w.tempFile("ca.pem")
		w.write(c.caFile, []byte(c.ca.PEM))
		s.hosts = []string{w.h2ServerTLS(c.ServeHTTP, &tls.Config{Certificates: []tls.Certificate{c.ca.certificate("up.test")}})}
		s.chain = `"tls_context":` + c.ca.context("", "down.test")
		s.cluster += fmt.Sprintf(`,"tls_context":{"status":true,"ca_cert":%q,"server_name":"up.test"}`, c.ca.PEM)
	} else {
		s.hosts = []string{w.h2Server(c.ServeHTTP)}
	}
	c.running = w.start(s.String())
	c.url = scheme + "://" + c.addr("l")
	return c
}

func (c *combination) settled() {
	c.w.t.Helper()
	settle(c.w, c.running)
}

// speaks reports whether clients speak protocol.
func (c *combination) speaks(protocol string) bool { return c.down == protocol }

// cut makes a client that is amidst an exchange without an end go away, by stop, and wants the upstream to see it.
func (c *combination) cut(stop func()) {
	c.w.t.Helper()
	before := c.cancelled.Load()
	c.w.until("the upstream has the request", func() bool { return c.hanging.Load() > before })
	stop()
	c.w.until("the upstream sees that the client has gone", func() bool { return c.cancelled.Load() == before+1 })
}

// largeFile writes the large body to a file.
func (c *combination) largeFile() string {
	c.w.t.Helper()
	file := c.w.tempFile("large")
	c.w.write(file, c.large)
	return file
}

// checksum is that of what a client got.
func checksum(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// counted is a body of which the end tells the checksum, as a trailer.
func counted(b []byte, sum string) (body io.Reader, trailer http.Header) {
	trailer = http.Header{"X-Sum": nil}
	end := func() (int, error) {
		trailer.Set("X-Sum", sum)
		return 0, io.EOF
	}
	return io.MultiReader(bytes.NewReader(b), readerFunc(end)), trailer
}

type readerFunc func() (int, error)

func (f readerFunc) Read([]byte) (int, error) { return f() }
