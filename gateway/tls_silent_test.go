package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"sluice/loop/looptest"
	"sluice/loop/secure"
)

// inlinePair is a certificate that is good for a test, and its key, both as PEM text.
func inlinePair(t *testing.T) (chain, key string) {
	t.Helper()
	private, errKey := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, errDER := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	secret, errSecret := x509.MarshalPKCS8PrivateKey(private)
	if err := errors.Join(errKey, errDER, errSecret); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// tlsDoc is plain(toCluster, "") with TLS.
func tlsDoc(t *testing.T) string {
	chain, key := inlinePair(t)
	return strings.Replace(plain(toCluster, ""), `"filter_chains":[{`,
		fmt.Sprintf(`"filter_chains":[{"tls_context":{"status":true,"cert_chain":%q,"private_key":%q},`, chain, key), 1)
}

// TestTLSOfSilentClients: who says nothing, or half a ClientHello, is sent away after the time for handshakes, counted.
func TestTLSOfSilentClients(t *testing.T) {
	r := newRig(t, tlsDoc(t))
	hello := clientHello(t, "a.test")
	var clients []*looptest.Peer
	for _, part := range []int{0, 3, len(hello) / 2} {
		c := r.connect()
		c.SendBytes(hello[:part])
		clients = append(clients, c)
	}
	down := r.g.tls.down[0]
	r.l.Advance(secure.DefaultTimeout - 100*time.Millisecond)
	if n := down.Counters().Waiting; n != int64(len(clients)) {
		t.Errorf("%d handshakes wait, want %d", n, len(clients))
	}
	r.l.Advance(200 * time.Millisecond)
	if c := down.Counters(); c.Waiting != 0 || c.HandshakeErrors[secure.ReasonTimeout] != int64(len(clients)) {
		t.Errorf("%d wait, %d have timed out, want 0 and %d", c.Waiting, c.HandshakeErrors[secure.ReasonTimeout], len(clients))
	}
	for i, c := range clients {
		if !c.Closed() || c.Total() != 0 {
			t.Errorf("client %d has got %q; closed: %t", i, c.Received(), c.Closed())
		}
	}
}
