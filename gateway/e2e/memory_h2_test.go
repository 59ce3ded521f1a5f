package e2e

import (
	"bufio"
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
	"time"

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

// A framer is one end of an HTTP/2 connection, frame by frame.
type framer struct {
	*http2.Framer
	net.Conn
	out  *bufio.Writer
	next uint32     // the number of the next stream
	mu   sync.Mutex // for who writes beside the reader
}

// framer connects to addr as an HTTP/2 client with the given settings.
func (w *world) framer(addr string, settings ...http2.Setting) *framer {
	w.t.Helper()
	c, err := net.DialTimeout("tcp", addr, hang)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hang)) // a connection that is closed already tells by itself
	out := bufio.NewWriter(c)
	f := &framer{Framer: http2.NewFramer(out, bufio.NewReaderSize(c, 4096)), Conn: c, out: out, next: 1}
	f.SetReuseFrames()
	_, _ = out.WriteString(http2.ClientPreface) // flush tells
	f.must(w.t, f.WriteSettings(settings...))
	f.flush(w.t)
	return f
}

func (f *framer) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *framer) flush(t *testing.T) {
	t.Helper()
	f.must(t, f.out.Flush())
}

// write writes frames while the reader may, too.
func (f *framer) write(frames ...func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, frame := range frames {
		if err := frame(); err != nil {
			return err
		}
	}
	return f.out.Flush()
}

// request writes the head of a request without a body.
func (f *framer) request(t *testing.T, block []byte) {
	t.Helper()
	f.must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.next, BlockFragment: block, EndStream: true, EndHeaders: true}))
	f.next += 2
}

// read reads a frame, and answers SETTINGS and PING.
func (f *framer) read() (http2.Frame, error) {
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch fr := fr.(type) {
		case *http2.SettingsFrame:
			if !fr.IsAck() {
				err = f.write(f.WriteSettingsAck)
			}
		case *http2.PingFrame:
			if !fr.IsAck() {
				err = f.write(func() error { return f.WritePing(true, fr.Data) })
			}
		case *http2.GoAwayFrame:
			return nil, fmt.Errorf("GOAWAY %v %q", fr.ErrCode, fr.DebugData())
		case *http2.RSTStreamFrame:
			return nil, fmt.Errorf("RST_STREAM %v of stream %d", fr.ErrCode, fr.StreamID)
		case *http2.WindowUpdateFrame:
		default:
			return fr, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// fieldBlock is fields as literals that the peer's table keeps (RFC 7541 section 6.2.1), without Huffman.
func fieldBlock(namesAndValues ...string) []byte {
	var b []byte
	for i, s := range namesAndValues {
		if i%2 == 0 {
			b = append(b, 0x40)
		}
		if len(s) < 127 {
			b = append(b, byte(len(s)))
		} else {
			b = append(b, 127, byte(len(s)-127)) // shorter than 255
		}
		b = append(b, s...)
	}
	return b
}

// browserBlock is the head of a browser's request.
func browserBlock(path string) []byte {
	return fieldBlock(":method", "GET", ":scheme", "http", ":authority", "www.example.com", ":path", path,
		"sec-ch-ua", `"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"`, "sec-ch-ua-mobile", "?0",
		"sec-ch-ua-platform", `"Linux"`, "upgrade-insecure-requests", "1",
		"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
		"sec-fetch-site", "none", "sec-fetch-mode", "navigate", "sec-fetch-user", "?1", "sec-fetch-dest", "document",
		"accept-encoding", "gzip, deflate, br, zstd", "accept-language", "en-US,en;q=0.9",
		"cookie", "session=0123456789abcdef0123456789abcdef")
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

// grown prints what n of something cost a process whose memory was before, and compares it with a limit for all of them.
func (p *process) grown(what string, n, before, most int) {
	t := p.w.t
	t.Helper()
	now := p.resident()
	t.Logf("%d %s: the process has grown from %d to %d KiB: %.2f KiB each", n, what, before>>10, now>>10,
		float64(now-before)/1024/float64(n))
	if now-before > most {
		t.Errorf("%d %s cost %d KiB, want at most %d", n, what, (now-before)>>10, most>>10)
	}
}

// steady waits until the process does not grow any more.
func (p *process) steady() {
	p.w.t.Helper()
	most, same := 0, 0
	p.w.until("steady memory", func() bool {
		time.Sleep(20 * time.Millisecond)
		if same++; p.resident() > most {
			most, same = p.resident(), 0
		}
		return same == 20
	})
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
