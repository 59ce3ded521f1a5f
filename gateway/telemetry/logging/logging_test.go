package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/gateway/telemetry/logfile"
	"sluice/gateway/telemetry/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const long = time.Minute // a bound that only a broken writer meets

type fixture struct {
	*Manager
	path string
	log  *slog.Logger
	ends []func() // windows of repeats
}

func setup(t *testing.T, o Options, level slog.Level) *fixture {
	t.Helper()
	f := &fixture{Manager: NewManager(o), path: filepath.Join(t.TempDir(), "a.log")}
	log, err := f.Open(f.path, level)
	if err != nil {
		t.Fatal(err)
	}
	f.log = log
	f.paths[f.path].repeats.after = func(_ time.Duration, end func()) { f.ends = append(f.ends, end) }
	t.Cleanup(func() { f.Close(long) })
	return f
}

// endWindows lets a second pass.
func (f *fixture) endWindows() {
	ends := f.ends
	f.ends = nil
	for _, end := range ends {
		end()
	}
}

// lines returns what is written, without the time.
func (f *fixture) lines(t *testing.T) []string {
	t.Helper()
	f.Flush(long)
	b, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	const stamp = "2006-01-02 15:04:05.000 "
	var lines []string
	for line := range strings.Lines(string(b)) {
		if _, err := time.Parse(stamp, line[:len(stamp)]); err != nil {
			t.Errorf("%q does not begin with a time: %v", line, err)
		}
		lines = append(lines, strings.TrimSuffix(line[len(stamp):], "\n"))
	}
	return lines
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestText(t *testing.T) {
	f := setup(t, Options{}, slog.LevelInfo)
	f.log.Info("listener opened", "name", "in", "address", "127.0.0.1:1", "empty", "", "spaced", "a b", "at", time.Unix(0, 0).UTC())
	f.log.With("cluster", "c").WithGroup("host").With("a", 1).Warn("x", "b", 2, slog.Group("g", "c", 3))
	f.log.Error("forged\n2026 line \x1b[31m", "value", "a\nb")
	f.log.Info("g", slog.Attr{}, slog.Group("empty"))
	f.log.Log(t.Context(), LevelFatal, "dead")
	f.log.Debug("not shown")
	expect(t, f.lines(t),
		`INFO  listener opened name=in address=127.0.0.1:1 empty="" spaced="a b" at=1970-01-01T00:00:00Z`,
		`WARN  x cluster=c host.a=1 host.b=2 host.g.c=3`,
		`ERROR forged\n2026 line \x1b[31m value="a\nb"`,
		`INFO  g`,
		`FATAL dead`)
}

func TestJSON(t *testing.T) {
	f := setup(t, Options{JSON: true}, LevelTrace)
	f.log.Log(t.Context(), LevelTrace, "x", "token", "t", Key("k"), "n", 1)
	f.Flush(long)
	b, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	delete(got, "time")
	want := map[string]any{"level": "TRACE", "msg": "x", "token": redacted, "n": 1.0}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	f := setup(t, Options{}, slog.LevelInfo)
	f.log.Info("x", "password", "hunter2", "Private-Key", "hunter2", "s", Secret("hunter2"),
		slog.Group("g", "api_key", "hunter2"), "f", fmt.Sprint(Secret("hunter2")))
	f.log.With("authorization", "hunter2").Info("y")
	if got := strings.Join(f.lines(t), "\n"); strings.Contains(got, "hunter2") || strings.Count(got, redacted) != 6 {
		t.Errorf("printed: %s", got)
	}
}

func TestLevelsChangeAtRunTime(t *testing.T) {
	f := setup(t, Options{}, slog.LevelInfo)
	f.log.Debug("1")
	if err := f.SetLevel(f.path, slog.LevelDebug); err != nil {
		t.Fatal(err)
	}
	f.log.Debug("2")
	if _, err := f.Open(f.path, slog.LevelInfo); err != nil { // a reload that changes nothing
		t.Fatal(err)
	}
	f.log.Debug("3")
	if got := f.Levels(); len(got) != 1 || got[f.path] != slog.LevelDebug {
		t.Errorf("levels %v", got)
	}
	if _, err := f.Open(f.path, slog.LevelError); err != nil { // a reload that changes the level
		t.Fatal(err)
	}
	f.log.Warn("4")
	for _, on := range []bool{false, true} {
		if err := f.SetEnabled(f.path, on); err != nil {
			t.Fatal(err)
		}
		f.log.Error("5", "on", on)
	}
	expect(t, f.lines(t), "DEBUG 2", "DEBUG 3", "ERROR 5 on=true")
	for what, err := range map[string]error{
		"SetLevel": f.SetLevel("/nowhere", 0), "SetEnabled": f.SetEnabled("/nowhere", true),
	} {
		if err == nil || !strings.Contains(err.Error(), f.path) {
			t.Errorf("%s of an unknown path: %v, want an error that lists the known ones", what, err)
		}
	}
}

func TestLeastCapsWhatConfigurationsAskFor(t *testing.T) {
	f := setup(t, Options{Least: slog.LevelError}, slog.LevelDebug)
	f.log.Warn("1")
	f.log.Error("2")
	expect(t, f.lines(t), "ERROR 2")
}

func TestRepeatsAreHeldBackAndCounted(t *testing.T) {
	f := setup(t, Options{}, slog.LevelInfo)
	refused := func(endpoint string) { f.log.Warn("upstream refused", "endpoint", endpoint) }
	for range 5 {
		refused("a")
	}
	refused("b")
	f.endWindows() // the last of a's four is written with the number of the others
	refused("a")
	f.endWindows()
	f.endWindows()
	refused("a")
	for range 3 {
		f.log.Info("not limited")
	}
	expect(t, f.lines(t),
		"WARN  upstream refused endpoint=a", "WARN  upstream refused endpoint=b",
		"WARN  upstream refused endpoint=a suppressed=3",
		"WARN  upstream refused endpoint=a", "WARN  upstream refused endpoint=a",
		"INFO  not limited", "INFO  not limited", "INFO  not limited")
	if n := len(f.paths[f.path].repeats.watched); n != 1 {
		t.Errorf("%d lines are watched, want 1", n)
	}
}

func TestAKeyLimitsLinesThatDiffer(t *testing.T) {
	f := setup(t, Options{}, slog.LevelInfo)
	for port := range 4 {
		f.log.Info("refused", Key("a"), "port", port)
		f.log.With("listener", port%2).Info("refused", "port", port, Key("b"))
	}
	expect(t, f.lines(t), "INFO  refused port=0", "INFO  refused listener=0 port=0", "INFO  refused listener=1 port=1")
	f.Close(long) // what is held back is written
	got, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got), "\n"); n != 6 || strings.Count(string(got), "port=3 suppressed=2") != 1 {
		t.Errorf("%d lines after Close:\n%s", n, got)
	}
}

func TestTheTableOfRepeatsIsBounded(t *testing.T) {
	f := setup(t, Options{}, slog.LevelInfo)
	for i := range 2 * maxRepeats {
		f.log.Warn("x", "i", i)
	}
	if n := len(f.paths[f.path].repeats.watched); n != maxRepeats {
		t.Errorf("%d lines are watched, want %d", n, maxRepeats)
	}
}

func TestTheRealClockEndsAWindow(t *testing.T) {
	l := newLimiter()
	l.window = time.Millisecond
	p := &path{repeats: l}
	h := &handler{path: p}
	ended := make(chan struct{})
	after := l.after
	l.after = func(d time.Duration, end func()) { after(d, func() { end(); close(ended) }) }
	l.suppress(1, h, slog.Record{})
	<-ended
	if n := len(l.watched); n != 0 {
		t.Errorf("%d lines are watched, want none", n)
	}
}

func TestALogThatIsNotWrittenLosesLinesAndCounts(t *testing.T) {
	f := setup(t, Options{}, slog.LevelInfo)
	reg := metrics.NewRegistry()
	f.RegisterMetrics(reg)
	p := f.paths[f.path]
	p.mu.Lock()
	p.waiting = append(p.waiting, strings.Repeat(strings.Repeat("x", 1023)+"\n", maxWaiting/1024)...)
	p.mu.Unlock()
	// The writer has not been woken: the buffer is full now.
	f.log.Info("lost")
	for _, s := range reg.Snapshot() {
		if s.Name == "sluice_log_lost_lines_total" && s.Value != 1 {
			t.Errorf("counted %v, want 1", s.Value)
		}
	}
}

func TestReopen(t *testing.T) {
	f := setup(t, Options{}, slog.LevelInfo)
	f.log.Info("old")
	f.Flush(long)
	if err := os.Rename(f.path, f.path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	f.log.Info("new")
	expect(t, f.lines(t), "INFO  new")
}

func TestALogThatFailsSaysSoOnStderr(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full:", err)
	}
	var stderr bytes.Buffer
	m := NewManager(Options{Streams: logfile.Streams{Stderr: &stderr}})
	log, err := m.Open("/dev/full", slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("a")
	m.Flush(long)
	log.Info("b")
	m.Close(long)
	if got := stderr.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "/dev/full") {
		t.Errorf("stderr got %q, want one line that names the log", got)
	}
}

func TestLevelNames(t *testing.T) {
	for _, name := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF"} {
		l, err := ParseLevel(strings.ToLower(name))
		if err != nil || LevelName(l) != name {
			t.Errorf("%s is read as %v, %v", name, l, err)
		}
	}
	for name, want := range map[string]slog.Level{"warning": slog.LevelWarn, "Critical": LevelFatal} {
		if l, err := ParseLevel(name); err != nil || l != want {
			t.Errorf("%s is read as %v, %v", name, l, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil || !strings.Contains(err.Error(), "DEBUG") {
		t.Errorf("a bad level: %v, want an error that lists the levels", err)
	}
}

func TestBadPathsAreErrors(t *testing.T) {
	m := NewManager(Options{})
	for _, path := range []string{t.TempDir(), "syslog://"} {
		if _, err := m.Open(path, slog.LevelInfo); err == nil {
			t.Errorf("Open(%q) should fail", path)
		}
	}
}
