package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asCommand makes this test binary behave as the command itself: the tests below start it as a process.
const asCommand = "SLUICE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main() // does not return
	}
	os.Exit(m.Run())
}

// A process is a running `sluice`.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu     sync.Mutex
	output bytes.Buffer
	wrote  *sync.Cond
}

// Write collects what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrote.Broadcast()
	return p.output.Write(b)
}

// launch starts a process; it is killed when the test ends before it does.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchTo(t, nil, args...)
}

// launchTo is launch with the standard output, but not the errors, going elsewhere.
func launchTo(t *testing.T, stdout *os.File, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), done: make(chan struct{})}
	p.wrote = sync.NewCond(&p.mu)
	p.cmd.Env = append(os.Environ(), asCommand+"=1")
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is looked at by code
		close(p.done)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.wrote.Broadcast()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // fails when it has ended, as it should have
		<-p.done
		if t.Failed() {
			t.Logf("sluice %s printed:\n%s", strings.Join(args, " "), p.text())
		}
	})
	return p
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// until waits for something in the output and returns its first group.
func (p *process) until(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	late := false
	// Only a process that hangs is this slow; better a message than the test binary's own limit.
	limit := time.AfterFunc(2*time.Minute, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.wrote.Broadcast()
	})
	defer limit.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if m := re.FindStringSubmatch(p.output.String()); m != nil {
			return m[len(m)-1]
		}
		ended := false
		select {
		case <-p.done:
			ended = true
		default:
		}
		if ended || late {
			p.t.Fatalf("it did not print %s (ended: %v):\n%s", pattern, ended, p.output.String())
		}
		p.wrote.Wait()
	}
}

// code waits for the end.
func (p *process) code() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// serve starts a process with a configuration that listens on a port of the system's choice and forwards to upstream.
// further is text in the server's object. It returns the listening address.
func serve(t *testing.T, upstream, further string, args ...string) (p *process, address, file string) {
	t.Helper()
	dir := t.TempDir()
	text := strings.NewReplacer(
		"127.0.0.1:2045", "127.0.0.1:0",
		"127.0.0.1:9", upstream,
		`{"servers"`, `{"pid":"`+filepath.Join(dir, "s.pid")+`","servers"`,
	).Replace(fmt.Sprintf(small, further))
	file = filepath.Join(dir, "c.json")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p = launch(t, append([]string{"start", "-c", file}, args...)...)
	return p, p.until(`listening.*(127\.0\.0\.1:[1-9][0-9]*)`), file
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body2text(r.StatusCode, body)
}

func body2text(status int, body []byte) string { return strconv.Itoa(status) + " " + string(body) }

func TestServesAndStops(t *testing.T) {
	upstream := httptest.NewServer(demoHandler())
	defer upstream.Close()
	p, address, file := serve(t, upstream.Listener.Addr().String(), "")
	if got := get(t, "http://"+address+"/hello"); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, "GET /hello") {
		t.Errorf("it answered %s", got)
	}
	p.signal(syscall.SIGHUP)
	p.until("SIGHUP is ignored")
	p.signal(syscall.SIGUSR1)
	p.until("logs reopened")
	stop := launch(t, "stop", "-c", file)
	if code := stop.code(); code != exitOK || !strings.Contains(stop.text(), "stopped process "+strconv.Itoa(p.cmd.Process.Pid)) {
		t.Errorf("stop: exit code %d\n%s", code, stop.text())
	}
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d after stop, want 0", code)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "s.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the pid file is left: %v", err)
	}
	if again := launch(t, "stop", "-c", file); again.code() != exitFailed {
		t.Errorf("a second stop ended with %d, want 1", again.code())
	}
}

// slowUpstream answers once release is called; arrived tells that a request is there.
func slowUpstream(t *testing.T) (address string, arrived chan struct{}, release func()) {
	t.Helper()
	arrived, hold := make(chan struct{}, 1), make(chan struct{})
	release = sync.OnceFunc(func() { close(hold) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-hold
		_, _ = io.WriteString(w, "late")
	}))
	t.Cleanup(func() { release(); s.Close() })
	return s.Listener.Addr().String(), arrived, release
}

func TestDrainAnswersWhatRuns(t *testing.T) {
	upstream, arrived, release := slowUpstream(t)
	p, address, _ := serve(t, upstream, "")
	answer := make(chan string, 1)
	go func() {
		r, err := http.Get("http://" + address + "/")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		answer <- body2text(r.StatusCode, body)
	}()
	<-arrived
	p.signal(syscall.SIGTERM)
	p.until("draining")
	release()
	if got := <-answer; got != "200 late" {
		t.Errorf("the running request got %q", got)
	}
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestDrainTimeLimit(t *testing.T) {
	upstream, arrived, _ := slowUpstream(t)
	p, address, _ := serve(t, upstream, "", "--drain-time-s", "0")
	go func() {
		if r, err := http.Get("http://" + address + "/"); err == nil {
			r.Body.Close()
		}
	}()
	<-arrived
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != exitDrainLimit {
		t.Errorf("exit code %d, want %d", code, exitDrainLimit)
	}
}

func TestSecondSIGTERM(t *testing.T) {
	upstream, arrived, _ := slowUpstream(t)
	p, address, _ := serve(t, upstream, "")
	go func() {
		if r, err := http.Get("http://" + address + "/"); err == nil {
			r.Body.Close()
		}
	}()
	<-arrived
	p.signal(syscall.SIGTERM)
	p.until("draining")
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestTakenAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	p := launch(t, "proxy", "--listen", address, "--upstream", "127.0.0.1:9", "--admin", "off")
	if code := p.code(); code != exitFailed {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, want := range []string{address, "in use"} {
		if strings.Count(p.text(), want) != 1 {
			t.Errorf("%q is not there once in\n%s", want, p.text())
		}
	}
}

// TestSurvivesItsLogReader closes the other end of the standard output: the gateway goes on serving.
func TestSurvivesItsLogReader(t *testing.T) {
	upstream := httptest.NewServer(demoHandler())
	defer upstream.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := launchTo(t, w, "proxy", "--listen", "127.0.0.1:0", "--upstream", upstream.Listener.Addr().String(),
		"--admin", "off", "--access-log", "stdout")
	w.Close()
	address := p.until(`listening.*(127\.0\.0\.1:[1-9][0-9]*)`)
	r.Close()
	for range 3 {
		if got := get(t, "http://"+address+"/"); !strings.HasPrefix(got, "200 ") {
			t.Errorf("it answered %s", got)
		}
	}
	p.signal(syscall.SIGINT)
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
}
