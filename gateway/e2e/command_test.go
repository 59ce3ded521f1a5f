package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestCommand is what needs a process: the built command.
func TestCommand(t *testing.T) {
	t.Parallel()
	bin := command(t)
	for name, test := range map[string]func(t *testing.T, w *world, bin string){
		"two hops in two processes": twoProcesses,
		"slow reader":               slowReader,
		"slow upstream":             slowUpstream,
		"SIGTERM under load":        drainUnderLoad,
		"SIGTERM with streams":      drainStreams,
		"SIGUSR1 reopens logs":      reopenLogs,
		"second instance":           secondInstance,
	} {
		t.Run(name, func(t *testing.T) { test(t, newWorld(t), bin) })
	}
}

func twoProcesses(t *testing.T, w *world, bin string) {
	server := w.command(bin, sketch{hosts: []string{w.received()}, proxy: `"forwarded":{"trusted_networks":["127.0.0.1"]}`}.String())
	client := w.command(bin, sketch{hosts: []string{server.addr("l")}, proxy: `"forwarded":{}`}.String())
	status, head := get(t, w.client(), "http://"+client.addr("l")+"/x")
	if status != 200 || !strings.HasPrefix(head, "GET /x HTTP/1.1\r\n") || strings.Count(head, "Via: 1.1 sluice\r\n") != 2 ||
		!strings.Contains(head, "X-Forwarded-For: 127.0.0.1, 127.0.0.1\r\n") {
		t.Errorf("%d, the server received\n%s", status, head)
	}
}

// growth is how much memory one stalled exchange may cost.
const growth = 8 << 20

// bystander makes requests until stop is closed: they are all answered, and the process does not grow meanwhile.
func (p *process) bystander(addr string, stop <-chan struct{}) {
	t := p.w.t
	t.Helper()
	c := p.w.client()
	before := 0
	for n := 0; ; n++ {
		if status, body := get(t, c, "http://"+addr+"/small"); status != 200 || body != "small" {
			t.Fatalf("another client got %d %q", status, body)
		}
		if grown := p.resident() - before; before > 0 && grown > growth {
			t.Fatalf("the process grew by %d KiB", grown>>10)
		}
		if n == 0 {
			before = p.resident()
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

const stallProgress = `,"timeouts":{"progress":"1s"}`

// huge is what the peers try to send, and kernel what the buffers of two sockets may take of it.
const (
	huge   = 2 << 30
	kernel = 64 << 20
)

// slowReader: a client reads the head of a 2 GiB answer and no more.
func slowReader(t *testing.T, w *world, bin string) {
	var sent atomic.Int64
	stopped := make(chan struct{})
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			fmt.Fprint(rw, "small")
			return
		}
		defer close(stopped)
		rw.Header().Set("Content-Length", strconv.Itoa(huge))
		for piece := make([]byte, 1<<16); sent.Load() < huge; {
			n, err := rw.Write(piece)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	access := w.tempFile("access.log")
	p := w.command(bin, sketch{hosts: []string{upstream}, proxy: quiet + stallProgress,
		rules:    `{"match":{"path":"/small"},"route":{"cluster_name":"c"}},`,
		listener: fmt.Sprintf(`"access_logs":[{"log_path":%q,"log_format":"%%request_path%% %%response_flag%%"}]`, access)}.String())
	addr := p.addr("l")
	warm := make(chan struct{})
	close(warm)
	for range 100 {
		p.bystander(addr, warm)
	}
	c := w.dial(addr)
	c.send("GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
	c.head()
	p.bystander(addr, stopped) // the upstream's send blocks until the progress limit closes the connection
	if n := sent.Load(); n > kernel {
		t.Errorf("the upstream sent %d MiB to a client that does not read", n>>20)
	}
	w.until("the access log's line", func() bool {
		b, _ := os.ReadFile(access) // it may not exist yet
		return strings.Contains(string(b), "/huge slow_reader\n")
	})
	if _, err := io.Copy(io.Discard, c.r); err == nil {
		t.Error("the client saw a clean end of an answer that was cut")
	}
}

// slowUpstream: an upstream takes the head of a 2 GiB upload and no more.
func slowUpstream(t *testing.T, w *world, bin string) {
	release := make(chan struct{})
	upstream := w.server(func(_ int, p *peer) {
		for {
			head, ok := p.request()
			switch {
			case !ok:
				return
			case strings.HasPrefix(head, "GET /small "):
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall")
			default:
				<-release
				return
			}
		}
	})
	p := w.command(bin, sketch{hosts: []string{upstream}, proxy: quiet + stallProgress}.String())
	addr := p.addr("l")
	warm := make(chan struct{})
	close(warm)
	for range 100 {
		p.bystander(addr, warm)
	}
	c := w.dial(addr)
	var sent atomic.Int64
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_, err := fmt.Fprintf(c, "PUT /huge HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", huge)
		for piece := make([]byte, 1<<16); err == nil && sent.Load() < huge; {
			var n int
			n, err = c.Write(piece)
			sent.Add(int64(n))
		}
	}()
	p.bystander(addr, stopped)
	close(release)
	if n := sent.Load(); n > kernel {
		t.Errorf("%d MiB were taken for an upstream that does not read", n>>20)
	}
	if r, body := c.answer("PUT"); r.StatusCode != 504 || !strings.HasPrefix(body, "stream_idle: ") {
		t.Errorf("%s %q, want 504 and the reason", r.Status, body)
	}
}

// drainUnderLoad: 50 clients that honour Connection: close. Whatever they send on a connection is answered.
func drainUnderLoad(t *testing.T, w *world, bin string) {
	const clients = 50
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "small") })
	p := w.command(bin, sketch{loops: 2, hosts: []string{upstream}}.String())
	addr := p.addr("l")
	var answered atomic.Int64
	var all sync.WaitGroup
	for range clients {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		k := newPeer(t, c)
		all.Go(func() {
			defer c.Close()
			for n := 0; ; n++ {
				if _, err := io.WriteString(k, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
					t.Errorf("request %d was not taken: %v", n, err)
					return
				}
				r, err := http.ReadResponse(k.r, nil)
				if err != nil {
					t.Errorf("request %d was not answered: %v", n, err)
					return
				}
				b, err := io.ReadAll(r.Body)
				r.Body.Close()
				if err != nil || r.StatusCode != 200 || string(b) != "small" {
					t.Errorf("%s %q (%v)", r.Status, b, err)
					return
				}
				answered.Add(1)
				if r.Close {
					return
				}
			}
		})
	}
	w.until("load", func() bool { return answered.Load() > 20*clients })
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	all.Wait() // every client was told to go
	if code := p.code(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if c, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting afterwards: %v, %v", c, err)
	}
}

// reopenLogs rotates an access log as logrotate does.
func reopenLogs(t *testing.T, w *world, bin string) {
	access := w.tempFile("access.log")
	upstream := w.handler(func(http.ResponseWriter, *http.Request) {})
	p := w.command(bin, sketch{hosts: []string{upstream},
		listener: fmt.Sprintf(`"access_logs":[{"log_path":%q,"log_format":"%%request_path%%"}]`, access)}.String())
	url := "http://" + p.addr("l")
	c := w.client()
	get(t, c, url+"/1")
	w.lines(access, 1)
	if err := os.Rename(access, access+".1"); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	w.until("the new file", func() bool { _, err := os.Stat(access); return err == nil })
	get(t, c, url+"/2")
	for file, want := range map[string]string{access + ".1": "/1", access: "/2"} {
		if got := w.lines(file, 1); got[0] != want {
			t.Errorf("%s holds %q, want %q", filepath.Base(file), got, want)
		}
	}
}

// secondInstance: listening sockets that share their port among loops do not share it among processes.
func secondInstance(t *testing.T, w *world, bin string) {
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "first") })
	first := w.command(bin, sketch{loops: 2, hosts: []string{upstream}}.String())
	addr := first.addr("l")
	second := w.command(bin, sketch{loops: 2, address: addr, hosts: []string{upstream}}.String())
	if code := second.code(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, want := range []string{addr, `"l"`, "in use"} {
		if !strings.Contains(second.out.String(), want) {
			t.Errorf("%q is missing from\n%s", want, &second.out)
		}
	}
	for range 10 {
		if status, body := get(t, w.client(), "http://"+addr); status != 200 || body != "first" {
			t.Errorf("the first one: %d %q", status, body)
		}
	}
}
