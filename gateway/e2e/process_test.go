package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// built is where the command was built, once for all tests. It stays in bin/, where the next build finds it.
var built = sync.OnceValues(func() (bin string, err error) {
	bin, err = filepath.Abs("../../bin/e2e/sluice")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-o", bin, "sluice/cmd/sluice").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the command: %w\n%s", err, out)
	}
	return bin, nil
})

// command is the path of the command, without the race detector, as it is shipped.
func command(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds the command")
	}
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// A process is the command, running.
type process struct {
	*exec.Cmd
	w    *world
	out  output
	done chan struct{}
}

// command starts `sluice start` with a configuration.
func (w *world) command(bin, doc string, args ...string) *process {
	w.t.Helper()
	file := w.tempFile("config.json")
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		w.t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(bin, append([]string{"start", "-c", file}, args...)...), w: w, done: make(chan struct{})}
	p.Stdout, p.Stderr = &p.out, &p.out
	if err := p.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_ = p.Wait() // code looks at it
		close(p.done)
	}()
	w.t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		<-p.done
		if w.t.Failed() {
			w.t.Logf("the process printed:\n%s", &p.out)
		}
	})
	return p
}

var listening = regexp.MustCompile(`listening listener=(\S+) address=(\S+)`)

// addr waits until the listener called name is bound.
func (p *process) addr(name string) (addr string) {
	p.w.t.Helper()
	p.w.until("the listener "+name, func() bool {
		for _, m := range listening.FindAllStringSubmatch(p.out.String(), -1) {
			if m[1] == name {
				addr = m[2]
			}
		}
		select {
		case <-p.done:
			p.w.t.Fatalf("it has ended:\n%s", &p.out)
		default:
		}
		return addr != ""
	})
	return addr
}

// code waits for the end.
func (p *process) code() int {
	p.w.t.Helper()
	select {
	case <-p.done:
	case <-time.After(hang):
		p.w.t.Fatal("the process does not end")
	}
	return p.ProcessState.ExitCode()
}

// resident is the process's memory, in bytes.
func (p *process) resident() int {
	p.w.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Process.Pid))
	if err != nil {
		p.w.t.Skipf("there is no /proc: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		p.w.t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// heap is what the process has in use of its heap and for stacks, after a collection of garbage.
func (p *process) heap() (sum int) {
	p.w.t.Helper()
	admin := regexp.MustCompile(`listening server=admin address=(\S+)`)
	p.w.until("the admin server", func() bool { return admin.MatchString(p.out.String()) })
	text := fetch(p.w.t, p.w.client(), "http://"+admin.FindStringSubmatch(p.out.String())[1]+"/debug/pprof/heap?gc=1&debug=1")
	for _, name := range []string{"HeapInuse", "Stack"} {
		_, rest, _ := strings.Cut(text, "# "+name+" = ")
		number, _, _ := strings.Cut(rest, "\n")
		n, err := strconv.Atoi(strings.Fields(number + " ?")[0]) // a stack's has the system's part behind it
		if err != nil {
			p.w.t.Fatalf("the heap profile tells no %s: %v", name, err)
		}
		sum += n
	}
	return sum
}

// grown prints what n of something cost a process whose memory was before, and compares it with a limit for all of them.
func (p *process) grown(what string, n, before, most int) {
	t := p.w.t
	t.Helper()
	now := p.resident()
	t.Logf("%d %s: the process has grown from %d to %d KiB: %.2f KiB each", n, what, before>>10, now>>10,
		float64(now-before)/1024/float64(n))
	if now-before > most {
		t.Errorf("%d %s cost %d KiB, want at most %d", n, what, (now-before)>>10, most>>10)
	}
}

// steady waits until the process does not grow any more.
func (p *process) steady() {
	p.w.t.Helper()
	most, same := 0, 0
	p.w.until("steady memory", func() bool {
		time.Sleep(20 * time.Millisecond)
		if same++; p.resident() > most {
			most, same = p.resident(), 0
		}
		return same == 20
	})
}
