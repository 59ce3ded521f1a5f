package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// TestMemoryOfHTTP2 measures the command, without the race detector, as it is shipped.
func TestMemoryOfHTTP2(t *testing.T) {
	t.Parallel()
	bin := command(t)
	for _, upstream := range []string{"Http1", "Http2"} {
		t.Run("idle connections/"+upstream, func(t *testing.T) { idleConnections(t, newWorld(t), bin, upstream) })
		t.Run("waiting streams/"+upstream, func(t *testing.T) { waitingStreams(t, newWorld(t), bin, upstream) })
		t.Run("slow readers/"+upstream, func(t *testing.T) { slowReaders(t, newWorld(t), bin, upstream) })
	}
}

// h2Sketch is a gateway in front of an upstream that is spoken to in the given protocol.
func h2Sketch(upstream, addr string) sketch {
	return sketch{speaks: "Http2", hosts: []string{addr}, route: fmt.Sprintf(`"upstream_protocol":%q`, upstream)}
}

// either is a server of net/http that speaks HTTP/1 and HTTP/2.
func (w *world) either(h http.HandlerFunc) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)} //nolint:gosec // it serves a test
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(8 << 10) // what the kernel holds for many is not to be much, either
		return ctx
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	var done sync.WaitGroup
	done.Go(func() { _ = s.Serve(l) }) // it ends with ErrServerClosed
	w.t.Cleanup(func() {
		_ = s.Close()
		done.Wait()
	})
	return l.Addr().String()
}

// idleConnections: each connection has served a request that a browser might send.
func idleConnections(t *testing.T, w *world, bin, upstream string) {
	const (
		n    = 2000
		most = 6 << 10
	)
	addr := w.either(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "max-age=600")
		h.Set("Etag", `"0123456789abcdef"`)
		h.Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		h.Set("X-Request-Id", r.URL.Path)
		_, _ = io.WriteString(rw, strings.Repeat("x", 1000)) // a failure shows at the client
	})
	p := w.command(bin, h2Sketch(upstream, addr).String())
	front := p.addr("l")
	serve := func(i int) {
		f := w.framer(front)
		f.request(t, browserBlock("/"+strconv.Itoa(i)))
		f.flush(t)
		for {
			fr, err := f.read()
			if err != nil {
				t.Fatal(err)
			}
			if fr, ok := fr.(*http2.DataFrame); ok && fr.StreamEnded() {
				return
			}
		}
	}
	serve(0)
	before := p.resident()
	for i := range n {
		serve(i + 1)
	}
	p.grown("idle connections", n, before, n*most)
}

// A crowd is clients whose requests are in progress at the same time.
type crowd struct {
	arrived  atomic.Int64 // requests that the upstream has got
	heads    atomic.Int64 // of answers
	ended    atomic.Int64
	received atomic.Int64 // body bytes
	clients  []*framer
}

const (
	crowdConns = 100
	crowdSize  = crowdConns * crowdStreams
)

// crowd opens connections with requests on each. Each connection's requests have to arrive before the next ones are sent:
// those that wait for a connection to an HTTP/1 upstream are limited.
func (w *world) crowd(c *crowd, addr string) {
	w.t.Helper()
	block := fieldBlock(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/")
	var readers sync.WaitGroup
	w.t.Cleanup(func() {
		for _, f := range c.clients {
			f.Close()
		}
		readers.Wait()
	})
	for range crowdConns {
		f := w.framer(addr)
		for range crowdStreams {
			f.request(w.t, block)
		}
		f.flush(w.t)
		c.clients = append(c.clients, f)
		readers.Go(func() { c.listen(w.t, f) }) // writes from now on
		n := int64(len(c.clients) * crowdStreams)
		w.until(fmt.Sprintf("%d requests", n), func() bool { return c.arrived.Load() >= n })
	}
}

// listen counts what comes on f until it is closed.
func (c *crowd) listen(t *testing.T, f *framer) {
	for {
		fr, err := f.read()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			t.Errorf("client: %v", err)
			return
		}
		switch fr := fr.(type) {
		case *http2.HeadersFrame:
			const status200 = 0x88 // RFC 7541 appendix A
			if fr.HeaderBlockFragment()[0] != status200 {
				t.Errorf("client: stream %d is not answered by 200", fr.StreamID)
			}
			c.heads.Add(1)
		case *http2.DataFrame:
			c.received.Add(int64(len(fr.Data())))
			if fr.StreamEnded() {
				c.ended.Add(1)
			}
		}
	}
}

// release makes the streams that wait for it go on, at the latest when the test ends, before the server is closed.
func (w *world) release() (wait chan struct{}, free func()) {
	wait = make(chan struct{})
	free = sync.OnceFunc(func() { close(wait) })
	w.t.Cleanup(free)
	return wait, free
}

// waitingStreams: requests wait for an upstream that does not answer.
func waitingStreams(t *testing.T, w *world, bin, upstream string) {
	const most = 4 << 10
	var c crowd
	var wait chan struct{}
	addr := w.either(func(rw http.ResponseWriter, r *http.Request) {
		c.arrived.Add(1)
		<-wait
		_, _ = io.WriteString(rw, "done") // a failure shows at the client
	})
	wait, free := w.release()
	p := w.command(bin, h2Sketch(upstream, addr).String())
	front := p.addr("l")
	before := p.resident()
	w.crowd(&c, front)
	p.grown("waiting streams", crowdSize, before, crowdSize*most)
	free()
	w.until("all answers", func() bool { return c.ended.Load() == crowdSize })
	p.grown("streams that are over", crowdSize, before, crowdSize*most)
}

// slowReaders: all upstreams answer at once, each more than the windows, and the clients take no more than these.
func slowReaders(t *testing.T, w *world, bin, upstream string) {
	const (
		size = 128 << 10
		most = 160 << 20
	)
	var c crowd
	var wait chan struct{}
	body := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	addr := w.either(func(rw http.ResponseWriter, r *http.Request) {
		c.arrived.Add(1)
		<-wait
		rw.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = rw.Write(body) // a failure shows at the client
	})
	wait, free := w.release()
	p := w.command(bin, h2Sketch(upstream, addr).String())
	front := p.addr("l")
	before := p.resident()
	w.crowd(&c, front)
	free()
	w.until("all heads", func() bool { return c.heads.Load() == crowdSize })
	const window = 65535 // of each connection (RFC 9113 section 6.9.2)
	w.until("the windows are full", func() bool { return c.received.Load() == crowdConns*window })
	p.steady()
	p.grown("stalled answers", crowdSize, before, most)
	// Some take the rest now, beside the others.
	const quick = crowdConns / 4
	for _, f := range c.clients[:quick] {
		for id := uint32(1); id < f.next; id += 2 {
			f.must(t, f.write(func() error { return f.WriteWindowUpdate(0, size) },
				func() error { return f.WriteWindowUpdate(id, size) }))
		}
	}
	w.until("the rest", func() bool { return c.ended.Load() == quick*crowdStreams })
	if n, want := int(c.received.Load()), quick*crowdStreams*size+(crowdConns-quick)*window; n != want {
		t.Errorf("%d bytes were received, want %d", n, want)
	}
	p.grown("stalled answers, and others that were taken", crowdSize, before, most)
}

// TestFourStalledStreams: a stream whose client takes nothing holds up neither its connection nor, if the upstream speaks HTTP/2,
// the one to the upstream.
func TestFourStalledStreams(t *testing.T) {
	t.Parallel()
	const size = 256 << 10
	for _, upstream := range []string{"Http1", "Http2"} {
		w := newWorld(t)
		body := make([]byte, size)
		addr := w.proxy(h2Sketch(upstream, w.either(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write(body) // a failure shows at the client
		})))
		f := w.framer(addr, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for range 5 {
			f.request(t, browserBlock("/"))
		}
		f.must(t, f.WriteWindowUpdate(0, 5*size))
		f.flush(t)
		got := map[uint32]int{}
		// take reads until id is complete, which it must be before any other.
		take := func(id uint32) {
			f.must(t, f.write(func() error { return f.WriteWindowUpdate(id, size) }))
			for {
				fr, err := f.read()
				f.must(t, err)
				data, ok := fr.(*http2.DataFrame)
				if !ok {
					continue
				}
				if got[data.StreamID] += len(data.Data()); data.StreamID != id {
					t.Errorf("%s: stream %d, whose window is 0, got %d bytes", upstream, data.StreamID, got[data.StreamID])
				}
				if data.StreamEnded() {
					return
				}
			}
		}
		for _, id := range []uint32{9, 1, 7, 3, 5} {
			if take(id); got[id] != size {
				t.Errorf("%s: stream %d got %d bytes, want %d", upstream, id, got[id], size)
			}
		}
	}
}
