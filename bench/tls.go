package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

// The versions of TLS that a load speaks. Proxies are configured for both.
const tls12, tls13 = "1.2", "1.3"

// An identity is what proxies show to clients: a P-256 ECDSA certificate for 127.0.0.1 that is signed by itself.
type identity struct {
	certificate, key string // files
	both             string // the two in one file, as HAProxy wants them
	roots            *x509.CertPool
}

// newIdentity makes one in a directory.
func newIdentity(shop *workshop) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(7 * 24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	chainPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	id := &identity{certificate: shop.path("cert.pem"), key: shop.path("key.pem"), both: shop.path("both.pem"), roots: x509.NewCertPool()}
	id.roots.AppendCertsFromPEM(chainPEM)
	return id, errors.Join(
		os.WriteFile(id.certificate, chainPEM, 0o644),
		os.WriteFile(id.key, keyPEM, 0o600),
		os.WriteFile(id.both, slices.Concat(chainPEM, keyPEM), 0o600))
}

// prepareTLS makes a certificate, and the load generators that speak TLS, when a workload needs them. A machine on which they
// can't be compiled leaves those workloads out; h2load brings its own TLS.
func (b *bench) prepareTLS(ctx context.Context) error {
	needsTLS := func(w workload) bool { return w.tls != "" }
	needsOpenSSL := func(w workload) bool { return w.tls != "" && w.link.down != http2 }
	if !slices.ContainsFunc(b.options.workloads, needsTLS) {
		return nil
	}
	var err error
	if b.identity, err = newIdentity(b.shop); err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	if !slices.ContainsFunc(b.options.workloads, needsOpenSSL) {
		return nil
	}
	if err = b.compileTLS(ctx); err == nil {
		return nil
	}
	if install := b.debianLibrary(ctx, "libssl-dev"); install == nil {
		err = b.compileTLS(ctx)
	} else {
		err = errors.Join(install, err)
	}
	if err != nil {
		b.report.Skipped = append(b.report.Skipped, "HTTPS/1 and handshakes: skipped: their load generators need OpenSSL's headers (Debian: libssl-dev): "+err.Error())
		b.options.workloads = slices.DeleteFunc(slices.Clone(b.options.workloads), needsOpenSSL)
	}
	return nil
}

func (b *bench) compileTLS(ctx context.Context) error {
	openSSL := []string{"-lssl", "-lcrypto"}
	var errLoad, errHandshake error
	b.tlsLoadBinary, errLoad = b.shop.compileAs(ctx, "tlsload", "load", append(openSSL, "-DWITH_TLS")...)
	b.handshakeBinary, errHandshake = b.shop.compileAs(ctx, "handshake", "handshake", openSSL...)
	return errors.Join(errLoad, errHandshake)
}

// handshakeArgs are the options of the handshake generator.
func (w workload) handshakeArgs(port int) []string {
	args := []string{"--gate", "--port", fmt.Sprint(port), "--connections", fmt.Sprint(w.connections), "--version", w.tls}
	if w.resume {
		args = append(args, "--resume")
	}
	return args
}
