package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// goClient is a client of net/http that speaks what the gateway speaks.
func (c *combination) goClient() *http.Client {
	tr := &http.Transport{Protocols: unencrypted(c.down == "Http1", c.down == "Http2"), MaxIdleConnsPerHost: 100,
		MaxConnsPerHost: 200, DisableCompression: true}
	if c.ca != nil {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetHTTP1(c.down == "Http1")
		tr.Protocols.SetHTTP2(c.down == "Http2")
		tr.TLSClientConfig = &tls.Config{RootCAs: c.ca.pool}
	}
	c.w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// TestGoClient is the common set for net/http.
func TestGoClient(t *testing.T) {
	t.Parallel()
	combinations(t, func(t *testing.T, c *combination) {
		client := c.goClient()
		for _, part := range []struct {
			name string
			test func(*testing.T, *combination, *http.Client)
		}{
			{"upload", goUpload}, {"download", goDownload}, {"echo", goEcho}, {"early hints", goEarly}, {"HEAD", goHead},
			{"events", goEvents}, {"cancellation", goCancel}, {"cut upload", goCutUpload}, {"1000 streams", goStreams},
		} {
			t.Run(part.name, func(t *testing.T) {
				part.test(t, c, client)
				c.settled()
			})
		}
	})
}

func (c *combination) do(t *testing.T, client *http.Client, r *http.Request) *http.Response {
	t.Helper()
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	want := "HTTP/1.1"
	if c.speaks("Http2") {
		want = "HTTP/2.0"
	}
	if res.StatusCode != 200 || res.Proto != want {
		t.Errorf("%s %s, want 200 in %s", res.Proto, res.Status, want)
	}
	return res
}

func (c *combination) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func goUpload(t *testing.T, c *combination, client *http.Client) {
	for _, length := range []int64{-1, large} {
		body, trailer := counted(c.large, c.sum)
		r := c.request(t, "POST", "/sum", body)
		r.ContentLength = length
		if length < 0 {
			r.Trailer = trailer // HTTP/1 has no trailers beside a length
		}
		res := c.do(t, client, r)
		b, err := io.ReadAll(res.Body)
		if want := fmt.Sprintf("%d %s", large, c.sum); err != nil || string(b) != want {
			t.Errorf("length %d: received %q (%v), want %q", length, b, err, want)
		}
		if res.Trailer.Get("X-Sum") != c.sum || length < 0 && res.Trailer.Get("X-Got") != c.sum {
			t.Errorf("length %d: the trailers are %v, want %s", length, res.Trailer, c.sum)
		}
	}
}

func goDownload(t *testing.T, c *combination, client *http.Client) {
	res := c.do(t, client, c.request(t, "GET", "/large", nil))
	if sum, err := checksum(res.Body); err != nil || sum != c.sum || res.Trailer.Get("X-Sum") != c.sum {
		t.Errorf("sum %s, trailers %v (%v), want %s", sum, res.Trailer, err, c.sum)
	}
}

// goEcho reads while it writes. net/http's HTTP/1 client does so, too.
func goEcho(t *testing.T, c *combination, client *http.Client) {
	res := c.do(t, client, c.request(t, "POST", "/echo", io.MultiReader(bytes.NewReader(c.large))))
	if sum, err := checksum(res.Body); err != nil || sum != c.sum {
		t.Errorf("sum %s (%v), want %s", sum, err, c.sum)
	}
}

func goEarly(t *testing.T, c *combination, client *http.Client) {
	var hints []string
	r := c.request(t, "GET", "/early", nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		},
	}))
	res := c.do(t, client, r)
	b, err := io.ReadAll(res.Body)
	if err != nil || string(b) != "late" || strings.Join(hints, ",") != "103 </style.css>; rel=preload" {
		t.Errorf("%q (%v) behind %q", b, err, hints)
	}
}

func goHead(t *testing.T, c *combination, client *http.Client) {
	for range 3 { // what follows shows that nobody waits for a body
		res := c.do(t, client, c.request(t, "HEAD", "/large", nil))
		if b, err := io.ReadAll(res.Body); err != nil || len(b) > 0 || res.ContentLength != large {
			t.Errorf("a body of %d bytes (%v), the length %d, want 0 and %d", len(b), err, res.ContentLength, large)
		}
	}
}

func goEvents(t *testing.T, c *combination, client *http.Client) {
	res := c.do(t, client, c.request(t, "GET", "/events", nil))
	for i := range events {
		want := fmt.Sprintf("data: %d\n\n", i)
		b := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != want {
			t.Fatalf("event %d is %q (%v)", i, b, err)
		}
		c.seen <- struct{}{}
	}
	if b, err := io.ReadAll(res.Body); err != nil || len(b) > 0 {
		t.Errorf("%q (%v) behind the last event", b, err)
	}
}

func goCancel(t *testing.T, c *combination, client *http.Client) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res := c.do(t, client, c.request(t, "GET", "/hang", nil).WithContext(ctx))
	b := make([]byte, len("begun\n"))
	if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "begun\n" {
		t.Fatalf("%q, %v", b, err)
	}
	c.cut(cancel)
}

func goCutUpload(t *testing.T, c *combination, client *http.Client) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		res, err := client.Do(c.request(t, "POST", "/hangup", r).WithContext(ctx))
		if err == nil {
			res.Body.Close()
		}
		ended <- err
	}()
	go func() { _, _ = w.Write(make([]byte, 100<<10)) }() // until it is cut
	c.cut(cancel)
	r.Close() // over HTTP/1 the client waits for its body's reader
	if err := <-ended; err == nil {
		t.Error("the request that was cut got an answer")
	}
}

// goStreams has 1000 requests in progress at once, and then some.
func goStreams(t *testing.T, c *combination, client *http.Client) {
	var all sync.WaitGroup
	n := 1000
	if c.speaks("Http1") {
		n = 200 // connections
	}
	errs := make(chan error, n)
	for range n {
		all.Go(func() {
			res, err := client.Do(c.request(t, "GET", "/wait", nil))
			if err != nil {
				errs <- err
				return
			}
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); err != nil || string(b) != "released" || res.StatusCode != 200 {
				errs <- fmt.Errorf("%s %q: %w", res.Status, b, err)
			}
		})
	}
	c.w.until("all requests are at the upstream", func() bool {
		select {
		case err := <-errs:
			t.Fatal(err)
		default:
		}
		return int(c.waiting.Load()) == n
	})
	close(c.release)
	all.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	for range 10 {
		for i := range 100 {
			all.Go(func() {
				path := fmt.Sprint("/small?", i)
				res := c.do(t, client, c.request(t, "GET", path, nil))
				if b, err := io.ReadAll(res.Body); err != nil || string(b) != "GET "+path {
					t.Errorf("%q (%v)", b, err)
				}
			})
		}
		all.Wait()
	}
}
