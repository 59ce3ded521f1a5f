package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// curlFlags make curl speak what the gateway speaks, and trust it.
func (c *combination) curlFlags() []string {
	switch {
	case c.ca != nil && c.speaks("Http2"):
		return []string{"--http2", "--cacert", c.caFile}
	case c.ca != nil:
		return []string{"--http1.1", "--cacert", c.caFile}
	case c.speaks("Http2"):
		return []string{"--http2-prior-knowledge"}
	}
	return []string{"--http1.1"}
}

// TestCurlClient is the common set for curl. Every request has a process, and so a connection, of its own: some versions
// of curl can't use a connection of prior knowledge twice.
func TestCurlClient(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	combinations(t, func(t *testing.T, c *combination) {
		flags, file := c.curlFlags(), c.largeFile()
		proto := map[string]string{"Http1": "1.1", "Http2": "2"}[c.down]
		for _, tt := range []struct {
			name string
			args []string
			want string
		}{
			{"small", []string{"-w", "|%{http_version}", c.url + "/small"}, "GET /small|" + proto},
			{"upload", []string{"--data-binary", "@" + file, c.url + "/sum"}, fmt.Sprintf("%d %s", large, c.sum)},
			{"upload of unknown length", []string{"-T", "-", c.url + "/sum", "-X", "POST"}, fmt.Sprintf("%d %s", large, c.sum)},
			{"early hints", []string{c.url + "/early"}, "late"},
		} {
			cmd := exec.Command(tool(t, "curl"), slices.Concat([]string{"-sS", "--noproxy", "*", "--max-time", "60"}, flags, tt.args)...)
			if tt.name == "upload of unknown length" {
				cmd.Stdin = strings.NewReader(string(c.large))
			}
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != tt.want {
				t.Errorf("%s: %q (%v), want %q", tt.name, out, err, tt.want)
			}
		}
		head := curl(t, append(flags, "-I", c.url+"/large")...)
		if !strings.Contains(strings.ToLower(head), fmt.Sprintf("\ncontent-length: %d\r\n", large)) {
			t.Errorf("HEAD: %q", head)
		}
		hints := curl(t, append(flags, "-i", c.url+"/early")...)
		if !strings.HasPrefix(hints, "HTTP/"+proto+" 103") || !strings.Contains(hints, "</style.css>; rel=preload") {
			t.Errorf("the hints are missing from %q", hints)
		}
		body := curl(t, append(flags, c.url+"/large")...)
		if sum, err := checksum(strings.NewReader(body)); err != nil || sum != c.sum {
			t.Errorf("download: %d bytes, sum %s, want %s", len(body), sum, c.sum)
		}
		c.curlStreams(t, append([]string{"-sSN", "--noproxy", "*"}, flags...))
		settle(c.w, c.running)
	})
}

// curlStreams reads events one by one, and goes away amidst an answer.
func (c *combination) curlStreams(t *testing.T, flags []string) {
	t.Helper()
	out := c.piped(t, "curl", append(flags, c.url+"/events")...)
	for i := range events {
		if line, err := out.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("event %d is %q (%v)", i, line, err)
		}
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		c.seen <- struct{}{}
	}
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%q (%v) behind the last event", rest, err)
	}
	c.cutTool(t, "curl", append(flags, c.url+"/hang")...)
}

// piped starts a tool, of which the output is read while it comes.
func (c *combination) piped(t *testing.T, name string, args ...string) *bufio.Reader {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.w.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // as above
	})
	return bufio.NewReader(out)
}

// cutTool kills a tool amidst the answer that its arguments ask for.
func (c *combination) cutTool(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.cut(func() {
		_ = cmd.Process.Kill() // cut sees whether it has worked
		_ = cmd.Wait()         // as above
	})
}

// TestNghttp is the common set for nghttp.
func TestNghttp(t *testing.T) {
	t.Parallel()
	tool(t, "nghttp")
	combinations(t, func(t *testing.T, c *combination) {
		if c.speaks("Http1") {
			t.Skip("nghttp speaks HTTP/2 only")
		}
		run := func(args ...string) string {
			t.Helper()
			out, err := exec.Command(tool(t, "nghttp"), append([]string{"-y"}, args...)...).CombinedOutput() // it trusts the system's CAs only
			if err != nil {
				t.Fatalf("nghttp %v: %v\n%.2000s", args, err, out)
			}
			return string(out)
		}
		if sum, err := checksum(strings.NewReader(run(c.url + "/large"))); err != nil || sum != c.sum {
			t.Errorf("download: sum %s, want %s", sum, c.sum)
		}
		// Windows of 1 KiB, so that each of them is used up and opened many times.
		if sum, err := checksum(strings.NewReader(run("-w", "10", "-W", "10", c.url+"/large"))); err != nil || sum != c.sum {
			t.Errorf("download through small windows: sum %s, want %s", sum, c.sum)
		}
		file := c.largeFile()
		if got := run("-d", file, "-H", ":method: POST", "--trailer", "x-sum: "+c.sum, c.url+"/sum"); got != fmt.Sprintf("%d %s", large, c.sum) {
			t.Errorf("upload: %q", got)
		}
		// A trailer that a head announces reaches an HTTP/1 upstream, too.
		out := run("-v", "--no-content-length", "-d", file, "-H", ":method: POST", "--trailer", "x-sum: "+c.sum, "-H", "trailer: x-sum", c.url+"/sum")
		for _, want := range []string{"x-sum: " + c.sum, "x-got: " + c.sum} {
			if !regexp.MustCompile(`recv \(stream_id=\d+\) ` + want).MatchString(out) {
				t.Errorf("the trailer %s is missing from\n%s", want, out[max(0, len(out)-3000):])
			}
		}
		if out := run("-nv", c.url+"/early"); !strings.Contains(out, ":status: 103") || !strings.Contains(out, ":status: 200") {
			t.Errorf("early hints: %s", out)
		}
		if out := run("-nv", "-H", ":method: HEAD", c.url+"/large"); !strings.Contains(out, fmt.Sprintf("content-length: %d", large)) {
			t.Errorf("HEAD: %s", out)
		}
		if out := run("-ns", "-m", "100", c.url+"/small?many"); strings.Count(out, " 200 ") != 100 {
			t.Errorf("100 streams: %s", out)
		}
		c.cutTool(t, "nghttp", "-ny", c.url+"/hang")
		settle(c.w, c.running)
	})
}

var h2loadDone = regexp.MustCompile(`requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded`)

// TestH2load is 1000 streams at once on a connection, and bodies in both directions.
func TestH2load(t *testing.T) {
	t.Parallel()
	tool(t, "h2load")
	combinations(t, func(t *testing.T, c *combination) {
		protocol, streams := []string{"--h1"}, []string{"-c", "100", "-m", "1"}
		if c.speaks("Http2") {
			protocol, streams = nil, []string{"-c", "1", "-m", "1000"}
		}
		run := func(n int, args ...string) {
			t.Helper()
			args = append(append(args, protocol...), "-n", fmt.Sprint(n))
			out, err := exec.Command(tool(t, "h2load"), args...).CombinedOutput()
			m := h2loadDone.FindStringSubmatch(string(out))
			if err != nil || m == nil || m[2] != fmt.Sprint(n) || !strings.Contains(string(out), fmt.Sprintf("status codes: %d 2xx", n)) {
				t.Errorf("h2load %v: %v\n%s", args, err, out)
			}
		}
		run(3000, append(streams, c.url+"/small")...)
		run(loads, "-c", "2", "-m", "5", "-d", c.largeFile(), c.url+"/sum")
		run(loads, "-c", "2", "-m", "5", c.url+"/large")
		settle(c.w, c.running)
	})
}

// TestNode is the common set for Node.js's own clients and undici.
func TestNode(t *testing.T) {
	t.Parallel()
	combinations(t, func(t *testing.T, c *combination) {
		clients := map[string][]string{"Http1": {"http", "undici"}, "Http2": {"http2", "undici-h2"}}[c.down]
		for _, name := range clients {
			t.Run(name, func(t *testing.T) {
				c.cancelled.Store(0)
				node(t, c.caFile, "client.mjs", name, c.url, strconv.Itoa(large))
				settle(c.w, c.running)
			})
		}
	})
}
