package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
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

// boltPeer compiles testdata/java, with SOFABolt's library from Maven, and returns the class path.
var boltPeer = sync.OnceValues(func() (classes string, err error) {
	dir, err := filepath.Abs("../../bin/java")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(name); err != nil {
			return "", unavailable{err}
		}
	}
	changed := false // since it was compiled
	for _, name := range []string{"pom.xml", "src/main/java/Peer.java"} {
		source, err := os.ReadFile(filepath.Join("testdata/java", name))
		if err != nil {
			return "", err
		}
		copied := filepath.Join(dir, name)
		if had, err := os.ReadFile(copied); err == nil && bytes.Equal(had, source) {
			continue
		}
		changed = true
		if err := errors.Join(os.MkdirAll(filepath.Dir(copied), 0o777), os.WriteFile(copied, source, 0o600), os.RemoveAll(filepath.Join(dir, "target"))); err != nil {
			return "", err
		}
	}
	path := func() (string, error) {
		list, err := os.ReadFile(filepath.Join(dir, "classpath.txt"))
		return filepath.Join(dir, "target/classes") + ":" + string(bytes.TrimSpace(list)), err
	}
	if _, err := os.Stat(filepath.Join(dir, "target/classes/Peer.class")); err == nil && !changed {
		return path()
	}
	mvn := func(args ...string) ([]byte, error) {
		cmd := exec.Command("mvn", append([]string{"-q", "-B"}, args...)...)
		cmd.Dir = dir
		return cmd.CombinedOutput()
	}
	if out, err := mvn("dependency:build-classpath", "-Dmdep.outputFile=classpath.txt"); err != nil {
		return "", unavailable{fmt.Errorf("com.alipay.sofa:bolt can't be had from Maven: %w\n%.2000s", err, out)}
	}
	if out, err := mvn("compile"); err != nil {
		return "", fmt.Errorf("compiling Peer.java: %w\n%.4000s", err, out)
	}
	return path()
})

// More calls: go test -run TestSOFABolt -v ./gateway/e2e -calls 1000000
var boltCalls = flag.Int("calls", javaCalls, "how many calls TestSOFABolt makes")

// TestSOFABolt: SOFABolt's own Java client and server call each other through the gateway, in all the ways that there are, in
// both versions, version 2 with CRC32.
func TestSOFABolt(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it runs the Java library")
	}
	classes, err := boltPeer()
	if missing, ok := err.(unavailable); ok { //nolint:errorlint // it is not wrapped
		t.Skipf("SOFABolt's Java library: %v", missing.error)
	}
	if err != nil {
		t.Fatal(err)
	}
	w, calls := newWorld(t), *boltCalls
	server := w.java(classes, "server", strconv.Itoa(w.freePort()))
	server.says("serving")
	g := w.start(sketch{
		speaks: "Http1,bolt", loops: 2, hosts: []string{"127.0.0.1:" + server.Args[len(server.Args)-1]},
		cluster: `"protocol":"bolt","keepalive":{"interval":"1s"}`, document: adminOnAnyPort,
	}.String())
	client := w.java(classes, "client", g.addr("l"), strconv.Itoa(calls))
	select {
	case <-client.done:
	case <-time.After(10 * hang):
		t.Fatal("the Java client has not come to its end")
	}
	out := client.says("right=.*")
	t.Log(out)
	var right, wrong, sent, arrived, timeouts, exceptions, idle int
	if _, err := fmt.Sscanf(out, "right=%d wrong=%d sent=%d arrived=%d timeouts=%d exceptions=%d idle=%d",
		&right, &wrong, &sent, &arrived, &timeouts, &exceptions, &idle); err != nil {
		t.Fatal(err)
	}
	if right < calls*3/4 || wrong != 0 || sent != calls/4 || arrived != sent || timeouts != 2 || exceptions != 2 || idle != 2 {
		t.Errorf("%d calls: %s", calls, out)
	}
	metrics := g.metrics()
	t.Logf("late answers: %v, upstream connections: %v", metrics[`sluice_codec_late_answers_total{listener="l"}`],
		metrics[`sluice_cluster_connections_total{cluster="c"}`])
	if n := metrics[`sluice_codec_unknown_answers_total{listener="l"}`]; n != 0 {
		t.Errorf("%v answers were for nobody", n)
	}
	for line := range strings.Lines(g.logs.String()) {
		if regexp.MustCompile("ERROR|panic").MatchString(line) {
			t.Error(line)
		}
	}
}

// java starts Peer; it ends with the test.
func (w *world) java(classes string, args ...string) *helper {
	w.t.Helper()
	cmd := exec.Command("java", append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-cp", classes, "Peer"}, args...)...)
	return w.beside("java", cmd)
}

// freePort is a port that nobody listens on: SOFABolt's server does not tell which one it has got.
func (w *world) freePort() int {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
