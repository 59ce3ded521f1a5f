package secure_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/secure"
)

// served is a real listener that answers every line in capitals, over TLS.
type served struct {
	group   *loop.Group
	workers *secure.Workers
	engines []*secure.Engine
	addr    string
	cfg     *secure.Config
}

func (s *served) Accept(c loop.Conn) loop.Handler {
	return s.engines[c.Loop().Index()].Server(c, s.cfg, acceptor(func(loop.Conn) loop.Handler { return shout{} }))
}

// shout answers each line in capitals.
type shout struct{ discard }

func (shout) Received(c loop.Conn, b []byte) int {
	n := bytes.LastIndexByte(b, '\n') + 1
	c.Write(bytes.ToUpper(b[:n]))
	return n
}

func (shout) ReadClosed(c loop.Conn, _ []byte) { c.Close(loop.CloseFlushed, nil) }

func serve(t testing.TB, cfg *secure.Config, o secure.WorkersOptions) *served {
	t.Helper()
	g, err := loop.NewGroup(loop.Options{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	s := &served{group: g, workers: secure.NewWorkers(o), cfg: cfg}
	t.Cleanup(s.workers.Close)
	t.Cleanup(g.Stop)
	for _, l := range g.Loops() {
		s.engines = append(s.engines, secure.NewEngine(l, secure.EngineOptions{Executor: s.workers}))
	}
	l, err := g.Listen(loop.ListenOptions{Name: "tls", Addr: loop.Addr{AddrPort: netip.MustParseAddrPort("127.0.0.1:0")}}, s)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	return s
}

func (s *served) counters() (sum secure.Counters) {
	for _, e := range s.engines {
		c := e.Counters()
		sum.Begun += c.Begun
		sum.Done += c.Done
		sum.Waiting += c.Waiting
		for i := range c.HandshakeErrors {
			sum.HandshakeErrors[i] += c.HandshakeErrors[i]
		}
	}
	return sum
}

// wait waits until cond holds.
func wait(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for range 6000 {
		if cond() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func ask(c net.Conn, line string) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

// TestSockets has many clients, while a thousand sockets say nothing or half a ClientHello.
func TestSockets(t *testing.T) {
	server, client := newAuthority(t).pair(t, 0)
	s := serve(t, &secure.Config{TLS: server}, secure.WorkersOptions{})
	hello := helloOf(t, client)
	for i := range 200 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			_, _ = c.Write(hello[:len(hello)/2])
		}
	}
	wait(t, "all are accepted", func() bool { return s.counters().Waiting == 200 })
	if n := s.workers.Active(); n != 0 {
		t.Errorf("%d handshakes are under way for sockets that say nothing", n)
	}
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			for range 3 {
				c, err := tls.Dial("tcp", s.addr, client)
				if err != nil {
					t.Error(err)
					return
				}
				for j := range 5 {
					if got, err := ask(c, fmt.Sprintf("line %d %d", i, j)); err != nil || got != fmt.Sprintf("LINE %d %d\n", i, j) {
						t.Errorf("got %q, %v", got, err)
					}
				}
				_ = c.Close()
			}
		})
	}
	clients.Wait()
	wait(t, "no handshake is under way", func() bool { return s.workers.Active() == 0 })
	if c := s.counters(); c.Done != 120 || c.Waiting != 200 {
		t.Errorf("counters %+v", c)
	}
}

// TestOverload bounds the handshakes that wait for their peers; they end with the loops.
func TestOverload(t *testing.T) {
	server, client := newAuthority(t).pair(t, 0)
	s := serve(t, &secure.Config{TLS: server}, secure.WorkersOptions{Threads: 2, MaxHandshakes: 6})
	hello := helloOf(t, client)
	for range 10 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write(hello)
	}
	wait(t, "the others are refused", func() bool { return s.counters().HandshakeErrors[secure.ReasonOverload] == 4 })
	if n := s.workers.Active(); n != 6 {
		t.Errorf("%d handshakes are under way, want 6", n)
	}
}

// TestStopDuringHandshakes stops the loops while handshakes are at every stage: each of them ends.
func TestStopDuringHandshakes(t *testing.T) {
	server, client := newAuthority(t).pair(t, 0)
	for range 10 {
		s := serve(t, &secure.Config{TLS: server}, secure.WorkersOptions{})
		var clients sync.WaitGroup
		for range 20 {
			clients.Go(func() {
				for {
					c, err := tls.Dial("tcp", s.addr, client)
					if err != nil {
						return
					}
					_ = c.Close()
				}
			})
		}
		wait(t, "handshakes are under way", func() bool { return s.counters().Done > 20 })
		s.group.Stop()
		clients.Wait()
		wait(t, "no handshake is under way", func() bool { return s.workers.Active() == 0 })
		if c := s.counters(); c.Waiting != 0 {
			t.Errorf("counters %+v", c)
		}
	}
}

// TestOpenSSL makes a foreign client change its keys (1.3) and try to renegotiate (1.2).
func TestOpenSSL(t *testing.T) {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs openssl")
	}
	ca := newAuthority(t)
	server, _ := ca.pair(t, 0)
	s := serve(t, &secure.Config{TLS: server}, secure.WorkersOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // ends what waits for a tool that behaves otherwise
	defer cancel()
	client := func(args ...string) (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
		cmd := exec.CommandContext(ctx, tool, append([]string{"s_client", "-connect", s.addr, "-servername", "server.test"}, args...)...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = cmd.Stdout
		if err = cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, in, bufio.NewReader(out)
	}
	until := func(t *testing.T, r *bufio.Reader, want string) (all string) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			all += line
			if strings.Contains(line, want) {
				return all
			}
			if err != nil {
				t.Fatalf("%q did not come: %v in %s", want, err, all)
			}
		}
	}
	t.Run("KeyUpdate", func(t *testing.T) {
		cmd, in, out := client("-tls1_3")
		for _, line := range []string{"first", "K", "second", "k", "third", "K", "fourth"} {
			_, _ = io.WriteString(in, line+"\n")
			if len(line) > 1 {
				until(t, out, strings.ToUpper(line))
			} else {
				until(t, out, "KEYUPDATE")
			}
		}
		_ = in.Close()
		_ = cmd.Wait()
	})
	t.Run("renegotiation", func(t *testing.T) {
		cmd, in, out := client("-tls1_2")
		_, _ = io.WriteString(in, "first\n")
		until(t, out, "FIRST")
		_, _ = io.WriteString(in, "R\n")
		until(t, out, "SSL alert number") // crypto/tls ends the connection
		_ = in.Close()
		_ = cmd.Wait()
	})
	// And as a server, whose tickets and close_notify we read.
	t.Run("server", func(t *testing.T) { openSSLServer(t, tool, ca) })
}

// collector is a client that says a line and collects the answers until the end.
type collector struct {
	discard
	say  string
	got  []byte
	done chan error
}

func (c *collector) Opened(conn loop.Conn) { conn.Write([]byte(c.say)) }
func (c *collector) Received(conn loop.Conn, b []byte) int {
	c.got = append(c.got, b...)
	return len(b)
}
func (c *collector) ReadClosed(conn loop.Conn, _ []byte) {
	var err error
	if conn.(*secure.Conn).Truncated() {
		err = errors.New("truncated")
	}
	conn.Close(loop.CloseFlushed, err)
}
func (c *collector) Closed(_ loop.Conn, err error) { c.done <- err }

func openSSLServer(t *testing.T, tool string, ca *authority) {
	dir := t.TempDir()
	pair := ca.issue(t, nil, "server.test")
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "s_server", "-accept", "127.0.0.1:0", "-cert", certFile, "-key", keyFile, "-www")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var addr string
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			addr = text
			break
		}
	}
	if addr == "" {
		t.Skip("this openssl does not tell its port")
	}
	go func() {
		for lines.Scan() {
		}
	}()
	_, client := ca.pair(t, 0)
	client.ClientSessionCache = &secure.Session{}
	s := serve(t, &secure.Config{}, secure.WorkersOptions{})
	for i, resumed := range []bool{false, true} {
		c := &collector{say: "GET / HTTP/1.0\r\n\r\n", done: make(chan error, 1)}
		var conn loop.Conn
		s.group.Loops()[0].Post(func() {
			var err error
			place := loop.Addr{AddrPort: netip.MustParseAddrPort(addr)}
			if conn, err = s.engines[0].Dial(loop.DialOptions{Addr: place}, &secure.Config{TLS: client}, c); err != nil {
				c.done <- err
			}
		})
		if err := <-c.done; err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(c.got, []byte("TLS_AES")) || conn.(*secure.Conn).State().DidResume != resumed {
			t.Errorf("connection %d: resumed %v, got %d bytes", i, conn.(*secure.Conn).State().DidResume, len(c.got))
		}
	}
}
