package secure_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/secure"
)

// A sealer makes records of TLS 1.3, TLS_AES_128_GCM_SHA256, that crypto/tls would not make.
type sealer struct {
	aead cipher.AEAD
	iv   []byte
	n    uint64
}

// newSealer takes a client's place behind its handshake; keys is what it has logged.
func newSealer(t *testing.T, keys string) *sealer {
	t.Helper()
	var secret []byte
	for _, line := range strings.Split(keys, "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, _ = hex.DecodeString(f[2])
		}
	}
	if len(secret) != sha256.Size {
		t.Fatalf("no secret of SHA-256 in %q", keys)
	}
	expand := func(label string, n int) []byte { // RFC 8446, 7.1: HKDF-Expand-Label without a context
		label = "tls13 " + label
		info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
		key, err := hkdf.Expand(sha256.New, secret, string(append(append(info, label...), 0)), n)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	block, err := aes.NewCipher(expand("key", 16))
	if err != nil {
		t.Fatal(err)
	}
	s := &sealer{iv: expand("iv", 12)}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	return s
}

// seal makes the next record, of a content type and data.
func (s *sealer) seal(kind byte, data ...byte) []byte {
	inner := append(append([]byte(nil), data...), kind)
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(inner)+s.aead.Overhead()))
	nonce := binary.BigEndian.AppendUint64(make([]byte, 4), s.n)
	for i := range nonce {
		nonce[i] ^= s.iv[i]
	}
	s.n++
	return s.aead.Seal(head, nonce, inner, head)
}

// TestRecordFloods sends records that carry nothing, or ask for work: some are nothing, many end the connection, and it has
// neither used nor kept anything for them.
func TestRecordFloods(t *testing.T) {
	if _, client := newAuthority(t).pair(t, tls.VersionTLS13); client.CipherSuites != nil {
		t.Fatal("the suite is not crypto/tls's choice")
	}
	const data, handshake = 23, 22
	for name, c := range map[string]struct {
		record func(s *sealer) []byte
		few    int // that are no harm
		many   int
	}{
		"empty records":         {func(s *sealer) []byte { return s.seal(data) }, 10, 20},
		"fragments of a byte":   {func(s *sealer) []byte { return s.seal(handshake, 24) }, 0, 5}, // of a message of 1.5 MB
		"a ClientHello again":   {func(s *sealer) []byte { return s.seal(handshake, 1, 0, 0, 0) }, 0, 1},
		"tickets from a client": {func(s *sealer) []byte { return s.seal(handshake, 4, 0, 0, 0) }, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tls.VersionTLS13)
			var keys bytes.Buffer
			r.client.KeyLogWriter = &keys
			h := &endpoint{}
			s := r.open(h)
			if suite := s.tls.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
				t.Skipf("without AES in hardware the suite is %s", tls.CipherSuiteName(suite))
			}
			w := newSealer(t, keys.String())
			s.p.Discard()
			s.p.OnReceive(func([]byte) {})
			for range c.few {
				s.p.SendBytes(c.record(w))
			}
			s.p.SendBytes(w.seal(data, []byte("between")...))
			r.l.Run()
			if h.closed != 0 || string(h.got) != "between" {
				t.Fatalf("after %d: closed %d (%v), got %q", c.few, h.closed, h.err, h.got)
			}
			for range c.many {
				s.p.SendBytes(c.record(w))
			}
			s.p.SendBytes(w.seal(data, []byte("behind")...))
			r.l.Run()
			r.l.Advance(3 * time.Second) // it lingers, so that the alert is seen
			var e *secure.Error
			if h.closed != 1 || !errors.As(h.err, &e) || e.Reason != secure.ReasonMalformed || string(h.got) != "between" {
				t.Errorf("after %d: closed %d with %v, got %q", c.many, h.closed, h.err, h.got)
			}
			if n := r.engine.Counters().RecordErrors[secure.ReasonMalformed]; n != 1 {
				t.Errorf("%d were counted", n)
			}
		})
	}
}

// TestServerRenegotiates: an upstream that wants to begin again (TLS 1.2) is not followed.
func TestServerRenegotiates(t *testing.T) {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs openssl")
	}
	ca := newAuthority(t)
	in, lines := interactiveServer(t, tool, ca.issue(t, nil, "server.test"))
	var addr string
	for addr == "" && lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			addr = text
		}
	}
	if addr == "" {
		t.Skip("this openssl does not tell its port")
	}
	_, client := ca.pair(t, tls.VersionTLS12)
	s := serve(t, &secure.Config{}, secure.WorkersOptions{})
	c := &opened{collector{done: make(chan error, 1)}, make(chan struct{})}
	s.group.Loops()[0].Post(func() {
		place := loop.Addr{AddrPort: netip.MustParseAddrPort(addr)}
		if _, err := s.engines[0].Dial(loop.DialOptions{Addr: place}, &secure.Config{TLS: client}, c); err != nil {
			c.collector.done <- err
		}
	})
	go func() {
		for lines.Scan() {
		}
	}()
	select {
	case <-c.done:
	case err := <-c.collector.done:
		t.Fatalf("the connection ended with %v", err)
	}
	// It misses a command now and then.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, _ = io.WriteString(in, "r\n")
		select {
		case err := <-c.collector.done:
			var e *secure.Error
			if !errors.As(err, &e) || e.Handshake || !strings.Contains(e.Error(), "renegotiation") {
				t.Errorf("the connection ended with %v", err)
			}
			return
		case <-again.C:
		}
	}
}

// opened is a collector that tells when its handshake is done.
type opened struct {
	collector
	done chan struct{}
}

func (o *opened) Opened(loop.Conn) { close(o.done) }

// interactiveServer is openssl's, with its commands and what it prints.
func interactiveServer(t *testing.T, tool string, pair tls.Certificate) (io.Writer, *bufio.Scanner) {
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "both.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // ends what waits for a tool that behaves otherwise
	cmd := exec.CommandContext(ctx, tool, "s_server", "-accept", "127.0.0.1:0", "-cert", file, "-key", file, "-tls1_2")
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	return in, bufio.NewScanner(out)
}
