package e2e

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

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
