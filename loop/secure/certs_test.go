package secure_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// an authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	pool *x509.CertPool
}

// at is a time at which all test certificates are valid.
func at() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: at().Add(-time.Hour), NotAfter: at().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert = sign(t, tmpl, tmpl, key.Public(), key)
	a.pool.AddCert(a.cert)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, tmpl, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a certificate for names, changed by with.
func (a *authority) issue(t testing.TB, with func(*x509.Certificate), names ...string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: at().Add(-time.Hour), NotAfter: at().Add(100 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if with != nil {
		with(tmpl)
	}
	cert := sign(t, tmpl, a.cert, key.Public(), a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// pair returns configurations of a server for "server.test" and of its client, both limited to version (0: any).
func (a *authority) pair(t testing.TB, version uint16) (server, client *tls.Config) {
	t.Helper()
	server = &tls.Config{
		Certificates: []tls.Certificate{a.issue(t, nil, "server.test")}, Time: at,
		MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}, DynamicRecordSizingDisabled: true,
	}
	client = &tls.Config{
		RootCAs: a.pool, ServerName: "server.test", Time: at, MinVersion: version, MaxVersion: version,
		NextProtos: []string{"http/1.1"}, DynamicRecordSizingDisabled: true,
	}
	return server, client
}

// versions are those that every test of bytes runs with.
func versions() map[string]uint16 {
	return map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
}
