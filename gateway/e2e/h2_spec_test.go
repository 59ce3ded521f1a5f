package e2e

import (
	"crypto/tls"
	"encoding/xml"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
)

// TestH2spec runs every case of h2spec, the strict one too, in front of upstreams of either protocol. Answers of the
// gateway itself come before the end of a request, so the cases that break a rule in a request's later frames are not for
// them: frames of a stream that was answered and reset are ignored (RFC 9113 section 5.4.2).
func TestH2spec(t *testing.T) {
	t.Parallel()
	interopTool(t, "h2spec")
	for _, tt := range []struct {
		name, path string
		cases      int
		parts      []string
	}{
		{"HTTP/1 upstream", "/one", 146, nil},
		{"HTTP/2 upstream", "/two", 146, nil},
		{"local answers", "/here", 117, []string{
			"generic", "hpack", "http2/3", "http2/4", "http2/5.1.1", "http2/5.1.2", "http2/5.4", "http2/5.5", "http2/6.1",
			"http2/6.2", "http2/6.3", "http2/6.4", "http2/6.5", "http2/6.7", "http2/6.8", "http2/6.9.2", "http2/6.10", "http2/7",
			"http2/8.1.2.2", "http2/8.1.2.3", "http2/8.2",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			upstream := w.h2Server(func(rw http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // a case that fails resets it
				_, _ = io.WriteString(rw, "hello") // as above
			})
			addr := w.proxy(sketch{speaks: "Http2", hosts: []string{upstream},
				rules: `{"match":{"prefix":"/here"},"direct_response":{"status":200,"body":"hello"}},
					{"match":{"prefix":"/two"},"route":{"cluster_name":"c","upstream_protocol":"Http2"}},`,
				route: `"upstream_protocol":"Http1"`,
			})
			h2spec(t, w, addr, tt.path, tt.cases, tt.parts)
		})
	}
}

// h2spec wants at least so many cases run, and all of them passed.
func h2spec(t *testing.T, w *world, addr, path string, cases int, parts []string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	report := w.tempFile("report.xml")
	args := append([]string{"--strict", "-h", host, "-p", port, "-P", path, "-o", "10", "-j", report}, parts...)
	out, runErr := exec.Command(interopTool(t, "h2spec"), args...).CombinedOutput()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v, %v\n%s", err, runErr, out)
	}
	var r struct {
		Suites []struct {
			Name  string `xml:"package,attr"`
			Cases []struct {
				Name    string  `xml:"classname,attr"`
				Failure *string `xml:"failure"`
				Error   *string `xml:"error"`
				Skipped *string `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &r); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	n := 0
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			n++
			for _, what := range []*string{c.Failure, c.Error, c.Skipped} {
				if what != nil {
					t.Errorf("%s %s: %s", s.Name, c.Name, *what)
				}
			}
		}
	}
	if n < cases || runErr != nil && !t.Failed() {
		t.Errorf("%d cases ran, want %d (%v)\n%.4000s", n, cases, runErr, out)
	}
	t.Logf("%d cases", n)
}

// h2Server is a server of net/http that speaks HTTP/1 and HTTP/2, without TLS.
func (w *world) h2Server(h http.HandlerFunc) string { return w.h2ServerTLS(h, nil) }

// h2ServerTLS is one with TLS, if cfg is not nil.
func (w *world) h2ServerTLS(h http.HandlerFunc, cfg *tls.Config) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	s := &http.Server{Handler: h, Protocols: unencrypted(true, true), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 250},
		TLSConfig: cfg, ErrorLog: log.New(io.Discard, "", 0)}
	serve := s.Serve
	if cfg != nil {
		s.Protocols.SetHTTP2(true)
		serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	ended := make(chan struct{})
	go func() {
		_ = serve(l) // ErrServerClosed
		close(ended)
	}()
	w.t.Cleanup(func() {
		_ = s.Close() // what it says about its connections is of no interest
		<-ended
	})
	return l.Addr().String()
}
