package e2e

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestSmuggling sends what two readers could understand differently through two gateways in a row. It is refused, the
// connection is closed, and nothing of it, nor what stands behind it, reaches the server.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var seen atomic.Int32
	server := w.handler(func(_ http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		if r.URL.Path != "/fine" {
			t.Errorf("the server received %s %s", r.Method, r.URL)
		}
	})
	inner := w.proxy(sketch{hosts: []string{server}})
	outer := w.proxy(sketch{hosts: []string{inner}})

	const evil = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
	post := func(fields string) string { return "POST /evil HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" }
	for name, request := range map[string]string{
		"CL.TE":                        post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
		"TE.CL":                        post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") + "0\r\n\r\n",
		"TE.TE":                        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + "0\r\n\r\n",
		"chunked twice":                post("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n",
		"chunked not last":             post("Transfer-Encoding: chunked, gzip\r\n") + "0\r\n\r\n",
		"TE with a comma":              post("Transfer-Encoding: ,chunked\r\n") + "0\r\n\r\n",
		"TE with a tab":                post("Transfer-Encoding: chunked\x0b\r\n") + "0\r\n\r\n",
		"space before the colon":       post("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n",
		"folded TE":                    post("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n",
		"folded field":                 post("X-A: b\r\n c: d\r\nContent-Length: 0\r\n"),
		"folded first field":           "GET /evil HTTP/1.1\r\n X-A: b\r\nHost: a\r\n\r\n",
		"two lengths":                  post("Content-Length: 0\r\nContent-Length: 40\r\n"),
		"a list of lengths":            post("Content-Length: 0, 0\r\n"),
		"a signed length":              post("Content-Length: +5\r\n") + "hello",
		"a hexadecimal length":         post("Content-Length: 0x5\r\n") + "hello",
		"a length too large":           post("Content-Length: 99999999999999999999\r\n"),
		"an empty length":              post("Content-Length: \r\n"),
		"a length named by Connection": post("Connection: content-length\r\nContent-Length: 5\r\n") + "hello",
		"TE named by Connection":       post("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
		"TE in HTTP/1.0":               "POST /evil HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"bare LF":                      "GET /evil HTTP/1.1\nHost: a\n\n",
		"bare LF in a field":           "GET /evil HTTP/1.1\r\nHost: a\r\nX: y\nZ: w\r\n\r\n",
		"bare CR":                      "GET /evil HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n",
		"NUL":                          "GET /evil HTTP/1.1\r\nHost: a\r\nX: y\x00\r\n\r\n",
		"two hosts":                    "GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"no host":                      "GET /evil HTTP/1.1\r\n\r\n",
		"another host in the target":   "GET http://b/evil HTTP/1.1\r\nHost: a\r\n\r\n",
		"userinfo in the host":         "GET /evil HTTP/1.1\r\nHost: a@b\r\n\r\n",
		"a space in the target":        "GET /evil x HTTP/1.1\r\nHost: a\r\n\r\n",
		"an unknown version":           "GET /evil HTTP/3.1\r\nHost: a\r\n\r\n",
		"HTTP/0.9":                     "GET /evil\r\n\r\n",
		"no name":                      "GET /evil HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
		"no colon":                     "GET /evil HTTP/1.1\r\nHost: a\r\nx\r\n\r\n",
		"h2 preface":                   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := w.dial(outer)
			c.t = t
			c.send(request + evil)
			r, body := c.answer("GET")
			if r.StatusCode != 400 && r.StatusCode != 501 || !r.Close {
				t.Errorf("%s, close %v, want 400 and the end", r.Status, r.Close)
			}
			if reason, _, _ := strings.Cut(body, ": "); reason != "protocol_error" && reason != "not_implemented" {
				t.Errorf("the reason is %q", body)
			}
			c.wantEnd()
		})
	}
	if seen.Load() > 0 {
		t.Errorf("%d requests reached the server", seen.Load())
	}

	// These are refused only when their body is looked at: the head has gone on, but no request was ever complete, and
	// nothing behind it became one.
	for name, chunks := range map[string]string{
		"a chunk size with a sign":    "+5\r\nhello\r\n0\r\n\r\n",
		"a chunk size with a prefix":  "0x5\r\nhello\r\n0\r\n\r\n",
		"a chunk size with a space":   "5 \r\nhello\r\n0\r\n\r\n",
		"a chunk size too large":      "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
		"bare LF behind a chunk size": "5\nhello\r\n0\r\n\r\n",
		"no CRLF behind a chunk":      "5\r\nhelloX\r\n0\r\n\r\n",
		"LF in an extension":          "5;a\nb\r\nhello\r\n0\r\n\r\n",
		"a length in the trailers":    "5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
		"a host in the trailers":      "5\r\nhello\r\n0\r\nHost: b\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var complete atomic.Int32
			server := w.server(func(_ int, p *peer) {
				for {
					r, err := http.ReadRequest(p.r)
					if err != nil {
						return
					}
					if _, err := io.ReadAll(r.Body); err != nil {
						return
					}
					complete.Add(1)
					t.Errorf("the server received a complete %s %s", r.Method, r.URL)
				}
			})
			c := w.dial(w.proxy(sketch{hosts: []string{w.proxy(sketch{hosts: []string{server}})}}))
			c.send(post("Transfer-Encoding: chunked\r\n") + chunks + evil)
			r, body := c.answer("POST")
			if r.StatusCode != 400 || !r.Close || !strings.HasPrefix(body, "protocol_error: ") {
				t.Errorf("%s %q, close %v, want 400 and the end", r.Status, body, r.Close)
			}
			c.wantEnd()
			if complete.Load() > 0 {
				t.Error("a request was complete")
			}
		})
	}

	if status, _ := get(t, w.client(), "http://"+outer+"/fine"); status != 200 || seen.Load() != 1 {
		t.Errorf("afterwards: %d, %d requests at the server", status, seen.Load())
	}
}

// TestSmugglingAnswers: an upstream whose answers can be understood in two ways is not trusted.
func TestSmugglingAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"both framings":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"a signed length":     "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
		"folded":              "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 5\r\n\r\nhello",
		"bare CR":             "HTTP/1.1 200 OK\r\nX: y\rz\r\nContent-Length: 5\r\n\r\nhello",
		"garbage":             "hello\r\n\r\n",
		"a status of two":     "HTTP/1.1 20 OK\r\n\r\n",
		"unasked upgrade":     "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		"a head without end":  "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Filler: "+strings.Repeat("y", 1000)+"\r\n", 100),
		"too many fields":     "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000) + "\r\n",
		"interim without end": strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			addr := w.proxy(sketch{hosts: []string{w.server(func(_ int, p *peer) {
				p.head()
				_, _ = p.Write([]byte(answer)) // it may be refused halfway
				p.wantGone()
			})}})
			c := w.dial(addr)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			r, body := c.answer("GET")
			for r.StatusCode == 103 {
				r, body = c.answer("GET")
			}
			if r.StatusCode != 502 || !strings.HasPrefix(body, "upstream_protocol_error: ") && !strings.HasPrefix(body, "upstream_head_too_large: ") {
				t.Errorf("%s %q, want 502 and the upstream's fault", r.Status, body)
			}
		})
	}
}
