package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestGRPCNegative runs grpc-go's client of the negative HTTP/2 cases through the gateway to a server that misbehaves as
// gRPC's http2-interop-test-descriptions.md says. What that page asks of a client it asks of the gateway, which is the
// server's client: requests behind a GOAWAY use another connection, PINGs are answered, the limit of streams is kept. A
// call that is reset must fail at the client as it does without a gateway: without a message, and with the same code.
// (The page wants no certain code; grpc-go's client wants UNKNOWN of rst_during_data, and gets INTERNAL on either way.)
func TestGRPCNegative(t *testing.T) {
	t.Parallel()
	interopTool(t, "http2")
	for name, want := range map[string]string{
		"goaway": "passed", "rst_after_header": "passed", "rst_during_data": "failed with Internal", "rst_after_data": "passed",
		"ping": "passed", "max_streams": "passed",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			direct, behind := &negative{name: name, w: w}, &negative{name: name, w: w}
			if got := negativeClient(t, w.server(direct.serve), name); got != want {
				t.Errorf("without a gateway it %s, want %s", got, want)
			}
			g := w.grpcGateway(w.server(behind.serve))
			if got := negativeClient(t, g.addr("l"), name); got != want {
				t.Errorf("it %s, want %s", got, want)
			}
			settle(w, g)
			behind.check()
		})
	}
}

var negativeCode = regexp.MustCompile(`UnaryCall\(\) = _, (\w+), want`)

// negativeClient runs a case, and returns how it ended.
func negativeClient(t *testing.T, addr, name string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(interopTool(t, "http2"), "--server_host", host, "--server_port", port, "--test_case", name).CombinedOutput()
	if err == nil {
		return "passed"
	}
	if m := negativeCode.FindSubmatch(out); m != nil {
		return "failed with " + string(m[1])
	}
	return fmt.Sprintf("failed (%v): %s", err, out)
}

// A negative is a gRPC server that answers every call with the message of the large unary case, and misbehaves.
type negative struct {
	name string
	w    *world

	mu          sync.Mutex
	requests    []int // the connection of each
	pings, acks int
	most        int // requests in progress at once on one connection
}

// check compares what the server saw with what its case is about.
func (s *negative) check() {
	t := s.w.t
	t.Helper()
	if s.name == "ping" {
		s.w.until("every PING is answered", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.pings >= 10 && s.acks == s.pings
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.name {
	case "goaway":
		if len(s.requests) != 2 || s.requests[0] == s.requests[1] {
			t.Errorf("the requests came on connections %v, want two on different ones", s.requests)
		}
	case "ping":
	case "max_streams":
		if s.most != 1 || len(s.requests) != 16 {
			t.Errorf("%d requests, %d at once on a connection, want 16 and 1", len(s.requests), s.most)
		}
	default:
		if len(s.requests) != 1 {
			t.Errorf("%d requests, want 1: what was answered in part can't be sent again", len(s.requests))
		}
	}
}

// A negativeConn is one connection of it.
type negativeConn struct {
	*negative
	p      *peer
	framer *http2.Framer
	n      int // of the connection
	open   int // requests in progress

	writing sync.Mutex // frames
	room    *sync.Cond // windows have changed, or the connection has ended
	window  int64      // of the connection
	initial int64      // of a new stream
	streams map[uint32]int64
	ended   bool
	served  sync.WaitGroup
}

func (s *negative) serve(n int, p *peer) {
	c := &negativeConn{negative: s, p: p, n: n, framer: http2.NewFramer(p, p.r), window: 65535, initial: 65535, streams: map[uint32]int64{}}
	c.room = sync.NewCond(&s.mu)
	p.want(http2.ClientPreface)
	settings := []http2.Setting{{ID: http2.SettingMaxFrameSize, Val: 16384}}
	if s.name == "max_streams" {
		settings = append(settings, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
	}
	c.write(func() error { return c.framer.WriteSettings(settings...) })
	for {
		f, err := c.framer.ReadFrame()
		if err != nil {
			break // the gateway has gone, or the test has ended
		}
		c.take(f)
	}
	s.mu.Lock()
	c.ended = true
	c.room.Broadcast()
	s.mu.Unlock()
	c.served.Wait()
}

// write writes a frame, and with the case "ping" a PING behind it.
func (c *negativeConn) write(frame func() error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = frame() // a lost connection shows where frames are read
	if c.name == "ping" {
		c.mu.Lock()
		c.pings++
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(c.pings))
		c.mu.Unlock()
		_ = c.framer.WritePing(false, b) // as above
	}
}

func (c *negativeConn) take(f http2.Frame) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return
		}
		if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
			c.mu.Lock()
			c.initial = int64(v)
			c.mu.Unlock()
		}
		c.write(c.framer.WriteSettingsAck)
	case *http2.PingFrame:
		if f.IsAck() {
			c.mu.Lock()
			c.acks++
			c.mu.Unlock()
			return
		}
		c.write(func() error { return c.framer.WritePing(true, f.Data) })
	case *http2.WindowUpdateFrame:
		c.mu.Lock()
		if f.StreamID == 0 {
			c.window += int64(f.Increment)
		} else {
			c.streams[f.StreamID] += int64(f.Increment)
		}
		c.room.Broadcast()
		c.mu.Unlock()
	case *http2.HeadersFrame:
		c.mu.Lock()
		c.requests = append(c.requests, c.n)
		c.streams[f.StreamID] += c.initial
		c.open++
		c.most = max(c.most, c.open)
		c.mu.Unlock()
	case *http2.DataFrame:
		if n := uint32(len(f.Data())); n > 0 {
			id := f.StreamID
			c.write(func() error { return c.framer.WriteWindowUpdate(0, n) })
			c.write(func() error { return c.framer.WriteWindowUpdate(id, n) })
		}
		if f.StreamEnded() {
			c.served.Go(func() { c.answer(f.StreamID) })
		}
	}
}

// answer answers a call, as far as the case wants it.
func (c *negativeConn) answer(id uint32) {
	message := largeAnswer()
	c.headers(id, false, ":status", "200", "content-type", "application/grpc")
	switch c.name {
	case "rst_after_header":
		message = nil
	case "rst_during_data":
		message = message[:len(message)/2]
	}
	for len(message) > 0 {
		n := c.spend(id, len(message))
		if n == 0 {
			return // the connection has ended
		}
		piece := message[:n]
		c.write(func() error { return c.framer.WriteData(id, false, piece) })
		message = message[n:]
	}
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
	switch c.name {
	case "rst_after_header", "rst_during_data", "rst_after_data":
		c.write(func() error { return c.framer.WriteRSTStream(id, http2.ErrCodeNo) })
		return
	}
	c.headers(id, true, "grpc-status", "0")
	if c.name == "goaway" {
		c.write(func() error { return c.framer.WriteGoAway(id, http2.ErrCodeNo, nil) })
	}
}

// spend waits for room in the windows, and uses up to a frame of it.
func (c *negativeConn) spend(id uint32, want int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.ended && min(c.window, c.streams[id]) <= 0 {
		c.room.Wait()
	}
	if c.ended {
		return 0
	}
	n := min(int64(want), 16384, c.window, c.streams[id])
	c.window -= n
	c.streams[id] -= n
	return int(n)
}

func (c *negativeConn) headers(id uint32, end bool, fields ...string) {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	e.SetMaxDynamicTableSize(0) // so that every block stands alone
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // into memory
	}
	c.write(func() error {
		return c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
	})
}

// largeAnswer is a gRPC message: a SimpleResponse with a payload of 314159 bytes.
func largeAnswer() []byte {
	const size = 314159
	field := func(tag byte, content []byte) []byte {
		return append(binary.AppendUvarint([]byte{tag}, uint64(len(content))), content...)
	}
	message := field(0x0a, field(0x12, make([]byte, size)))
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}
