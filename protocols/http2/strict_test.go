package http2

import (
	"strings"
	"testing"

	"sluice/protocols"
)

// Malformed requests are reset, nobody hears of them, and the connection goes on (RFC 9113 section 8.1.1).
func TestMalformedRequests(t *testing.T) {
	line := requestLine
	for name, fields := range map[string][]string{
		"no :method":          {":scheme", "http", ":authority", "a", ":path", "/"},
		"no :scheme":          {":method", "GET", ":authority", "a", ":path", "/"},
		"no :path":            {":method", "GET", ":authority", "a", ":scheme", "http"},
		"no :authority":       {":method", "GET", ":scheme", "http", ":path", "/"},
		"empty :path":         {":method", "GET", ":scheme", "http", ":authority", "a", ":path", ""},
		"relative :path":      {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "x"},
		"absolute :path":      {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "http://a/"},
		"* without OPTIONS":   {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "*"},
		"space in :path":      {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/a b"},
		"fragment in :path":   {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/abcdefgh#b"},
		"line in :path":       {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/a HTTP/1.1\r\nx: y"},
		":path twice":         append(line("GET"), ":path", "/"),
		":scheme ftp":         {":method", "GET", ":scheme", "ftp", ":authority", "a", ":path", "/"},
		"user information":    {":method", "GET", ":scheme", "http", ":authority", "u@a", ":path", "/"},
		"port is no number":   {":method", "GET", ":scheme", "http", ":authority", "a:x", ":path", "/"},
		"slash in authority":  {":method", "GET", ":scheme", "http", ":authority", "a/b", ":path", "/"},
		"space in method":     {":method", "GE T", ":scheme", "http", ":authority", "a", ":path", "/"},
		"empty method":        {":method", "", ":scheme", "http", ":authority", "a", ":path", "/"},
		":status":             append(line("GET"), ":status", "200"),
		"unknown pseudo":      append(line("GET"), ":x", "y"),
		"pseudo late":         {":method", "GET", ":scheme", "http", ":authority", "a", "x", "y", ":path", "/"},
		"another host":        append(line("GET"), "host", "b.example"),
		"two hosts":           {":method", "GET", ":scheme", "http", ":path", "/", "host", "a", "host", "b"},
		"bad host":            {":method", "GET", ":scheme", "http", ":path", "/", "host", "a b"},
		"upper-case name":     append(line("GET"), "X-A", "b"),
		"well-known in upper": append(line("GET"), "Accept", "b"),
		"empty name":          append(line("GET"), "", "b"),
		"colon in name":       append(line("GET"), "a:b", "c"),
		"space in name":       append(line("GET"), "a b", "c"),
		"line in name":        append(line("GET"), "a\r\nb", "c"),
		"high byte in name":   append(line("GET"), "a\xe4", "c"),
		"line in value":       append(line("GET"), "a", "b\r\nc: d"),
		"CR in value":         append(line("GET"), "a", "b\rc"),
		"NUL in value":        append(line("GET"), "a", "12345678\x00"),
		"DEL in value":        append(line("GET"), "a", "12345678\x7f"),
		"space before value":  append(line("GET"), "a", " b"),
		"tab behind value":    append(line("GET"), "a", "b\t"),
		"connection":          append(line("GET"), "connection", "close"),
		"keep-alive":          append(line("GET"), "keep-alive", "1"),
		"proxy-connection":    append(line("GET"), "proxy-connection", "close"),
		"transfer-encoding":   append(line("GET"), "transfer-encoding", "chunked"),
		"upgrade":             append(line("GET"), "upgrade", "websocket"),
		"te gzip":             append(line("GET"), "te", "gzip"),
		"te list":             append(line("GET"), "te", "trailers, gzip"),
		"length and end":      append(line("POST"), "content-length", "5"),
		"length not a number": append(line("POST"), "content-length", "+0"),
		"empty length":        append(line("POST"), "content-length", ""),
		"lengths differ":      append(line("POST"), "content-length", "0", "content-length", "00000000000000000001"),
		"huge length":         append(line("POST"), "content-length", "99999999999999999999"),
		"CONNECT and end":     {":method", "CONNECT", ":authority", "a:443"},
		":protocol with GET":  append(line("GET"), ":protocol", "websocket"),
	} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).headers(1, true, fields...).get(3))
		e.expect(t, name, []string{"3 head GET / authority=a.example scheme=http minor=0 end"},
			[]string{"RST_STREAM 1 PROTOCOL_ERROR"}, 0)
	}
}

func TestMalformedConnects(t *testing.T) {
	for name, fields := range map[string][]string{
		"without port":          {":method", "CONNECT", ":authority", "a"},
		"with :scheme":          {":method", "CONNECT", ":scheme", "http", ":authority", "a:1"},
		"with :path":            {":method", "CONNECT", ":path", "/", ":authority", "a:1"},
		"with a length":         {":method", "CONNECT", ":authority", "a:1", "content-length", "3"},
		"extended, no :scheme":  {":method", "CONNECT", ":protocol", "websocket", ":authority", "a", ":path", "/"},
		"extended, no :path":    {":method", "CONNECT", ":protocol", "websocket", ":authority", "a", ":scheme", "http"},
		"extended, h2c":         append(requestLine("CONNECT"), ":protocol", "h2c"),
		"extended, no protocol": append(requestLine("CONNECT"), ":protocol", ""),
		"extended, a list":      append(requestLine("CONNECT"), ":protocol", "a, b"),
		"extended, *":           {":method", "CONNECT", ":protocol", "x", ":authority", "a", ":scheme", "http", ":path", "*"},
	} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).headers(1, false, fields...))
		e.expect(t, name, nil, []string{"RST_STREAM 1 PROTOCOL_ERROR"}, 0)
	}
}

// Requests that are unusual, and fine.
func TestOddRequests(t *testing.T) {
	for name, c := range map[string]struct {
		fields []string
		end    bool
		events []string
	}{
		"host alone": {[]string{":method", "GET", ":scheme", "https", ":path", "/", "host", "b:1"}, true,
			[]string{"1 head GET / authority=b:1 scheme=https minor=0 end"}},
		"host says the same": {append(requestLine("GET"), "host", "A.example", "host", "a.example"), true,
			[]string{"1 head GET / authority=a.example scheme=http minor=0 end"}},
		"OPTIONS *": {[]string{":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "[::1]:80"}, true,
			[]string{"1 head OPTIONS * authority=[::1]:80 scheme=http minor=0 end"}},
		"cookies": {append(requestLine("GET"), "cookie", "a=1", "x", "y", "cookie", "b=2", "cookie", "c"), true,
			[]string{"1 head GET / authority=a.example scheme=http minor=0 end", "  Cookie: a=1; b=2; c", "  x: y"}},
		"length twice": {append(requestLine("POST"), "content-length", "5", "content-length", "5"), false,
			[]string{"1 head POST / authority=a.example scheme=http length=5 minor=0", "  Content-Length: 5"}},
		"te twice": {append(requestLine("GET"), "te", "trailers", "te", "Trailers"), true,
			[]string{"1 head GET / authority=a.example scheme=http minor=0 end", "  TE: trailers"}},
		"http2-settings": {append(requestLine("GET"), "http2-settings", "AAMAAABk"), true,
			[]string{"1 head GET / authority=a.example scheme=http minor=0 end"}},
		"tab and high bytes": {append(requestLine("GET"), "a", "b\tc\xe4\xf6\xfc d\te"), true,
			[]string{"1 head GET / authority=a.example scheme=http minor=0 end", `  a: "b\tc\xe4\xf6\xfc d\te"`}},
		"CONNECT": {[]string{":method", "CONNECT", ":authority", "a:443"}, false,
			[]string{`1 head CONNECT "" authority=a:443 minor=0`}},
		"extended CONNECT": {append([]string{":protocol", "websocket"}, requestLine("CONNECT")...), false,
			[]string{"1 head GET / authority=a.example scheme=http upgrade=websocket minor=0"}},
		"unknown method": {requestLine("PROPFIND"), true,
			[]string{"1 head PROPFIND / authority=a.example scheme=http minor=0 end"}},
	} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).headers(1, c.end, c.fields...))
		e.expect(t, name, c.events, nil, 0)
	}
}

// Expect is 100-continue or refused, as in HTTP/1: servers behind us that look for the word anywhere in the field wait where
// others don't.
func TestExpect(t *testing.T) {
	for value, want := range map[string]string{"100-continue": "", "100-Continue": "", "": "417", "y 100-continue": "417", "100-continue, x": "417"} {
		for _, end := range []bool{true, false} {
			e := server(t, protocols.Limits{})
			e.recv(new(script).headers(1, end, append(requestLine("POST"), "expect", value)...))
			got := e.frames()
			switch {
			case want == "" && len(got) != 0, want != "" && (len(got) == 0 || got[0] != "HEADERS 1 :status=417 END"):
				t.Errorf("%q, complete %t: %q", value, end, got)
			case want != "" && (len(e.sink.Take()) != 0 || end == (len(got) == 2 && got[1] == "RST_STREAM 1 NO_ERROR")):
				t.Errorf("%q, complete %t: %q, and the request was passed on, or the client not told to stop", value, end, got)
			}
		}
	}
}

// What is wrong with the connection ends it with a GOAWAY that says why.
func TestConnectionErrors(t *testing.T) {
	begun := func() *script { return new(script).get(1) }
	head := requestLine("GET")
	for name, c := range map[string]struct {
		w    *script
		code string
	}{
		"frame too long":               {new(script).frame(framePing, 0, 0, strings.Repeat("x", frameSize+1)), "FRAME_SIZE_ERROR"},
		"DATA on stream 0":             {new(script).data(0, false, "x"), "PROTOCOL_ERROR"},
		"DATA on an idle stream":       {new(script).data(1, false, "x"), "PROTOCOL_ERROR"},
		"DATA on a skipped stream":     {new(script).get(5).data(3, false, "x"), "PROTOCOL_ERROR"},
		"DATA all padding":             {new(script).post(1).frame(frameData, flagPadded, 1, "\x02x"), "PROTOCOL_ERROR"},
		"DATA without pad length":      {new(script).post(1).frame(frameData, flagPadded, 1, ""), "FRAME_SIZE_ERROR"},
		"HEADERS on stream 0":          {new(script).get(0), "PROTOCOL_ERROR"},
		"HEADERS on an even stream":    {new(script).get(2), "PROTOCOL_ERROR"},
		"HEADERS on a lower stream":    {new(script).get(5).get(3), "PROTOCOL_ERROR"},
		"HEADERS depend on itself":     {new(script).frame(frameHeaders, flagEndHeaders|flagPriority, 1, "\x00\x00\x00\x01\x10"+block(head...)), "PROTOCOL_ERROR"},
		"HEADERS too short":            {new(script).frame(frameHeaders, flagEndHeaders|flagPriority, 1, "\x00\x00"), "FRAME_SIZE_ERROR"},
		"HEADERS without pad length":   {new(script).frame(frameHeaders, flagEndHeaders|flagPadded, 1, ""), "FRAME_SIZE_ERROR"},
		"HEADERS all padding":          {new(script).frame(frameHeaders, flagEndHeaders|flagPadded, 1, "\x09x"), "PROTOCOL_ERROR"},
		"bad HPACK":                    {new(script).frame(frameHeaders, flagEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"), "COMPRESSION_ERROR"},
		"CONTINUATION alone":           {new(script).frame(frameContinuation, flagEndHeaders, 1, ""), "PROTOCOL_ERROR"},
		"CONTINUATION elsewhere":       {new(script).frame(frameHeaders, 0, 1, "").frame(frameContinuation, 0, 3, ""), "PROTOCOL_ERROR"},
		"a frame within a block":       {new(script).frame(frameHeaders, 0, 1, "").frame(framePing, 0, 0, "12345678"), "PROTOCOL_ERROR"},
		"long CONTINUATION":            {new(script).frame(frameHeaders, 0, 1, "").frame(frameContinuation, 0, 1, strings.Repeat("x", frameSize+1)), "FRAME_SIZE_ERROR"},
		"PUSH_PROMISE":                 {new(script).frame(framePushPromise, flagEndHeaders, 1, "\x00\x00\x00\x02"), "PROTOCOL_ERROR"},
		"PRIORITY on stream 0":         {new(script).frame(framePriority, 0, 0, "12345"), "PROTOCOL_ERROR"},
		"PRIORITY of 4 bytes":          {new(script).frame(framePriority, 0, 1, "1234"), "FRAME_SIZE_ERROR"},
		"PRIORITY on itself":           {new(script).frame(framePriority, 0, 1, "\x00\x00\x00\x01\x10"), "PROTOCOL_ERROR"},
		"PRIORITY_UPDATE on a stream":  {new(script).frame(framePriorityUpdate, 0, 1, "\x00\x00\x00\x01u=1"), "PROTOCOL_ERROR"},
		"PRIORITY_UPDATE too short":    {new(script).frame(framePriorityUpdate, 0, 0, "\x00"), "FRAME_SIZE_ERROR"},
		"RST_STREAM on stream 0":       {new(script).word(frameReset, 0, 0), "PROTOCOL_ERROR"},
		"RST_STREAM on an idle stream": {new(script).word(frameReset, 1, 0), "PROTOCOL_ERROR"},
		"RST_STREAM of 3 bytes":        {begun().frame(frameReset, 0, 1, "123"), "FRAME_SIZE_ERROR"},
		"SETTINGS on a stream":         {new(script).frame(frameSettings, 0, 1, ""), "PROTOCOL_ERROR"},
		"SETTINGS of 5 bytes":          {new(script).frame(frameSettings, 0, 0, "12345"), "FRAME_SIZE_ERROR"},
		"SETTINGS ack with payload":    {new(script).frame(frameSettings, flagAck, 0, "123456"), "FRAME_SIZE_ERROR"},
		"SETTINGS ack for nothing":     {new(script).ack(), "PROTOCOL_ERROR"},
		"ENABLE_PUSH 2":                {new(script).settings(2, 2), "PROTOCOL_ERROR"},
		"INITIAL_WINDOW_SIZE 2^31":     {new(script).settings(4, 1<<31), "FLOW_CONTROL_ERROR"},
		"MAX_FRAME_SIZE 0":             {new(script).settings(5, 0), "PROTOCOL_ERROR"},
		"MAX_FRAME_SIZE 2^24":          {new(script).settings(5, 1<<24), "PROTOCOL_ERROR"},
		"ENABLE_CONNECT_PROTOCOL 2":    {new(script).settings(8, 2), "PROTOCOL_ERROR"},
		"connect protocol taken back":  {new(script).settings(8, 1, 8, 0), "PROTOCOL_ERROR"},
		"window change overflows":      {begun().word(frameWindowUpdate, 1, maxWindow-firstWindow).settings(4, firstWindow+1), "FLOW_CONTROL_ERROR"},
		"33 SETTINGS":                  {new(script).settings(make([]uint32, 66)...), "ENHANCE_YOUR_CALM"},
		"PING on a stream":             {new(script).frame(framePing, 0, 1, "12345678"), "PROTOCOL_ERROR"},
		"PING of 7 bytes":              {new(script).frame(framePing, 0, 0, "1234567"), "FRAME_SIZE_ERROR"},
		"GOAWAY on a stream":           {new(script).frame(frameGoAway, 0, 1, "12345678"), "PROTOCOL_ERROR"},
		"GOAWAY of 7 bytes":            {new(script).frame(frameGoAway, 0, 0, "1234567"), "FRAME_SIZE_ERROR"},
		"WINDOW_UPDATE of 3 bytes":     {new(script).frame(frameWindowUpdate, 0, 0, "123"), "FRAME_SIZE_ERROR"},
		"WINDOW_UPDATE 0":              {new(script).word(frameWindowUpdate, 0, 0), "PROTOCOL_ERROR"},
		"WINDOW_UPDATE overflows":      {new(script).word(frameWindowUpdate, 0, maxWindow), "FLOW_CONTROL_ERROR"},
		"WINDOW_UPDATE on idle stream": {new(script).word(frameWindowUpdate, 1, 1), "PROTOCOL_ERROR"},
	} {
		e := server(t, protocols.Limits{})
		e.recv(c.w)
		frames := e.frames()
		if len(frames) == 0 || !strings.HasPrefix(frames[len(frames)-1], "GOAWAY ") || !strings.HasSuffix(frames[len(frames)-1], c.code) {
			t.Errorf("%s: the frames are %q, want a GOAWAY with %s", name, frames, c.code)
		}
		if st := e.codec.Status(); e.err == nil || st.Phase != protocols.PhaseClosing || !st.Linger {
			t.Errorf("%s: the error is %v, the status %+v", name, e.err, st)
		}
		if n, err := e.codec.Decode(0, []byte("whatever"), &e.sink, &e.out); n != 8 || err != nil || e.out.Buffered() > 0 {
			t.Errorf("%s: behind the error: %d, %v, %d bytes sent", name, n, err, e.out.Buffered())
		}
	}
}

// What is wrong with one stream resets it, and tells its owner.
func TestStreamErrors(t *testing.T) {
	posted := "1 head POST / authority=a.example scheme=http minor=0"
	five := []string{"1 head POST / authority=a.example scheme=http length=5 minor=0", "  Content-Length: 5"}
	reset := "1 reset protocol_error"
	for name, c := range map[string]struct {
		w      *script
		events []string
		frames string
	}{
		"data behind the end": {new(script).post(1).data(1, true, "a").data(1, false, "b"),
			[]string{posted, `1 data "a" end`, reset}, "STREAM_CLOSED"},
		"head behind the end": {new(script).post(1).data(1, true, "a").get(1),
			[]string{posted, `1 data "a" end`, reset}, "STREAM_CLOSED"},
		"more than announced": {new(script).post(1, "content-length", "5").data(1, false, "123456"),
			append(five[:2:2], reset), "PROTOCOL_ERROR"},
		"less than announced": {new(script).post(1, "content-length", "5").data(1, false, "1234").data(1, true, ""),
			append(five[:2:2], `1 data "1234"`, reset), "PROTOCOL_ERROR"},
		"less, then trailers": {new(script).post(1, "content-length", "5").headers(1, true, "a", "b"),
			append(five[:2:2], reset), "PROTOCOL_ERROR"},
		"trailers without end":   {new(script).post(1).headers(1, false, "a", "b"), []string{posted, reset}, "PROTOCOL_ERROR"},
		"pseudo in trailers":     {new(script).post(1).headers(1, true, ":path", "/"), []string{posted, reset}, "PROTOCOL_ERROR"},
		"length in trailers":     {new(script).post(1).headers(1, true, "content-length", "0"), []string{posted, reset}, "PROTOCOL_ERROR"},
		"host in trailers":       {new(script).post(1).headers(1, true, "host", "a"), []string{posted, reset}, "PROTOCOL_ERROR"},
		"authorization there":    {new(script).post(1).headers(1, true, "authorization", "a"), []string{posted, reset}, "PROTOCOL_ERROR"},
		"client cert there":      {new(script).post(1).headers(1, true, "x-forwarded-client-cert", "Hash=0"), []string{posted, reset}, "PROTOCOL_ERROR"},
		"bad byte in trailers":   {new(script).post(1).headers(1, true, "a", "b\nc"), []string{posted, reset}, "PROTOCOL_ERROR"},
		"update by zero":         {new(script).post(1).word(frameWindowUpdate, 1, 0), []string{posted, reset}, "PROTOCOL_ERROR"},
		"update overflows":       {new(script).post(1).word(frameWindowUpdate, 1, maxWindow), []string{posted, reset}, "FLOW_CONTROL_ERROR"},
		"many fields in trailer": {new(script).post(1).headers(1, true, strings.Split(strings.Repeat("a b ", 33)[:131], " ")...), []string{posted, "1 reset head_too_large"}, "ENHANCE_YOUR_CALM"},
	} {
		e := server(t, protocols.Limits{})
		e.recv(c.w)
		e.expect(t, name, c.events, []string{"RST_STREAM 1 " + c.frames}, 0)
		if e.codec.streams.n != 0 {
			t.Errorf("%s: the stream is still there", name)
		}
	}
}
