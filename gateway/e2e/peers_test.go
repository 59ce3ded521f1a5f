package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCurl is a client that nobody here has written.
func TestCurl(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tool(t, "curl")
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		rw.Header().Set("Trailer", "X-End")
		fmt.Fprintf(rw, "%s %s %s %d %v", r.Proto, r.Method, r.URL, len(b), err)
		rw.(http.Flusher).Flush()
		rw.Header().Set("X-End", "here")
	})
	url := "http://" + w.proxy(sketch{hosts: []string{upstream}})
	file := w.tempFile("upload")
	if err := os.WriteFile(file, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{url + "/a?b"}, "HTTP/1.1 GET /a?b 0 <nil>"},
		{[]string{"--http1.0", url + "/old"}, "HTTP/1.1 GET /old 0 <nil>"},
		{[]string{"-d", "hello", url}, "HTTP/1.1 POST / 5 <nil>"},
		{[]string{"-T", file, url + "/up"}, "HTTP/1.1 PUT /up 3145728 <nil>"},
		{[]string{"-T", file, "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", url + "/up"}, "HTTP/1.1 PUT /up 3145728 <nil>"},
		{[]string{"-T", file, "-H", "Expect: 100-continue", url + "/up", url + "/up2"}, "HTTP/1.1 PUT /up 3145728 <nil>HTTP/1.1 GET /up2 0 <nil>"},
		{[]string{"-o", "-", url + "/1", "-o", "-", url + "/2"}, "HTTP/1.1 GET /1 0 <nil>HTTP/1.1 GET /2 0 <nil>"},
	} {
		if got := curl(t, tt.args...); got != tt.want {
			t.Errorf("curl %v: %q, want %q", tt.args, got, tt.want)
		}
	}
	if got := curl(t, "-I", url); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("curl -I: %q", got)
	}
	if got := curl(t, "--raw", url); !strings.HasSuffix(got, "\r\n0\r\nX-End: here\r\n\r\n") {
		t.Errorf("the trailer is missing from %q", got)
	}
}

// TestNginx is a server that nobody here has written.
func TestNginx(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bin := tool(t, "nginx")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), []byte(strings.Repeat("0123456789abcdef", 1<<16)), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := w.refusing()
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events { worker_connections 64; }
http { access_log off; keepalive_requests 3; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
 uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s; client_max_body_size 1k;
 server { listen %[2]s; root %[1]s; location = /hello { return 200 "hello $request_method"; } location = /limit { proxy_pass http://127.0.0.1:9; }} }`, dir, addr)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &output{}
	cmd := exec.Command(bin, "-p", dir, "-c", filepath.Join(dir, "conf"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has not ended by itself
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx printed:\n%s", log)
		}
	})
	w.until("nginx listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	url := "http://" + w.proxy(sketch{hosts: []string{addr}})
	c := w.client()
	for range 10 { // nginx closes its connection behind every third request
		if status, body := get(t, c, url+"/hello"); status != 200 || body != "hello GET" {
			t.Errorf("%d %q", status, body)
		}
	}
	if status, body := get(t, c, url+"/large"); status != 200 || len(body) != 1<<20 || strings.Trim(body, "0123456789abcdef") != "" {
		t.Errorf("%d, %d bytes", status, len(body))
	}
	if r, err := c.Head(url + "/large"); err != nil || r.ContentLength != 1<<20 {
		t.Errorf("%+v (%v)", r, err)
	}
	if r, err := c.Post(url+"/limit", "", strings.NewReader(strings.Repeat("x", 100<<10))); err != nil || r.StatusCode != 413 {
		t.Errorf("an upload above nginx's limit: %+v (%v)", r, err)
	} else {
		r.Body.Close()
	}
	get(t, c, url+"/hello")
}
