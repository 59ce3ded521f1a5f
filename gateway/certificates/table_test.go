package certificates_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/certificates"
)

// TestGroups: what a client can get by its name, its protocols and what it can verify, and what it can't.
func TestGroups(t *testing.T) {
	i := newIssuer(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	open, closed := i.save("open", i.good("open.test", "both.test")), i.save("closed", i.good("*.closed.test", "both.test"))
	guarded := i.save("guarded", i.issue(rsaKey, -time.Hour, time.Hour, "guarded.test"))
	easy := i.save("easy", i.good("guarded.test"))
	grpc := i.save("grpc", i.good("rpc.test"))
	late := i.save("late", i.good("all.test", "late.test"))
	all := i.save("all", i.good("all.test"))
	closed.Group, guarded.Group, grpc.Group, all.Group = "closed", "closed", "grpc", "closed"
	open.Protocols, closed.Protocols, grpc.Protocols = []string{"http/1.1"}, []string{"http/1.1", "h2"}, []string{"h2"}
	guarded.Protocols = []string{"http/1.1"}
	easy.Protocols = []string{"http/1.1"}
	s, err := certificates.Open([]certificates.Source{open, closed, guarded, easy, grpc, all, late}, i.options())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		protocols []string
		want      int // serial: 2 open, 3 closed, 4 guarded, 5 easy, 6 grpc
		groups    []string
	}{
		{"open.test", nil, 2, []string{""}},
		{"open.test", []string{"h2"}, 0, nil}, // by name first: the handshake fails, for there is no protocol in common
		{"x.closed.test", nil, 3, []string{"closed"}},
		{"both.test", nil, 2, []string{"", "closed"}},
		{"both.test", []string{"h2", "http/1.1"}, 2, nil},
		{"both.test", []string{"h2"}, 3, nil},
		{"guarded.test", nil, 4, []string{"closed"}}, // the ECDSA pair is of another group, however cheap
		{"all.test", nil, 8, []string{"closed"}},     // which is for every client: nobody gets to the one behind it
		{"late.test", nil, 7, []string{""}},
		{"rpc.test", []string{"h2"}, 6, []string{"grpc"}},
		{"", nil, 2, []string{"", "closed"}},
		{"unknown.test", []string{"h2"}, 3, []string{"", "closed"}},
		{"unknown.test", []string{"spdy"}, 8, nil},
		{"both.test", []string{"spdy"}, 2, nil},
	} {
		shown := int64(0)
		helloFor := &tls.ClientHelloInfo{
			ServerName: c.name, SupportedProtos: c.protocols, SupportedVersions: []uint16{tls.VersionTLS13},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256},
			SupportedCurves:  []tls.CurveID{tls.X25519},
		}
		source, pair := s.Choose(helloFor)
		if pair != nil {
			shown = pair.Leaf.SerialNumber.Int64()
		}
		want := c.want
		if want == 0 {
			want = 2 // the choice of the name stands
		}
		if shown != int64(want) {
			t.Errorf("%q %v: source %d, number %d, want %d", c.name, c.protocols, source, shown, want)
		}
		if got := s.Groups(c.name); c.groups != nil && !slices.Equal(got, c.groups) {
			t.Errorf("%q: groups %q, want %q", c.name, got, c.groups)
		}
	}
}

// TestOptional: a pair that may be missing is used as soon as it is there, and not given up again.
func TestOptional(t *testing.T) {
	i := newIssuer(t)
	var log bytes.Buffer
	o := i.options()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	source := i.save("a", i.good("a.test"))
	good, err := os.ReadFile(source.Chain)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(source.Chain); err != nil {
		t.Fatal(err)
	}
	source.Optional = true
	s, err := certificates.Open([]certificates.Source{source}, o)
	if err != nil {
		t.Fatal(err)
	}
	if index, pair := s.Choose(&tls.ClientHelloInfo{}); s.Ready() || index != -1 || pair != nil {
		t.Errorf("ready %t, source %d, pair %v without a certificate", s.Ready(), index, pair)
	}
	if st := s.Status()[0]; st.Problem == nil || !st.NotAfter.IsZero() || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("status %+v; log %s", st, log.String())
	}
	i.write(source.Chain, good[:100])
	s.Refresh()
	if s.Ready() || s.Status()[0].Refused != 1 {
		t.Errorf("ready %t, refused %d with half a file", s.Ready(), s.Status()[0].Refused)
	}
	i.write(source.Chain, good)
	s.Refresh()
	if !s.Ready() || s.Status()[0].Problem != nil || !strings.Contains(log.String(), "has come\"") {
		t.Errorf("ready %t, problem %v with a good file; log %s", s.Ready(), s.Status()[0].Problem, log.String())
	}
	if err := os.Remove(source.Chain); err != nil {
		t.Fatal(err)
	}
	s.Refresh()
	if !s.Ready() {
		t.Error("the last good pair was given up")
	}
}
