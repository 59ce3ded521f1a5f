package logfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const long = time.Minute // a bound that only a broken writer meets

// A queue is a source of lines.
type queue struct {
	mu    sync.Mutex
	lines []byte
}

func (q *queue) add(line string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines = append(q.lines, line...)
}

func (q *queue) drain(dst []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	dst = append(dst, q.lines...)
	q.lines = q.lines[:0]
	return dst
}

func noReport(t *testing.T) func(error, uint64) {
	return func(err error, lost uint64) { t.Errorf("reported %v, %d lines lost", err, lost) }
}

func start(t *testing.T, o Options) *Writer {
	t.Helper()
	w, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(long) })
	return w
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryLineIsWrittenInOrder(t *testing.T) {
	for _, interval := range []time.Duration{0, time.Millisecond, time.Hour} {
		path := filepath.Join(t.TempDir(), "new", "folder", "a.log")
		q := &queue{}
		w := start(t, Options{Path: path, Interval: interval, Drain: q.drain, Report: noReport(t)})
		var want strings.Builder
		for i := range 2000 {
			line := fmt.Sprintf("line %d\n", i)
			want.WriteString(line)
			q.add(line)
			if i%100 == 99 {
				w.Urge()
			} else {
				w.Wake()
			}
		}
		if !w.Flush(long) {
			t.Fatal("Flush gave up")
		}
		if got := read(t, path); got != want.String() {
			t.Errorf("interval %v: %d bytes written, want %d", interval, len(got), want.Len())
		}
		if s := w.Stats(); s != (Stats{Written: uint64(want.Len())}) {
			t.Errorf("stats %+v", s)
		}
	}
}

func TestLinesThatWaitAreWrittenAtClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	q := &queue{}
	w := start(t, Options{Path: path, Interval: time.Hour, Drain: q.drain, Report: noReport(t)})
	q.add("last\n")
	w.Wake()
	for range 2 {
		if !w.Close(long) || !w.Flush(long) {
			t.Fatal("Close gave up")
		}
	}
	if got := read(t, path); got != "last\n" {
		t.Errorf("got %q", got)
	}
}

func TestWakeWritesWithoutFlush(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	q := &queue{}
	drained := make(chan struct{}, 100)
	w := start(t, Options{Path: path, Interval: time.Millisecond, Report: noReport(t), Drain: func(dst []byte) []byte {
		dst = q.drain(dst)
		if len(dst) > 0 {
			drained <- struct{}{}
		}
		return dst
	}})
	for range 20 {
		q.add("x\n")
		w.Wake()
		<-drained // a lost wake-up would hang here
	}
}

func TestReopenFollowsARename(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	q := &queue{}
	w := start(t, Options{Path: path, Drain: q.drain, Report: noReport(t)})
	q.add("old\n")
	w.Flush(long)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice, so that a file that nobody has used yet is replaced
		if err := w.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	q.add("new\n")
	w.Flush(long)
	if got := read(t, path+".1") + read(t, path); got != "old\nnew\n" {
		t.Errorf("got %q", got)
	}
}

func TestReopenThatFailsKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	q := &queue{}
	w := start(t, Options{Path: path, Drain: q.drain, Report: noReport(t)})
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := w.Reopen(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Reopen: %v, want an error that names the path", err)
	}
	q.add("x\n")
	w.Flush(long)
	if got := read(t, path+".1"); got != "x\n" {
		t.Errorf("got %q", got)
	}
}

func TestFailuresAreCountedAndReportedOnce(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full:", err)
	}
	q := &queue{}
	var reports []string
	w := start(t, Options{Path: "/dev/full", Drain: q.drain, Report: func(err error, lost uint64) {
		reports = append(reports, fmt.Sprint(err == nil, lost))
	}})
	for range 3 {
		q.add("a\nb\n")
		w.Flush(long)
	}
	path := filepath.Join(t.TempDir(), "a.log")
	f, err := Streams{}.open(path)
	if err != nil {
		t.Fatal(err)
	}
	w.next.Store(f) // as Reopen does, after somebody made room
	for range 2 {
		q.add("c\n")
		w.Flush(long)
	}
	w.Close(long)
	if s := w.Stats(); s.Errors != 3 || s.Lost != 6 || s.Written != 4 {
		t.Errorf("stats %+v, want 3 errors, 6 lines lost, 4 bytes written", s)
	}
	if want := []string{"false 2", "true 6"}; fmt.Sprint(reports) != fmt.Sprint(want) {
		t.Errorf("reports %v, want %v", reports, want)
	}
	if got := read(t, path); got != "c\nc\n" {
		t.Errorf("got %q", got)
	}
}

func TestAPipeThatNobodyReadsHoldsUpNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("needs named pipes:", err)
	}
	if _, err := Start(Options{Path: path}); err == nil {
		t.Fatal("opening a pipe without a reader should fail, not wait")
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	q := &queue{}
	w := start(t, Options{Path: path, Drain: q.drain, Report: func(error, uint64) {}})
	q.add(strings.Repeat(strings.Repeat("x", 1023)+"\n", 1024)) // more than a pipe holds
	if w.Flush(time.Millisecond) {
		t.Error("Flush says that a full pipe was written")
	}
	for range 1000 {
		w.Wake()
		w.Urge()
	}
	if w.Close(time.Millisecond) {
		t.Error("Close says that a full pipe was written")
	}
	_ = reader.Close() // the write fails with EPIPE and the goroutine ends
	if !w.Close(long) {
		t.Error("the goroutine did not end")
	}
}

func TestAHalfWrittenLineIsEnded(t *testing.T) {
	var out bytes.Buffer
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w := &Writer{out: &output{Writer: pipe}, midLine: true, report: noReport(t)}
	w.write([]byte("next\n"))
	_ = pipe.Close()
	if _, err := out.ReadFrom(r); err != nil || out.String() != "\nnext\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	_ = r.Close()
}

func TestStreamsStandInForTheProcesss(t *testing.T) {
	var stdout, stderr bytes.Buffer
	for path, out := range map[string]*bytes.Buffer{Stdout: &stdout, Stderr: &stderr} {
		q := &queue{}
		w := start(t, Options{Path: path, Streams: Streams{Stdout: &stdout, Stderr: &stderr}, Drain: q.drain, Report: noReport(t)})
		q.add(path + "\n")
		if err := w.Reopen(); err != nil {
			t.Error(err)
		}
		w.Close(long)
		if got := out.String(); got != path+"\n" {
			t.Errorf("%s got %q", path, got)
		}
	}
	for _, path := range []string{Stdout, Stderr} {
		o, err := Streams{}.open(path)
		if err != nil || o.close() != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stderr.WriteString(""); err != nil {
		t.Errorf("stderr was closed: %v", err)
	}
}

func TestNormalize(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"": Stderr, "stderr": Stderr, "/dev/stderr": Stderr, "stdout": Stdout, "/dev/stdout": Stdout,
		"a.log": filepath.Join(wd, "a.log"), "./x/../a.log": filepath.Join(wd, "a.log"), "/tmp//a.log": "/tmp/a.log",
	} {
		if got, err := Normalize(path); got != want || err != nil {
			t.Errorf("Normalize(%q) = %q, %v, want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"syslog", "syslog://", "syslog+tcp://a:1"} {
		if got, err := Normalize(path); err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("Normalize(%q) = %q, %v, want an error", path, got, err)
		}
	}
}
