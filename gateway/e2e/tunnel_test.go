package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The opcodes of RFC 6455 section 5.2 that the tests use.
const (
	wsText   = 0x1
	wsBinary = 0x2
	wsClose  = 0x8
	wsPing   = 0x9
	wsPong   = 0xA
)

// wsAccept is the Sec-WebSocket-Accept of a key (RFC 6455 section 4.2.2).
func wsAccept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// wsFrame is one final frame (RFC 6455 section 5.2); a client's is masked.
func wsFrame(opcode byte, payload []byte, masked bool) []byte {
	b := []byte{0x80 | opcode, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if !masked {
		return append(b, payload...)
	}
	b[1] |= 0x80
	var mask [4]byte
	_, _ = rand.Read(mask[:]) // it never fails
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// readFrame reads one frame and takes its mask off.
func (p *peer) readFrame() (opcode byte, payload []byte, masked bool) {
	p.t.Helper()
	read := func(n uint64) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(p.r, b); err != nil {
			p.fail("a frame was cut: %v", err)
		}
		return b
	}
	h := read(2)
	n := uint64(h[1] & 0x7f)
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(read(2)))
	case 127:
		n = binary.BigEndian.Uint64(read(8))
	}
	masked = h[1]&0x80 != 0
	var mask []byte
	if masked {
		mask = read(4)
	}
	payload = read(n)
	for i := range mask {
		for j := i; j < len(payload); j += 4 {
			payload[j] ^= mask[i]
		}
	}
	return h[0] & 0x0f, payload, masked
}

func (p *peer) sendFrame(opcode byte, payload []byte) {
	p.t.Helper()
	p.send(string(wsFrame(opcode, payload, !p.script)))
}

func (p *peer) wantFrame(opcode byte, payload []byte) {
	p.t.Helper()
	op, got, masked := p.readFrame()
	if op != opcode || !bytes.Equal(got, payload) || masked != p.script {
		p.fail("received frame %#x of %d bytes (masked: %v), want %#x of %d", op, len(got), masked, opcode, len(payload))
	}
}

const (
	wsKey     = "dGhlIHNhbXBsZSBub25jZQ=="
	wsRequest = "GET /chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: " + wsKey + "\r\nSec-WebSocket-Version: 13\r\n" +
		"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
)

// wsServer answers the handshake and echoes frames until it is told to close.
func wsServer(p *peer) {
	head, ok := p.request()
	if !ok {
		return
	}
	r, err := http.ReadRequest(newReader(head))
	if err != nil || r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		p.fail("no WebSocket handshake: %q (%v)", head, err)
	}
	p.send("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + wsAccept(r.Header.Get("Sec-WebSocket-Key")) +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		op, payload, masked := p.readFrame()
		if !masked {
			p.fail("a client's frame came without its mask")
		}
		switch op {
		case wsPing:
			p.sendFrame(wsPong, payload)
		case wsClose:
			p.sendFrame(wsClose, payload)
			return
		default:
			p.sendFrame(op, payload)
		}
	}
}

func (p *peer) handshake() {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, &http.Request{Method: "GET"})
	if err != nil || r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Accept") != wsAccept(wsKey) ||
		r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		p.fail("no WebSocket handshake: %+v (%v)", r, err)
	}
}

func TestWebSocketEcho(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(_ int, p *peer) { wsEcho(p) })
	wsTalk(w.dial(w.proxy(sketch{hosts: []string{upstream}})))
}

// wsEcho is wsServer to the end: the client goes first, and its FIN comes through.
func wsEcho(p *peer) {
	wsServer(p)
	p.wantEnd()
	p.shut()
}

// wsTalk is the client of wsEcho, with messages of all sizes.
func wsTalk(c *peer) {
	c.send(wsRequest)
	c.handshake()
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 4 << 20} {
		payload := make([]byte, n)
		_, _ = rand.Read(payload)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = c.Write(wsFrame(wsBinary, payload, true)) // a failure shows as a missing echo
		}()
		c.wantFrame(wsBinary, payload)
		<-sent
	}
	for i := range 100 {
		text := fmt.Appendf(nil, "message %d", i)
		c.sendFrame(wsText, text)
		c.wantFrame(wsText, text)
	}
	c.sendFrame(wsPing, []byte("p"))
	c.wantFrame(wsPong, []byte("p"))
	c.sendFrame(wsClose, []byte{0x03, 0xe8})
	c.wantFrame(wsClose, []byte{0x03, 0xe8})
	c.shut()
	c.wantEnd()
}

// TestWebSocketServerSpeaks: the server sends frames unasked, behind its 101 in the same segment too, and closes first.
func TestWebSocketServerSpeaks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := make(chan struct{})
	upstream := w.server(func(_ int, p *peer) {
		defer close(done)
		wsSpeak(p)
	})
	wsListen(w.dial(w.proxy(sketch{hosts: []string{upstream}})))
	<-done
}

func wsSpeak(p *peer) {
	p.want(wsRequest)
	p.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" +
		string(wsFrame(wsText, []byte("first"), false)))
	p.sendFrame(wsText, []byte("second"))
	p.wantFrame(wsText, []byte("hello"))
	p.shut()
	p.wantFrame(wsText, []byte("still here"))
	p.wantEnd()
}

// wsListen is the client of wsSpeak.
func wsListen(c *peer) {
	c.send(wsRequest)
	c.want("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
	c.wantFrame(wsText, []byte("first"))
	c.wantFrame(wsText, []byte("second"))
	c.sendFrame(wsText, []byte("hello"))
	c.wantEnd()
	c.sendFrame(wsText, []byte("still here")) // the other direction is still open
	c.shut()
}

// TestBytesBehindUpgrade: a client that does not wait for the 101 loses nothing.
func TestBytesBehindUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(_ int, p *peer) { wsServer(p) })
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}}))
	large := bytes.Repeat([]byte("0123456789"), 3000)
	c.send(wsRequest + string(wsFrame(wsText, []byte("early"), true)) + string(wsFrame(wsBinary, large, true)))
	c.handshake()
	c.wantFrame(wsText, []byte("early"))
	c.wantFrame(wsBinary, large)
	c.sendFrame(wsClose, []byte{0x03, 0xe8})
	c.wantFrame(wsClose, []byte{0x03, 0xe8})
}

// TestUpgradeRefused: a refused upgrade is an ordinary exchange; both connections go on.
func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(n int, p *peer) {
		if n > 0 {
			p.fail("connection %d: the first one was clean", n)
		}
		p.want(wsRequest)
		p.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		p.want("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}}))
	c.send(wsRequest)
	c.want("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
	c.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
	c.want("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
}

// TestUpgradeRefusedWithBytesBehind: nobody can tell whether the bytes are a request, so they are none.
func TestUpgradeRefusedWithBytesBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(_ int, p *peer) {
		p.want(wsRequest)
		p.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		if head, ok := p.request(); ok {
			p.fail("received %q", head)
		}
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}}))
	c.send(wsRequest + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
	r, body := c.answer("GET")
	if r.StatusCode != 403 || body != "no" {
		t.Errorf("%s %q", r.Status, body)
	}
	c.wantEnd()
}

func TestConnectTunnel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const connect = "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n"
	upstream := w.server(func(n int, p *peer) {
		p.want(connect)
		if n == 1 {
			p.send("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
			p.wantGone()
			return
		}
		p.send("HTTP/1.1 200 Connection established\r\n\r\nbanner")
		if b, err := io.ReadAll(p.r); err != nil || string(b) != "question" {
			p.fail("received %q (%v)", b, err)
		}
		p.send("the answer comes behind the client's FIN")
	})
	addr := w.proxy(sketch{hosts: []string{upstream}})
	c := w.dial(addr)
	c.send(connect)
	c.want("HTTP/1.1 200 Connection established\r\n\r\nbanner")
	c.send("question")
	c.shut()
	c.want("the answer comes behind the client's FIN")
	c.wantEnd()

	c = w.dial(addr)
	c.send(connect)
	if r, _ := c.answer("GET"); r.StatusCode != 407 {
		t.Errorf("%s, want the refusal", r.Status)
	}
	c.wantEnd()
}

// TestTunnelIdle: a tunnel has an idle limit of its own, which that of requests does not touch.
func TestTunnelIdle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, timeouts string
		cut            bool
	}{
		{"of requests", `"head":"1s","stream_idle":"1s","progress":"1s","tunnel_idle":"1h"`, false},
		{"of tunnels", `"tunnel_idle":"20ms"`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			upstream := w.server(func(_ int, p *peer) {
				p.want(wsRequest)
				p.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
				if tt.cut {
					p.wantGone()
					return
				}
				p.want("x")
			})
			addr := w.proxy(sketch{hosts: []string{upstream}, listener: `"connection_idle_timeout":"1s"`,
				proxy: quiet + `,"timeouts":{` + tt.timeouts + `}`})
			c := w.dial(addr)
			c.send(wsRequest)
			c.want("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
			if tt.cut {
				c.wantGone()
				return
			}
			// Another connection's limits pass meanwhile, twice, so this one's would have too.
			for range 2 {
				idle := w.dial(addr)
				idle.wantGone()
			}
			c.send("x")
			c.wantEnd()
		})
	}
}
