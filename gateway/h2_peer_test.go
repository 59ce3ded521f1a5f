package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sluice/loop/looptest"
)

const h2preface = http2.ClientPreface

// An h2peer is an HTTP/2 client or server of a test: its frames are made here, so that it may break every rule.
type h2peer struct {
	t       testing.TB
	p       *looptest.Peer
	server  bool
	in      []byte
	enc     *hpack.Encoder
	encoded bytes.Buffer
	dec     *hpack.Decoder
	next    uint32 // stream of a client's next request

	started   bool
	streams   map[uint32]*h2stream
	order     []uint32 // streams in the order in which they began
	goAway    string   // the last GOAWAY: "last code"
	goAways   int
	pings     int // answered
	frames    int
	updates   int
	settings  map[http2.SettingID]uint32
	conn      int  // what may be sent on the connection
	keeps     bool // gives no window back, and acknowledges nothing, by itself
	silent    bool // sends nothing by itself
	held      int  // bytes of data that came and whose window was not given back
	fragments []byte
	fragment  uint32
	fragFlags http2.Flags

	onHead  func(s *h2stream) // a head has come
	onData  func(s *h2stream)
	onEnd   func(s *h2stream) // the other side has said all
	onReset func(s *h2stream)
}

// h2stream is what came on a stream.
type h2stream struct {
	c        *h2peer
	id       uint32
	heads    []string // interim ones first
	fields   []hpack.HeaderField
	body     []byte
	trailers string
	ended    bool
	reset    string // the code, or ""
	window   int    // what may be sent
	waiting  []byte // for the window
	end      bool   // END_STREAM follows what waits
	endSent  bool
	trailer  []string
	held     int
}

func newH2peer(t testing.TB, p *looptest.Peer, server bool) *h2peer {
	c := &h2peer{t: t, p: p, server: server, streams: map[uint32]*h2stream{}, settings: map[http2.SettingID]uint32{}, next: 1, conn: 65535}
	c.enc = hpack.NewEncoder(&c.encoded)
	c.dec = hpack.NewDecoder(4096, nil)
	p.OnReceive(c.feed)
	return c
}

// h2 connects a client that says hello with settings: pairs of identifiers and values.
func (r *rig) h2(settings ...uint32) *h2peer {
	c := newH2peer(r.t, r.connect(), false)
	c.send([]byte(h2preface))
	c.sendSettings(settings...)
	return c
}

// h2upstream makes addr an HTTP/2 upstream: serve is called for each connection and gives it its scripts.
func (r *rig) h2upstream(serve func(c *h2peer), settings ...uint32) *[]*h2peer {
	var peers []*h2peer
	r.l.Listen(r.up, func(p *looptest.Peer) {
		c := newH2peer(r.t, p, true)
		peers = append(peers, c)
		if serve != nil {
			serve(c)
		}
		if !c.silent {
			c.sendSettings(settings...)
		}
	})
	return &peers
}

func (c *h2peer) send(b []byte) { c.p.SendBytes(b) }

// frame sends one frame.
func (c *h2peer) frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload string) {
	c.send(appendH2(nil, kind, flags, stream, payload))
}

func appendH2(b []byte, kind http2.FrameType, flags http2.Flags, stream uint32, payload string) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), byte(kind), byte(flags))
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

func word(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

func (c *h2peer) sendSettings(pairs ...uint32) {
	var p []byte
	for i := 0; i < len(pairs); i += 2 {
		p = binary.BigEndian.AppendUint16(p, uint16(pairs[i]))
		p = binary.BigEndian.AppendUint32(p, pairs[i+1])
	}
	c.frame(http2.FrameSettings, 0, 0, string(p))
}

// block encodes fields: names and values in turn.
func (c *h2peer) block(fields ...string) string {
	c.encoded.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return c.encoded.String()
}

func (c *h2peer) headers(id uint32, end bool, fields ...string) *h2stream {
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	s := c.stream(id)
	s.endSent = s.endSent || end
	c.frame(http2.FrameHeaders, flags, id, c.block(fields...))
	return s
}

// request opens a stream; fields with a colon replace those of a plain request.
func (c *h2peer) request(end bool, fields ...string) *h2stream {
	head := []string{":method", "GET", ":scheme", "http", ":path", "/x", ":authority", "a"}
	for i := 0; i < len(fields); {
		if at := slices.Index(head, fields[i]); fields[i][0] == ':' && at >= 0 {
			head[at+1] = fields[i+1]
			fields = slices.Delete(slices.Clone(fields), i, i+2)
			continue
		}
		i += 2
	}
	id := c.next
	c.next += 2
	return c.headers(id, end, append(head, fields...)...)
}

func (c *h2peer) get(fields ...string) *h2stream { return c.request(true, fields...) }

func (c *h2peer) post(fields ...string) *h2stream {
	return c.request(false, append([]string{":method", "POST"}, fields...)...)
}

func (c *h2peer) stream(id uint32) *h2stream {
	s := c.streams[id]
	if s == nil {
		s = &h2stream{c: c, id: id, window: 65535}
		if w, ok := c.settings[http2.SettingInitialWindowSize]; ok {
			s.window = int(w)
		}
		c.streams[id] = s
		c.order = append(c.order, id)
	}
	return s
}

// answer sends a head, and a body with the end of the stream.
func (s *h2stream) answer(status string, body string, fields ...string) {
	s.c.headers(s.id, body == "", append([]string{":status", status}, fields...)...)
	if body != "" {
		s.data(body, true)
	}
}

// data sends body as far as the windows allow, and the rest when they open.
func (s *h2stream) data(body string, end bool) {
	s.waiting = append(s.waiting, body...)
	s.end = s.end || end
	s.pump()
}

// endWith ends the stream with fields.
func (s *h2stream) endWith(fields ...string) {
	s.trailer = fields
	s.pump()
}

func (s *h2stream) pump() {
	if s.reset != "" || s.endSent {
		return
	}
	c := s.c
	var out []byte
	for len(s.waiting) > 0 {
		n := min(len(s.waiting), s.window, c.conn, 16384)
		if n <= 0 {
			break
		}
		var flags http2.Flags
		if n == len(s.waiting) && s.end && s.trailer == nil {
			flags, s.endSent = http2.FlagDataEndStream, true
		}
		out = appendH2(out, http2.FrameData, flags, s.id, string(s.waiting[:n]))
		s.waiting = s.waiting[n:]
		s.window -= n
		c.conn -= n
	}
	c.send(out)
	switch {
	case s.endSent || len(s.waiting) > 0:
	case s.trailer != nil:
		c.headers(s.id, true, s.trailer...)
	case s.end:
		s.endSent = true
		c.frame(http2.FrameData, http2.FlagDataEndStream, s.id, "")
	}
}

func (s *h2stream) rst(code http2.ErrCode) {
	s.endSent = true
	s.c.frame(http2.FrameRSTStream, 0, s.id, word(uint32(code)))
}

// credit opens the window of the stream; the connection's for stream nil.
func (c *h2peer) credit(id uint32, n int) { c.frame(http2.FrameWindowUpdate, 0, id, word(uint32(n))) }

func (c *h2peer) sendGoAway(last uint32, code http2.ErrCode) {
	c.frame(http2.FrameGoAway, 0, 0, word(last)+word(uint32(code)))
}

// feed reads what has come from the gateway.
func (c *h2peer) feed(b []byte) {
	c.in = append(c.in, b...)
	c.p.Discard()
	if c.server && !c.started {
		if len(c.in) < len(h2preface) {
			return
		}
		if !strings.HasPrefix(string(c.in), h2preface) {
			c.t.Errorf("no preface, but %q", c.in)
		}
		c.in = c.in[len(h2preface):]
	}
	c.started = true
	for len(c.in) >= 9 {
		n := int(c.in[0])<<16 | int(c.in[1])<<8 | int(c.in[2])
		if len(c.in) < 9+n {
			return
		}
		if n > 16384 {
			c.t.Errorf("a frame of %d bytes", n)
		}
		kind, flags := http2.FrameType(c.in[3]), http2.Flags(c.in[4])
		id := binary.BigEndian.Uint32(c.in[5:])
		p := c.in[9 : 9+n : 9+n]
		c.in = c.in[9+n:]
		c.frames++
		c.take(kind, flags, id, p)
	}
	if len(c.in) == 0 {
		c.in = nil
	}
}

func (c *h2peer) take(kind http2.FrameType, flags http2.Flags, id uint32, p []byte) {
	switch kind { //nolint:exhaustive // the gateway sends no others
	case http2.FrameSettings:
		if flags&http2.FlagSettingsAck != 0 {
			return
		}
		for ; len(p) >= 6; p = p[6:] {
			k, v := http2.SettingID(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:])
			if k == http2.SettingInitialWindowSize {
				old, had := c.settings[k]
				if !had {
					old = 65535
				}
				for _, s := range c.streams {
					s.window += int(v) - int(old)
				}
			}
			c.settings[k] = v
		}
		if !c.silent {
			c.frame(http2.FrameSettings, http2.FlagSettingsAck, 0, "")
		}
		c.pump()
	case http2.FramePing:
		if flags&http2.FlagPingAck != 0 {
			c.pings++
		} else if !c.silent {
			c.frame(http2.FramePing, http2.FlagPingAck, 0, string(p))
		}
	case http2.FrameWindowUpdate:
		c.updates++
		by := int(binary.BigEndian.Uint32(p))
		if id == 0 {
			c.conn += by
		} else {
			c.stream(id).window += by
		}
		c.pump()
	case http2.FrameGoAway:
		c.goAways++
		c.goAway = fmt.Sprintf("%d %v", binary.BigEndian.Uint32(p), http2.ErrCode(binary.BigEndian.Uint32(p[4:])))
	case http2.FrameRSTStream:
		s := c.stream(id)
		s.reset = http2.ErrCode(binary.BigEndian.Uint32(p)).String()
		s.waiting = nil
		if c.onReset != nil {
			c.onReset(s)
		}
	case http2.FrameHeaders, http2.FrameContinuation:
		if kind == http2.FrameHeaders {
			c.fragments, c.fragment, c.fragFlags = nil, id, flags
		}
		c.fragments = append(c.fragments, p...)
		if flags&http2.FlagHeadersEndHeaders != 0 {
			c.head(c.stream(id))
		}
	case http2.FrameData:
		c.data(c.stream(id), p, flags&http2.FlagDataEndStream != 0)
	}
}

func (c *h2peer) pump() {
	for _, id := range c.order {
		if s := c.streams[id]; len(s.waiting) > 0 || s.trailer != nil {
			s.pump()
		}
	}
}

func (c *h2peer) head(s *h2stream) {
	fields, err := c.dec.DecodeFull(c.fragments)
	if err != nil {
		c.t.Errorf("a field block that can't be decoded: %v", err)
	}
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if s.ended || s.reset != "" {
		c.t.Errorf("stream %d: a head behind the end: %s", s.id, b.String())
	}
	isHead := len(fields) > 0 && fields[0].Name[0] == ':'
	if isHead {
		s.heads = append(s.heads, b.String())
		s.fields = fields
	} else {
		s.trailers = b.String()
	}
	end := c.fragFlags&http2.FlagHeadersEndStream != 0
	if isHead && c.onHead != nil {
		c.onHead(s)
	}
	if end {
		c.ended(s)
	}
}

func (c *h2peer) data(s *h2stream, p []byte, end bool) {
	if len(s.heads) == 0 || s.ended || s.reset != "" {
		c.t.Errorf("stream %d: %d bytes of data, but heads %q, ended %v, reset %q", s.id, len(p), s.heads, s.ended, s.reset)
	}
	s.body = append(s.body, p...)
	if c.keeps {
		c.held += len(p)
		s.held += len(p)
	} else if len(p) > 0 && !c.silent {
		c.credit(0, len(p))
		if !end {
			c.credit(s.id, len(p))
		}
	}
	if c.onData != nil {
		c.onData(s)
	}
	if end {
		c.ended(s)
	}
}

func (c *h2peer) ended(s *h2stream) {
	s.ended = true
	if c.onEnd != nil {
		c.onEnd(s)
	}
}

// field is the value of a field of the head.
func (s *h2stream) field(name string) string {
	for _, f := range s.fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// String tells what has come: heads, body, trailers, and how it ended.
func (s *h2stream) String() string {
	b := strings.Join(s.heads, "\n") + "\n" + string(s.body)
	if s.trailers != "" {
		b += "\n" + s.trailers
	}
	if s.ended {
		b += " END"
	}
	if s.reset != "" {
		b += " RST " + s.reset
	}
	return b
}

// is compares all that has come on the stream.
func (s *h2stream) is(want string) {
	s.c.t.Helper()
	if got := s.String(); got != want {
		s.c.t.Errorf("stream %d received\n%s\nwant\n%s", s.id, got, want)
	}
}

// has looks for parts of what has come.
func (s *h2stream) has(parts ...string) {
	s.c.t.Helper()
	got := s.String()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			s.c.t.Errorf("stream %d received\n%s\nwhich lacks %q", s.id, got, part)
		}
	}
}
