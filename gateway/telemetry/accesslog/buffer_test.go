package accesslog

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/gateway/telemetry/logfile"
	"sluice/gateway/telemetry/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const long = time.Minute // a bound that only a broken writer meets

func manager(t *testing.T) *Manager {
	m := NewManager(slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := m.Close(long); err != nil {
			t.Error(err)
		}
	})
	return m
}

func mustOpen(t *testing.T, m *Manager, path string) *File {
	t.Helper()
	f, err := m.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheRingKeepsEveryByteAcrossItsEnd(t *testing.T) {
	r := &ring{size: 16}
	var want, got []byte
	for i := range 200 {
		line := []byte(fmt.Sprintf("%d\n", i*i*i))
		if _, ok := r.put(line); !ok {
			got = r.take(got)
			if n, ok := r.put(line); !ok || n != len(line) {
				t.Fatalf("an empty ring of 16 refuses %q, or says that %d bytes wait", line, n)
			}
		}
		want = append(want, line...)
	}
	if got = r.take(got); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, n := range []int{16, 1, 15, 16} {
		if _, ok := r.put(make([]byte, n)); !ok {
			t.Errorf("%d bytes do not fit", n)
		}
		if n == 1 {
			continue
		}
		if _, ok := r.put([]byte{1}); ok {
			t.Error("a full ring takes a byte")
		}
		if n := len(r.take(nil)); n != 16 {
			t.Errorf("took %d bytes, want 16", n)
		}
	}
}

func TestLoopsShareAFile(t *testing.T) {
	m := manager(t)
	path := filepath.Join(t.TempDir(), "a.log")
	file := mustOpen(t, m, path)
	if again := mustOpen(t, m, filepath.Dir(path)+"/./a.log"); again != file {
		t.Error("two spellings of a path gave two files")
	}
	const loops, lines = 4, 5000
	format, _ := Compile("%listener_name% %connection_id%")
	var all sync.WaitGroup
	dropped := make([]int, loops)
	for i := range loops {
		all.Go(func() {
			buffers := &Buffers{}
			b := buffers.Buffer(file)
			if buffers.Buffer(file) != b {
				t.Error("a loop got two buffers for a file")
			}
			r := &Record{Listener: fmt.Sprintf("loop%d", i)}
			for n := range lines {
				r.ConnectionID = uint64(n)
				if !b.Log(format, r) {
					dropped[i]++
				}
			}
		})
	}
	all.Wait()
	if !m.Flush(long) {
		t.Fatal("Flush gave up")
	}
	next, got := make([]int, loops), 0
	for line := range strings.Lines(read(t, path)) {
		var i, n int
		if _, err := fmt.Sscanf(line, "loop%d %d\n", &i, &n); err != nil || n < next[i] {
			t.Fatalf("a broken line, or out of order: %q", line)
		}
		next[i] = n + 1
		got++
	}
	lost := 0
	for _, n := range dropped {
		lost += n
	}
	if got+lost != loops*lines {
		t.Errorf("%d lines written and %d dropped of %d", got, lost, loops*lines)
	}
}

func TestAFullBufferDropsAndCounts(t *testing.T) {
	m := manager(t)
	file := mustOpen(t, m, filepath.Join(t.TempDir(), "a.log"))
	reg := metrics.NewRegistry()
	m.RegisterMetrics(reg)
	b := (&Buffers{}).Buffer(file)
	b.ring.size = 64 // smaller than one line
	format, _ := Compile("")
	for range 3 {
		if b.Log(format, sample()) {
			t.Error("a line that does not fit was taken")
		}
	}
	value := func(cause string) float64 {
		for _, s := range reg.Snapshot() {
			if s.Name == "sluice_access_log_lost_lines_total" && s.Values[0] == cause {
				return s.Value
			}
		}
		return -1
	}
	if v := value("buffer_full"); v != 3 {
		t.Errorf("counted %v, want 3", v)
	}
	m.Retain(nil, long)
	if v := value("buffer_full"); v != 3 {
		t.Errorf("counted %v after the file was closed, want 3", v)
	}
}

func TestDisabledLogsNothing(t *testing.T) {
	m := manager(t)
	path := filepath.Join(t.TempDir(), "a.log")
	b := (&Buffers{}).Buffer(mustOpen(t, m, path))
	format, _ := Compile("%protocol%")
	for _, on := range []bool{true, false, true} {
		if err := m.SetEnabled(path, on); err != nil {
			t.Fatal(err)
		}
		if b.Enabled() != on || !b.Log(format, &Record{Protocol: fmt.Sprint(on)}) {
			t.Errorf("Enabled is %v, want %v, or the line was dropped", b.Enabled(), on)
		}
	}
	m.Flush(long)
	if got := read(t, path); got != "true\ntrue\n" {
		t.Errorf("got %q", got)
	}
	if err := m.SetEnabled("/nowhere", true); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("an unknown path: %v, want an error that lists the known ones", err)
	}
}

func TestRetainClosesWhatIsNotUsedAnyMore(t *testing.T) {
	m := manager(t)
	dir := t.TempDir()
	a, b := mustOpen(t, m, dir+"/a"), mustOpen(t, m, dir+"/b")
	buffers := &Buffers{}
	format, _ := Compile("x")
	buffers.Buffer(a).Log(format, &Record{})
	buffers.Buffer(b).Log(format, &Record{})
	m.Retain([]*File{b}, long)
	if got := m.Paths(); fmt.Sprint(got) != fmt.Sprint([]string{dir + "/b"}) {
		t.Errorf("open: %q", got)
	}
	if got := read(t, dir+"/a"); got != "x\n" {
		t.Errorf("the last line of a closed file: %q", got)
	}
	again := mustOpen(t, m, dir+"/a")
	buffers.Buffer(again).Log(format, &Record{})
	m.Flush(long)
	if got := read(t, dir+"/a"); got != "x\nx\n" || len(buffers.all) != 2 {
		t.Errorf("after opening again: %q, %d buffers", got, len(buffers.all))
	}
}

func TestReopen(t *testing.T) {
	m := manager(t)
	path := filepath.Join(t.TempDir(), "a.log")
	b := (&Buffers{}).Buffer(mustOpen(t, m, path))
	format, _ := Compile("x")
	b.Log(format, &Record{})
	m.Flush(long)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := m.Reopen(); err != nil {
		t.Fatal(err)
	}
	b.Log(format, &Record{})
	m.Flush(long)
	if got := read(t, path); got != "x\n" {
		t.Errorf("the new file holds %q", got)
	}
}

func TestStreams(t *testing.T) {
	var stdout bytes.Buffer
	m := NewManager(slog.New(slog.DiscardHandler))
	m.SetStreams(logfile.Streams{Stdout: &stdout})
	format, _ := Compile("x")
	(&Buffers{}).Buffer(mustOpen(t, m, "/dev/stdout")).Log(format, &Record{})
	if err := m.Close(long); err != nil || stdout.String() != "x\n" {
		t.Errorf("got %q, %v", stdout.String(), err)
	}
}

func TestBadPathsAreErrors(t *testing.T) {
	m := manager(t)
	for _, path := range []string{t.TempDir(), "syslog://", "/dev/null/a.log"} {
		if _, err := m.Open(path); err == nil || !strings.HasPrefix(err.Error(), "access log: ") {
			t.Errorf("Open(%q): %v, want an error", path, err)
		}
	}
}
