package certificates_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/gateway/certificates"
)

// authority is an issuer's own certificate as PEM text.
func (i *issuer) authority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})
}

// trusts reports whether r accepts what i has issued.
func trusts(t *testing.T, r *certificates.Roots, i *issuer) bool {
	t.Helper()
	block, _ := pem.Decode(i.good("a.test").chain)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: r.Current().Pool, CurrentTime: i.at})
	return err == nil
}

func TestRootsAreReplaced(t *testing.T) {
	one, two := newIssuer(t), newIssuer(t)
	path := filepath.Join(one.dir, "ca.pem")
	one.write(path, one.authority())
	var log bytes.Buffer
	o := one.options()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r, err := certificates.OpenRoots(path, o)
	if err != nil {
		t.Fatal(err)
	}
	before := r.Current()
	want := func(what string, first, second bool, refused int64, problem string) {
		t.Helper()
		for range 3 {
			r.Refresh() // looking again changes nothing and says nothing
		}
		if trusts(t, r, one) != first || trusts(t, r, two) != second {
			t.Errorf("%s: trusts %t and %t, want %t and %t", what, trusts(t, r, one), trusts(t, r, two), first, second)
		}
		st := r.Status()[0]
		if (st.Problem == nil) != (problem == "") || st.Problem != nil && !strings.Contains(st.Problem.Error(), problem) || st.Refused != refused {
			t.Errorf("%s: problem %v, %d refused; want %q and %d", what, st.Problem, st.Refused, problem, refused)
		}
		if lines := strings.Count(log.String(), "are refused"); int64(lines) != refused {
			t.Errorf("%s: %d lines about refusals, want %d", what, lines, refused)
		}
	}
	want("at first", true, false, 0, "")
	if r.Current() != before {
		t.Error("a file that has not changed made another set")
	}
	both := append(one.authority(), two.authority()...)
	one.write(path, both)
	want("both", true, true, 0, "")
	if now := r.Current(); now == before || now.Fingerprint == before.Fingerprint {
		t.Error("another set has the old one's fingerprint")
	}
	one.write(path, both[:len(both)-100])
	want("half a file", true, true, 1, "behind certificate 1")
	one.write(path, []byte("nothing"))
	want("no certificate", true, true, 2, "no certificate in it")
	one.write(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("nothing")}))
	want("no DER", true, true, 3, "certificate 1: ")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want("a missing file", true, true, 4, "no such file")
	two.write(path, two.authority())
	want("only the other", false, true, 4, "")
	if st := r.Status()[0]; st.Chain != path || st.Names[0] != "issuer" || !st.NotAfter.Equal(two.cert.NotAfter) || !st.Loaded.Equal(one.at) {
		t.Errorf("status %+v", st)
	}
}

func TestRootsAtTheStart(t *testing.T) {
	i := newIssuer(t)
	path := filepath.Join(i.dir, "ca.pem")
	if _, err := certificates.OpenRoots(path, i.options()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file: %v", err)
	}
	i.write(path, i.authority())
	late := certificates.Options{Now: func() time.Time { return i.cert.NotAfter.Add(time.Second) }}
	if _, err := certificates.OpenRoots(path, late); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("expired: %v", err)
	}
	r, err := certificates.OpenRoots(string(i.authority()), i.options())
	if err != nil || !r.Fixed() || !trusts(t, r, i) {
		t.Fatalf("inline: %v", err)
	}
	stop := r.Watch(time.Millisecond)
	r.Refresh()
	stop()
	if st := r.Status()[0]; st.Chain != "(inline CA)" || st.Problem != nil {
		t.Errorf("status %+v", st)
	}
}

// TestRootsSymlinkSwap replaces the file as Kubernetes does it, while it is watched.
func TestRootsSymlinkSwap(t *testing.T) {
	one, two := newIssuer(t), newIssuer(t)
	root := t.TempDir()
	generation := func(name string, i *issuer) {
		t.Helper()
		dir := filepath.Join(root, "..2026_"+name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		i.write(filepath.Join(dir, "ca.crt"), i.authority())
		link := filepath.Join(root, "..data_tmp")
		if err := os.Symlink(filepath.Base(dir), link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(root, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	generation("one", one)
	if err := os.Symlink(filepath.Join("..data", "ca.crt"), filepath.Join(root, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	r, err := certificates.OpenRoots(filepath.Join(root, "ca.crt"), one.options())
	if err != nil {
		t.Fatal(err)
	}
	stop := r.Watch(time.Millisecond)
	defer stop()
	generation("two", two)
	for end := time.Now().Add(time.Minute); !trusts(t, r, two); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the second generation is not in use: %v", r.Status()[0].Problem)
		}
	}
	if trusts(t, r, one) {
		t.Error("the first generation is still trusted")
	}
}
