package admin

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves f on loopback and returns the address.
func (f *fixture) serve(t *testing.T) string {
	t.Helper()
	l, err := Listen("admin", netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f.Serve(l) }()
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error("Serve:", err)
		}
	})
	return l.Addr().String()
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOverAConnection(t *testing.T) {
	f := setup(t)
	addr := f.serve(t)
	if code, body := readAll(t, request(t, "GET", "http://"+addr+"/healthz", "")); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %q", code, body)
	}
	r := request(t, "GET", "http://"+addr+"/api/v1/config_dump", "")
	r.Host = "rebound.example"
	if code, body := readAll(t, r); code != 403 || !strings.Contains(body, "rebound.example") {
		t.Errorf("a name that is not loopback's: %d %q, want 403", code, body)
	}
}

// firstLine sends raw bytes and returns the first line of the answer.
func firstLine(t *testing.T, addr, send string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestAHeadOverTheLimit(t *testing.T) {
	addr := setup(t).serve(t)
	// net/http allows 4 KiB more than it is told.
	line := firstLine(t, addr, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", maxHead+4096))
	if !strings.HasPrefix(line, "HTTP/1.1 431 ") {
		t.Errorf("got %q, want 431", line)
	}
}

func TestHTTP2IsNotSpoken(t *testing.T) {
	line := firstLine(t, setup(t).serve(t), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if !strings.HasPrefix(line, "HTTP/1.1 4") && !strings.HasPrefix(line, "HTTP/1.1 505") {
		t.Errorf("the answer to HTTP/2's preface: %q", line)
	}
}

// A profile may take longer than a request may take to arrive.
func TestAProfileTakesTheTimeItAsksFor(t *testing.T) {
	f := setup(t)
	f.http.ReadTimeout = 20 * time.Millisecond
	addr := f.serve(t)
	begin := time.Now()
	code, body := readAll(t, request(t, "GET", "http://"+addr+"/debug/pprof/trace?seconds=0.3", ""))
	if took := time.Since(begin); code != 200 || body == "" || took < 300*time.Millisecond {
		t.Errorf("a trace of 0.3 s: %d, %d bytes, after %v", code, len(body), took)
	}
}

func TestATakenAddressIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr := netip.MustParseAddrPort(l.Addr().String())
	if _, err := Listen("admin", addr); err == nil || strings.Count(err.Error(), addr.String()) != 1 || !strings.Contains(err.Error(), "choose another") ||
		!strings.Contains(err.Error(), "admin") {
		t.Errorf("Listen on a taken address: %v", err)
	}
}
