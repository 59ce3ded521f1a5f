package e2e

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// received is a server that answers with the head of the request as it came.
func (w *world) received() string {
	return w.server(func(_ int, p *peer) {
		for {
			head, ok := p.request()
			if !ok {
				return
			}
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(head), head))
		}
	})
}

var requestID = regexp.MustCompile(`X-Request-Id: [0-9a-f]{32}\r\n`)

// TestForwardedFields: what upstreams are told about the client, and what a client may say about itself.
func TestForwardedFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.received()
	const (
		plain = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
		lies  = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n" +
			"X-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Request-Id: mine\r\n\r\n"
		all = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n" +
			"X-Forwarded-Host: a.example\r\nX-Request-Id: ID\r\nVia: 1.1 sluice\r\n\r\n"
	)
	for _, tt := range []struct{ name, forwarded, request, want string }{
		{"all by default", `{}`, plain, all},
		{"lies are replaced", `{}`, lies, all},
		{"a trusted network", `{"trusted_networks":["127.0.0.0/8"]}`, lies,
			strings.NewReplacer("6.6.6.6\r\nX-Forwarded-Proto", "6.6.6.6, 127.0.0.1\r\nX-Forwarded-Proto", "mine\r\n", "mine\r\nVia: 1.1 sluice\r\n").Replace(lies)},
		{"another network", `{"trusted_networks":["10.0.0.0/8"]}`, lies, all},
		{"a trusted network, nothing said", `{"trusted_networks":["127.0.0.1"]}`, plain, all},
		{"no via", `{"via":false}`, plain, strings.Replace(all, "Via: 1.1 sluice\r\n", "", 1)},
		{"another name", `{"via_name":"edge-7"}`, plain, strings.Replace(all, "sluice", "edge-7", 1)},
		{"no for", `{"x_forwarded_for":false}`, plain, strings.Replace(all, "X-Forwarded-For: 127.0.0.1\r\n", "", 1)},
		{"no proto", `{"x_forwarded_proto":false}`, plain, strings.Replace(all, "X-Forwarded-Proto: http\r\n", "", 1)},
		{"no host", `{"x_forwarded_host":false}`, plain, strings.Replace(all, "X-Forwarded-Host: a.example\r\n", "", 1)},
		{"no id", `{"x_request_id":false}`, plain, strings.Replace(all, "X-Request-Id: ID\r\n", "", 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.dial(w.proxy(sketch{hosts: []string{upstream}, proxy: `"forwarded":` + tt.forwarded}))
			c.send(tt.request)
			r, got := c.answer("GET")
			got = requestID.ReplaceAllString(got, "X-Request-Id: ID\r\n")
			if sorted(got) != sorted(tt.want) {
				t.Errorf("the upstream received\n%s\nwant\n%s", got, tt.want)
			}
			via := "1.1 sluice"
			switch tt.name {
			case "no via":
				via = ""
			case "another name":
				via = "1.1 edge-7"
			}
			if r.Header.Get("Via") != via {
				t.Errorf("the answer's Via is %q, want %q", r.Header.Get("Via"), via)
			}
		})
	}
}

// sorted is a head with its fields in order of their names, the request line first.
func sorted(head string) string {
	line, fields, _ := strings.Cut(head, "\r\n")
	r, err := http.ReadRequest(newReader(head))
	if err != nil {
		return head
	}
	var b strings.Builder
	_ = r.Header.Write(&b) // to memory
	if strings.Count(fields, "\r\n") != strings.Count(b.String(), "\r\n")+2 {
		b.WriteString("(a field that is not in the header)")
	}
	return line + "\n" + r.Host + "\n" + b.String()
}

// TestVia10 names the version in which a message was received.
func TestVia10(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(_ int, p *peer) {
		if head := p.head(); !strings.Contains(head, "\r\nVia: 1.0 sluice\r\n") {
			p.fail("received %q", head)
		}
		p.send("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}, proxy: `"forwarded":{}`}))
	c.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	if r, _ := c.answer("GET"); r.Header.Get("Via") != "1.0 sluice" {
		t.Errorf("Via: %s", r.Header.Get("Via"))
	}
}

// TestRequestIDs are different for every request.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := "http://" + w.proxy(sketch{loops: 2, hosts: []string{w.received()}, proxy: `"forwarded":{}`})
	seen := map[string]bool{}
	c := w.client()
	for range 100 {
		_, head := get(t, c, url)
		id := requestID.FindString(head)
		if id == "" || seen[id] {
			t.Fatalf("%q, seen before: %v", id, seen[id])
		}
		seen[id] = true
	}
}

// TestRoutes sends requests through the actions of a route, end to end.
func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addr := w.proxy(sketch{hosts: []string{w.received()}, rules: `
		{"match":{"path":"/direct"},"direct_response":{"status":418,"body":"teapot"}},
		{"match":{"prefix":"/moved"},"redirect":{"response_code":308,"path_redirect":"/there"}},
		{"match":{"prefix":"/api"},"route":{"cluster_name":"c","prefix_rewrite":"/v1","host_rewrite":"inner.example",
			"request_headers_to_add":[{"header":{"key":"X-Added","value":"%request_method% %request_path%"},"append":false}],
			"request_headers_to_remove":["X-Gone"],
			"response_headers_to_add":[{"header":{"key":"X-Back","value":"%response_code% of %upstream_cluster%"}}]}},
		{"match":{"prefix":"/","headers":[{"name":"x-kind","value":"^b+$","regex":true}]},"direct_response":{"status":200,"body":"by header"}},`,
		route: `"regex_rewrite":{"pattern":{"regex":"^/old/(.*)$"},"substitution":"/new/\\1"}`})
	c := w.dial(addr)
	ask := func(request string) (*http.Response, string) {
		c.send(request)
		return c.answer("GET")
	}
	if r, body := ask("GET /direct HTTP/1.1\r\nHost: a\r\n\r\n"); r.StatusCode != 418 || body != "teapot" {
		t.Errorf("%s %q", r.Status, body)
	}
	if r, _ := ask("GET /moved/x HTTP/1.1\r\nHost: a.example\r\n\r\n"); r.StatusCode != 308 || r.Header.Get("Location") != "http://a.example/there" {
		t.Errorf("%s %q", r.Status, r.Header.Get("Location"))
	}
	if r, body := ask("GET /api/x?q HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\n\r\n"); r.Header.Get("X-Back") != "200 of c" ||
		sorted(body) != sorted("GET /v1/x?q HTTP/1.1\r\nHost: inner.example\r\nX-Added: GET /v1/x\r\nX-Mosn-Original-Path: /api/x\r\n\r\n") {
		t.Errorf("%s %v %q", r.Status, r.Header, body)
	}
	if r, body := ask("GET /x HTTP/1.1\r\nHost: a\r\nX-Kind: bbb\r\n\r\n"); body != "by header" {
		t.Errorf("%s %q", r.Status, body)
	}
	if _, body := ask("GET /old/x/y HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(body, "GET /new/x/y HTTP/1.1\r\n") {
		t.Errorf("rewritten: %q", body)
	}
}

// TestDirectResponseToUpload: the body of a request that is answered here is dropped, or the connection ends; it is
// never taken for a request.
func TestDirectResponseToUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addr := w.proxy(sketch{rules: `{"match":{"prefix":"/direct"},"direct_response":{"status":200,"body":"here"}},`})
	for _, n := range []int{10, 1 << 20} {
		c := w.dial(addr)
		body := strings.Repeat("GET /no HTTP/1.1\r\nHost: a\r\n\r\n", n/28+1)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.WriteString(c.TCPConn, fmt.Sprintf("POST /direct HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"+
				"GET /direct HTTP/1.1\r\nHost: a\r\n\r\n", len(body), body)) // refused halfway when it is long
		}()
		r, text := c.answer("POST")
		if r.StatusCode != 200 || text != "here" || r.Close != (n > 10) {
			t.Errorf("%d bytes: %s %q, close %v", n, r.Status, text, r.Close)
		}
		if n > 10 {
			c.wantGone()
		} else if r, text := c.answer("GET"); r.StatusCode != 200 || text != "here" {
			t.Errorf("%s %q", r.Status, text)
		}
		c.Close()
		<-sent
	}
}
