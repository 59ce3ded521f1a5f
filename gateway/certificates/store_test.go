package certificates_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/gateway/certificates"
)

// issuer signs the certificates of a test.
type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
	dir  string
	at   time.Time
	n    int64
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, dir: t.TempDir(), at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	i.key = ecKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: i.at.Add(-time.Hour), NotAfter: i.at.Add(10000 * time.Hour)}
	i.cert = tmpl
	i.cert = i.sign(tmpl, i.key.Public())
	return i
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (i *issuer) sign(tmpl *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	i.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, i.cert, pub, i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return cert
}

// pair is PEM text of a chain and a key.
type pair struct{ chain, key []byte }

func (i *issuer) issue(key crypto.Signer, from, to time.Duration, names ...string) pair {
	i.t.Helper()
	i.n++
	cert := i.sign(&x509.Certificate{SerialNumber: big.NewInt(1 + i.n), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: i.at.Add(from), NotAfter: i.at.Add(to), KeyUsage: x509.KeyUsageDigitalSignature}, key.Public())
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		i.t.Fatal(err)
	}
	return pair{
		chain: append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})...),
		key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

func (i *issuer) good(names ...string) pair {
	return i.issue(ecKey(i.t), -time.Hour, 100*time.Hour, names...)
}

// save writes p under name, as a rename does it.
func (i *issuer) save(name string, p pair) certificates.Source {
	i.t.Helper()
	s := certificates.Source{Chain: filepath.Join(i.dir, name+".pem"), Key: filepath.Join(i.dir, name+".key")}
	for path, text := range map[string][]byte{s.Chain: p.chain, s.Key: p.key} {
		i.write(path, text)
	}
	return s
}

func (i *issuer) write(path string, text []byte) {
	i.t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		i.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		i.t.Fatal(err)
	}
}

func (i *issuer) options() certificates.Options {
	return certificates.Options{Now: func() time.Time { return i.at }}
}

// hello is what a client of crypto/tls asks with.
func hello(t *testing.T, s *certificates.Store, cfg *tls.Config) (shown *x509.Certificate) {
	t.Helper()
	cfg.InsecureSkipVerify = true
	left, right := net.Pipe()
	server := tls.Server(left, &tls.Config{GetCertificate: s.GetCertificate, SessionTicketsDisabled: true})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	client := tls.Client(right, cfg)
	if client.Handshake() == nil {
		shown = client.ConnectionState().PeerCertificates[0]
	}
	_ = right.Close()
	_ = left.Close()
	<-done
	return shown
}

func TestChoice(t *testing.T) {
	i := newIssuer(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sources := []certificates.Source{
		i.save("first", i.issue(rsaKey, -time.Hour, time.Hour, "first.test")),
		i.save("ec", i.good("first.test")),
		i.save("wild", i.good("*.wild.test")),
		i.save("exact", i.good("a.wild.test", "B.Test")),
	}
	sources[2].Names = []string{"named.test"}
	s, err := certificates.Open(sources, i.options())
	if err != nil {
		t.Fatal(err)
	}
	strict := i.options()
	strict.Strict = true
	only, err := certificates.Open(sources, strict)
	if err != nil {
		t.Fatal(err)
	}
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for _, c := range []struct {
		name   string
		suites []uint16
		serial int64
		strict int64 // 0: refused
	}{
		{"first.test", nil, 3, 3},
		{"FIRST.test.", nil, 3, 3},
		{"first.test", rsaOnly, 2, 2},
		{"x.wild.test", nil, 4, 4},
		{"x.y.wild.test", nil, 3, 0},
		{"wild.test", nil, 3, 0},
		{"a.wild.test", nil, 5, 5},
		{"b.test", nil, 5, 5},
		{"named.test", nil, 4, 4},
		{"", nil, 3, 0},
		{"", rsaOnly, 2, 0},
		{"unknown.test", nil, 3, 0},
		{"unknown.test", rsaOnly, 2, 0},
	} {
		cfg := &tls.Config{ServerName: c.name, CipherSuites: c.suites}
		if c.suites != nil {
			cfg.MaxVersion = tls.VersionTLS12
		}
		if shown := hello(t, s, cfg); shown == nil || shown.SerialNumber.Int64() != c.serial {
			t.Errorf("%q: %v, want number %d", c.name, shown, c.serial)
		}
		shown := hello(t, only, cfg)
		if shown == nil != (c.strict == 0) || shown != nil && shown.SerialNumber.Int64() != c.strict {
			t.Errorf("%q, strict: %v, want number %d", c.name, shown, c.strict)
		}
	}
	if own, err := s.GetClientCertificate(nil); err != nil || own.Leaf.SerialNumber.Int64() != 2 {
		t.Errorf("the client's certificate: %v, %v", own, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	i := newIssuer(t)
	good, other := i.good("a.test"), i.good("b.test")
	expired := i.issue(ecKey(t), -2*time.Hour, -time.Hour, "old.test")
	future := i.issue(ecKey(t), time.Hour, 2*time.Hour, "new.test")
	for want, sources := range map[string][]certificates.Source{
		"no certificate is given":       nil,
		"does not match":                {{Chain: string(good.chain), Key: string(other.key)}},
		"expired on 2026-01-02T02:04":   {i.save("expired", expired)},
		"valid from 2026-01-02T04:04":   {i.save("future", future)},
		"no such file":                  {{Chain: filepath.Join(i.dir, "missing.pem"), Key: string(good.key)}},
		"failed to find any PEM":        {i.save("empty", pair{key: good.key})},
		"not the issuer of the one":     {{Chain: string(append(good.chain[:len(good.chain):len(good.chain)], other.chain...)), Key: string(good.key)}},
		"has 2097152 bytes":             {i.save("long", pair{chain: make([]byte, 2<<20), key: good.key})},
		"certificate (inline) with key": {{Chain: string(good.chain), Key: "-----BEGIN PRIVATE KEY-----\n"}},
	} {
		_, err := certificates.Open(sources, i.options())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	_, err := certificates.Open([]certificates.Source{i.save("x", expired), i.save("y", future)}, i.options())
	if err == nil || !strings.Contains(err.Error(), "expired") || !strings.Contains(err.Error(), "valid from") {
		t.Errorf("not every problem is told: %v", err)
	}
}

func TestRefresh(t *testing.T) {
	i := newIssuer(t)
	source := i.save("a", i.good("a.test"))
	var log bytes.Buffer
	o := i.options()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := certificates.Open([]certificates.Source{source}, o)
	if err != nil {
		t.Fatal(err)
	}
	want := func(what string, serial int64, refused int64, problem string) {
		t.Helper()
		for range 3 {
			s.Refresh() // looking again changes nothing and says nothing
		}
		st := s.Status()[0]
		if shown := hello(t, s, &tls.Config{ServerName: "a.test"}); shown.SerialNumber.Int64() != serial || st.Refused != refused {
			t.Errorf("%s: number %d, %d refused; want %d and %d", what, shown.SerialNumber, st.Refused, serial, refused)
		}
		if (st.Problem == nil) != (problem == "") || st.Problem != nil && !strings.Contains(st.Problem.Error(), problem) {
			t.Errorf("%s: problem %v, want %q", what, st.Problem, problem)
		}
		if lines := strings.Count(log.String(), "is refused"); int64(lines) != refused {
			t.Errorf("%s: %d lines about refusals, want %d", what, lines, refused)
		}
	}
	want("at first", 2, 0, "")
	next := i.good("a.test")
	i.write(source.Chain, next.chain)
	want("half of a change", 2, 1, "does not match")
	i.write(source.Key, next.key)
	want("the other half", 3, 1, "")
	i.save("a", i.issue(ecKey(t), -2*time.Hour, -time.Hour, "a.test"))
	want("an expired one", 3, 2, "expired")
	i.write(source.Chain, next.chain[:len(next.chain)/4])
	i.write(source.Key, next.key)
	want("half a file", 3, 3, "PEM")
	if err := os.Remove(source.Chain); err != nil {
		t.Fatal(err)
	}
	want("a missing file", 3, 4, "no such file")
	i.write(source.Chain, next.chain)
	want("it is back", 3, 4, "")
	if strings.Contains(log.String(), "BEGIN") {
		t.Error("the log shows a key")
	}
	if st := s.Status()[0]; st.Names[0] != "a.test" || !st.NotAfter.Equal(i.at.Add(100*time.Hour)) || !st.Loaded.Equal(i.at) {
		t.Errorf("status %+v", st)
	}
}

// TestSymlinkSwap replaces both files at once, as Kubernetes does it.
func TestSymlinkSwap(t *testing.T) {
	i := newIssuer(t)
	root := i.dir
	generation := func(name string, p pair) {
		i.dir = filepath.Join(root, name)
		if err := os.Mkdir(i.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		i.save("tls", p)
		link := filepath.Join(root, "data.new")
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(root, "data")); err != nil {
			t.Fatal(err)
		}
	}
	generation("one", i.good("a.test"))
	s, err := certificates.Open([]certificates.Source{{
		Chain: filepath.Join(root, "data", "tls.pem"), Key: filepath.Join(root, "data", "tls.key"),
	}}, certificates.Options{Now: func() time.Time { return i.at }})
	if err != nil {
		t.Fatal(err)
	}
	generation("two", i.good("a.test"))
	stop := s.Watch(time.Millisecond)
	defer stop()
	for range 5000 {
		if hello(t, s, &tls.Config{ServerName: "a.test"}).SerialNumber.Int64() == 3 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("the second generation is not in use: %v", s.Status()[0].Problem)
}
