package gateway

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sluice/loop/looptest"
)

// What HTTP/1 could read as something else than what was said is refused before an HTTP/1 upstream sees any of it.
func TestH2DowngradeIsRefused(t *testing.T) {
	head := func(method, path, authority string, more ...string) []string {
		return append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", authority}, more...)
	}
	get := func(more ...string) []string { return head("GET", "/", "a", more...) }
	for name, fields := range map[string][]string{
		"h2.TE":                        get("transfer-encoding", "chunked"),
		"h2.TE identity":               get("transfer-encoding", "identity"),
		"h2.TE in te":                  get("te", "chunked"),
		"h2.TE list in te":             get("te", "trailers, chunked"),
		"h2.CL twice":                  get("content-length", "0", "content-length", "10"),
		"h2.CL list":                   get("content-length", "0, 10"),
		"h2.CL sign":                   get("content-length", "+0"),
		"h2.CL space":                  get("content-length", "1 0"),
		"h2.CL hex":                    get("content-length", "0x0"),
		"h2.CL overflow":               get("content-length", "99999999999999999999"),
		"h2.CL that lies at the end":   get("content-length", "10"),
		"connection":                   get("connection", "close"),
		"connection names":             get("connection", "x-forwarded-for"),
		"keep-alive":                   get("keep-alive", "timeout=5"),
		"proxy-connection":             get("proxy-connection", "keep-alive"),
		"upgrade":                      get("upgrade", "h2c"),
		"value CRLF":                   get("x", "a\r\ntransfer-encoding: chunked"),
		"value LF":                     get("x", "a\nb: c"),
		"value CR":                     get("x", "a\rb"),
		"value NUL":                    get("x", "a\x00b"),
		"value in front":               get("x", " a"),
		"value behind":                 get("x", "a\t"),
		"name upper":                   get("X", "a"),
		"name colon":                   get("x:y", "a"),
		"name CRLF":                    get("x\r\nhost", "a"),
		"name space":                   get("x y", "a"),
		"name line":                    get("x: y\r\ntransfer-encoding", "chunked"),
		"name empty":                   get("", "a"),
		"method space":                 head("GET / HTTP/1.1", "/", "a"),
		"method CRLF":                  head("GET\r\nx: y", "/", "a"),
		"method empty":                 head("", "/", "a"),
		"path space":                   head("GET", "/ HTTP/1.1", "a"),
		"path CRLF":                    head("GET", "/ HTTP/1.1\r\nx: y", "a"),
		"path tab":                     head("GET", "/\t", "a"),
		"path NUL":                     head("GET", "/\x00", "a"),
		"path fragment":                head("GET", "/a#b", "a"),
		"path high":                    head("GET", "/\xff", "a"),
		"path empty":                   head("GET", "", "a"),
		"path no slash":                head("GET", "admin", "a"), // CVE-2026-33186
		"path absolute":                head("GET", "http://b/", "a"),
		"path asterisk":                head("GET", "*", "a"),
		"path query only":              head("GET", "?a", "a"),
		"authority CRLF":               head("GET", "/", "a\r\nx: y"),
		"authority space":              head("GET", "/", "a b"),
		"authority slash":              head("GET", "/", "a/b"),
		"authority userinfo":           head("GET", "/", "user@a"),
		"authority list":               head("GET", "/", "a,b"),
		"authority port":               head("GET", "/", "a:x"),
		"authority port too high":      head("GET", "/", "a:99999"),
		"authority empty":              head("GET", "/", ""),
		"authority and another host":   head("GET", "/", "a", "host", "b"),
		"authority and host's port":    head("GET", "/", "a", "host", "a:81"),
		"two hosts":                    {":method", "GET", ":scheme", "http", ":path", "/", "host", "a", "host", "b"},
		"no authority, no host":        {":method", "GET", ":scheme", "http", ":path", "/"},
		"scheme":                       {":method", "GET", ":scheme", "http://a/ HTTP/1.1\r\nx: y", ":path", "/", ":authority", "a"},
		"scheme other":                 {":method", "GET", ":scheme", "ftp", ":path", "/", ":authority", "a"},
		"method twice":                 {":method", "GET", ":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a"},
		"path twice":                   {":method", "GET", ":scheme", "http", ":path", "/", ":path", "/admin", ":authority", "a"},
		"no path":                      {":method", "GET", ":scheme", "http", ":authority", "a"},
		"no method":                    {":scheme", "http", ":path", "/", ":authority", "a"},
		"no scheme":                    {":method", "GET", ":path", "/", ":authority", "a"},
		"pseudo late":                  {":method", "GET", ":scheme", "http", "x", "y", ":path", "/", ":authority", "a"},
		"pseudo unknown":               get(":x", "y"),
		"pseudo of answers":            {":status", "200", ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"},
		"protocol without CONNECT":     {":method", "GET", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "a"},
		"CONNECT with path":            head("CONNECT", "/", "a:443"),
		"CONNECT without port":         {":method", "CONNECT", ":authority", "a"},
		"CONNECT to a path":            {":method", "CONNECT", ":authority", "a:443/admin"},
		"CONNECT with spaces":          {":method", "CONNECT", ":authority", "a:443 HTTP/1.1"},
		"CONNECT with a length":        {":method", "CONNECT", ":authority", "a:443", "content-length", "10"},
		"extended CONNECT, no path":    {":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a"},
		"extended CONNECT, no slash":   {":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "x", ":authority", "a"},
		"extended CONNECT, h2c":        head("CONNECT", "/", "a", ":protocol", "h2c"),
		"extended CONNECT, line break": head("CONNECT", "/", "a", ":protocol", "websocket\r\nx: y"),
		"extended CONNECT, space":      head("CONNECT", "/", "a", ":protocol", "web socket"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
			ups := r.upstream(nil)
			c := r.h2()
			for i := 2; i < len(fields); i += 2 { // pseudo fields in front, but where the case is about that
				if name != "pseudo late" && fields[i] != "" && fields[i][0] == ':' {
					move(fields, i)
				}
			}
			end := fields[1] != "CONNECT"
			s := c.literal(1, end, fields...)
			r.l.Run()
			got := s.String()
			if s.reset != "PROTOCOL_ERROR" && !strings.HasPrefix(got, ":status: 4") {
				t.Errorf("the answer is %q, %s", got, c.goAway)
			}
			if len(*ups) != 0 {
				t.Errorf("the upstream got %q", (*ups)[0].Received())
			}
			r.over(c.p)
		})
	}
}

// move brings the pair at i in front of the regular fields.
func move(fields []string, i int) {
	for ; i > 0 && !strings.HasPrefix(fields[i-2], ":"); i -= 2 {
		fields[i], fields[i+1], fields[i-2], fields[i-1] = fields[i-2], fields[i-1], fields[i], fields[i+1]
	}
}

// literal sends a head of which nothing is put into the table.
func (c *h2peer) literal(id uint32, end bool, fields ...string) *h2stream {
	c.encoded.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1], Sensitive: true})
	}
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	c.next = max(c.next, id+2)
	c.frame(http2.FrameHeaders, flags, id, c.encoded.String())
	return c.stream(id)
}

// Bodies that lie about their length: what the upstream has is never a whole request with another one behind it.
func TestH2DowngradeOfLyingBodies(t *testing.T) {
	for name, send := range map[string]func(c *h2peer) *h2stream{
		"longer": func(c *h2peer) *h2stream {
			s := c.post("content-length", "1")
			c.frame(http2.FrameData, 1, s.id, "xGET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
			return s
		},
		"longer in pieces": func(c *h2peer) *h2stream {
			s := c.post("content-length", "1")
			c.frame(http2.FrameData, 0, s.id, "x")
			c.frame(http2.FrameData, 1, s.id, "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
			return s
		},
		"h2.CL zero": func(c *h2peer) *h2stream {
			s := c.post("content-length", "0")
			c.frame(http2.FrameData, 1, s.id, "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
			return s
		},
		"shorter": func(c *h2peer) *h2stream {
			s := c.post("content-length", "100")
			c.frame(http2.FrameData, 1, s.id, "x")
			return s
		},
		"trailers that frame": func(c *h2peer) *h2stream {
			s := c.post()
			c.frame(http2.FrameData, 0, s.id, "x")
			c.literal(s.id, true, "content-length", "100")
			return s
		},
		"trailers with a line break": func(c *h2peer) *h2stream {
			s := c.post()
			c.frame(http2.FrameData, 0, s.id, "x")
			c.literal(s.id, true, "x", "y\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
			return s
		},
	} {
		for _, wait := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
				var ups []*looptest.Peer
				r.l.Listen(r.up, func(p *looptest.Peer) { ups = append(ups, p) })
				c := r.h2()
				if wait { // a connection is there, idle
					first := c.get()
					r.l.Run()
					ups[0].Take()
					ups[0].Send(ok)
					r.l.Run()
					first.has("ok END")
				}
				s := send(c)
				r.l.Run()
				if s.reset != "PROTOCOL_ERROR" {
					t.Errorf("the answer is %s", s)
				}
				for _, up := range ups {
					got := up.Received()
					if strings.Contains(got, "/admin") {
						t.Errorf("the upstream got %q", got)
					}
					if got != "" && !up.Closed() {
						t.Errorf("a connection with a part of a request, %q, is still open", got)
					}
				}
				after := c.get()
				r.l.Run()
				ups[len(ups)-1].Send(ok)
				r.l.Run()
				after.has("ok END")
				r.over(c.p)
			})
		}
	}
}

// What is fit for HTTP/1 though it looks odd goes through, as what it is.
func TestH2DowngradeOfOddRequests(t *testing.T) {
	for name, x := range map[string]struct {
		fields []string
		want   string
	}{
		"OPTIONS *":         {[]string{":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "a"}, "OPTIONS * HTTP/1.1\r\nHost: a\r\n"},
		"host only":         {[]string{":method", "GET", ":scheme", "http", ":path", "/", "host", "a:80"}, "GET / HTTP/1.1\r\nHost: a:80\r\n"},
		"host the same":     {[]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "host", "a"}, "GET / HTTP/1.1\r\nHost: a\r\n"},
		"two slashes":       {[]string{":method", "GET", ":scheme", "http", ":path", "//b/c", ":authority", "a"}, "GET //b/c HTTP/1.1\r\nHost: a\r\n"},
		"an unknown method": {[]string{":method", "BREW", ":scheme", "http", ":path", "/", ":authority", "a"}, "BREW / HTTP/1.1\r\nHost: a\r\n"},
		"IPv6":              {[]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "[::1]:80"}, "GET / HTTP/1.1\r\nHost: [::1]:80\r\n"},
	} {
		r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
		ups := r.upstream(answering(ok))
		c := r.h2()
		s := c.literal(1, true, x.fields...)
		r.l.Run()
		s.has("ok END")
		if got := (*ups)[0].Received(); !strings.HasPrefix(got, x.want) || strings.Count(got, "Host:") != 1 || strings.Contains(got, "host:") {
			t.Errorf("%s: the upstream got %q", name, got)
		}
		r.over(c.p)
	}
}
