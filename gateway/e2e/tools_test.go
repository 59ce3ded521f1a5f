package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// tool is the path of a program; the test is skipped where it is not installed.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// curl runs curl and returns what it wrote.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(tool(t, "curl"), append([]string{"-sS", "--noproxy", "*", "--max-time", "60"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// interop builds the programs of testdata/interop, a module of its own so that the gateway's needs none of what they need.
// They stay in bin/, where the next build finds them.
var interop = sync.OnceValues(func() (dir string, err error) {
	dir, err = filepath.Abs("../../bin/interop")
	if err != nil {
		return "", err
	}
	if out, err := inModule("go", "mod", "download"); err != nil {
		return "", unavailable{fmt.Errorf("its modules can't be had: %w\n%s", err, out)}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	if out, err := inModule("go", "build", "-o", dir, "tool", "./peer"); err != nil {
		return "", fmt.Errorf("building them: %w\n%s", err, out)
	}
	return dir, nil
})

func inModule(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join("testdata", "interop")
	return cmd.CombinedOutput()
}

// unavailable says that a tool can't be had here, which is no failure of what it tests.
type unavailable struct{ error }

// interopTool is the path of a program of testdata/interop.
func interopTool(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds programs of other people")
	}
	dir, err := interop()
	if missing, ok := err.(unavailable); ok { //nolint:errorlint // it is not wrapped
		t.Skipf("%s: %v", name, missing.error)
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// nodeModules installs what testdata/node needs, once.
var nodeModules = sync.OnceValue(func() error {
	dir := filepath.Join("testdata", "node")
	want, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	stamp := filepath.Join(dir, "node_modules", ".installed")
	if got, err := os.ReadFile(stamp); err == nil && bytes.Equal(got, want) {
		return nil
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return os.WriteFile(stamp, want, 0o600)
})

// nodeTool is the path of node, with what testdata/node needs.
func nodeTool(t *testing.T) string {
	t.Helper()
	bin := tool(t, "node")
	tool(t, "npm")
	if out, err := exec.Command(bin, "--version").Output(); err != nil || !newEnough(string(out)) {
		t.Skipf("node %s is older than v20.18, which undici needs (%v)", strings.TrimSpace(string(out)), err)
	}
	if err := nodeModules(); err != nil {
		t.Skipf("undici can't be had: %v", err)
	}
	return bin
}

// node runs a script of testdata/node to its end. It trusts the certificates in caFile, if that is given.
func node(t *testing.T, caFile, script string, args ...string) {
	t.Helper()
	cmd := nodeScript(t, caFile, script, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", script, args, err, out)
	}
}

func nodeScript(t *testing.T, caFile, script string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(nodeTool(t), append([]string{filepath.Join("testdata", "node", script)}, args...)...)
	if caFile != "" {
		cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+caFile)
	}
	return cmd
}

func newEnough(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "v%d.%d", &major, &minor)
	return err == nil && (major > 20 || major == 20 && minor >= 18)
}

// A helper is a program that runs beside a test, until it ends.
type helper struct {
	*exec.Cmd
	w    *world
	name string
	in   io.WriteCloser
	out  output
	done chan struct{}
}

// helper starts a program of testdata/interop.
func (w *world) helper(name string, env []string, args ...string) *helper {
	w.t.Helper()
	cmd := exec.Command(interopTool(w.t, name), args...)
	cmd.Env = append(os.Environ(), env...)
	return w.beside(name, cmd)
}

// beside starts cmd.
func (w *world) beside(name string, cmd *exec.Cmd) *helper {
	w.t.Helper()
	h := &helper{Cmd: cmd, w: w, name: name, done: make(chan struct{})}
	h.Stdout, h.Stderr = &h.out, &h.out
	var err error
	if h.in, err = h.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	if err := h.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_ = h.Wait() // code looks at it
		close(h.done)
	}()
	w.t.Cleanup(func() {
		h.in.Close()
		_ = h.Process.Kill() // it may have ended
		<-h.done
		if w.t.Failed() {
			w.t.Logf("%s printed:\n%.4000s", name, &h.out)
		}
	})
	return h
}

// says waits until the program has printed what matches, and returns the first group.
func (h *helper) says(pattern string) (found string) {
	h.w.t.Helper()
	re := regexp.MustCompile(pattern)
	h.w.until(h.name+" prints "+pattern, func() bool {
		ended := false
		select {
		case <-h.done:
			ended = true
		default:
		}
		m := re.FindStringSubmatch(h.out.String())
		if m == nil && ended {
			h.w.t.Fatalf("%s has ended without printing %s:\n%s", h.name, pattern, &h.out)
		}
		if m == nil {
			return false
		}
		found = m[len(m)-1]
		return true
	})
	return found
}

// line sends the program a line.
func (h *helper) line(text string) {
	h.w.t.Helper()
	if _, err := io.WriteString(h.in, text+"\n"); err != nil {
		h.w.t.Fatalf("%s does not listen: %v", h.name, err)
	}
}

// printed runs a program of testdata/interop to its end and returns what it printed.
func printed(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(interopTool(t, name), args...).Output()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// unencrypted are protocols of net/http, without TLS.
func unencrypted(http1, http2 bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(http1)
	p.SetUnencryptedHTTP2(http2)
	return p
}
