package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The matrix of TLS is what clients may offer against what listeners may want: version, cipher suite, ALPN, SNI, client
// certificate, and whether a session is resumed. Each of its cells has the outcome that the specifications give it
// (expect), whoever the client is.

// A tlsOffer is a version, and the suites of it that a client has.
type tlsOffer struct {
	version uint16
	suites  []uint16 // none: the client's own
}

func (o tlsOffer) String() string {
	names := []string{tls.VersionName(o.version)}
	for _, id := range o.suites {
		names = append(names, tls.CipherSuiteName(id))
	}
	return strings.Join(names, " ")
}

// offers12 are single suites of TLS 1.2, the last four of which a listener has only if it is told so.
var offers12 = []tlsOffer{
	{tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}},
	{tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}},
	{tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
	{tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
	{tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}},
	{tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}},
	{tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}},
	{tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA}},
	{tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
	{tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
}

var offersOld = []tlsOffer{{version: tls.VersionTLS10}, {version: tls.VersionTLS11}}

// suites13 are those of TLS 1.3 (RFC 8446 section 9.1), which crypto/tls's clients always offer together.
var suites13 = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256}

// A tlsDemand is a listener, and the certificate that a client shows to it.
type tlsDemand struct {
	speaks string
	policy string // of client certificates: "", verify, require
	shows  string // "", valid, stranger, expired
}

// demands are all of them. Who is not asked shows nothing.
func demands() []tlsDemand {
	all := []tlsDemand{{speaks: "Http1,Http2"}, {speaks: "Http1"}, {speaks: "Http2"}}
	for _, policy := range []string{"verify", "require"} {
		for _, shows := range []string{"", "valid", "stranger", "expired"} {
			all = append(all, tlsDemand{"Http1,Http2", policy, shows})
		}
	}
	return all
}

// alpnOffers is what clients offer, most wanted first.
var alpnOffers = [][]string{
	{"h2", "http/1.1"}, {"http/1.1", "h2"}, {"h2"}, {"http/1.1"}, nil, {"unknown"}, {"unknown", "http/1.1"},
}

// serverNames is what clients ask for: one that a certificate has, one that a wildcard covers, one that is a label too
// deep for that, one with an RSA certificate only, one that nobody has, and none.
var serverNames = []string{"a.test", "x.wild.test", "x.y.wild.test", "rsa.test", "unknown.test", ""}

// A tlsCell is a client in front of a listener.
type tlsCell struct {
	tlsOffer
	tlsDemand
	alpn []string
	sni  string
}

func (c tlsCell) String() string {
	return fmt.Sprintf("[%s, ALPN %q, SNI %q, client certificate %q; listener for %s, client certificates %q]",
		c.tlsOffer, c.alpn, c.sni, c.shows, c.speaks, c.policy)
}

// Alerts, RFC 8446 section 6.
const (
	alertHandshakeFailure    = 40
	alertCertificateExpired  = 45
	alertUnknownCA           = 48
	alertProtocolVersion     = 70
	alertCertificateRequired = 116
	alertNoProtocol          = 120
)

// A tlsOutcome is what comes of a cell.
type tlsOutcome struct {
	alerts      []uint8 // refused with one of them
	suites      []uint16
	alpn        string
	certificate string // the name and the kind of key of the one that the client is shown
	http2       bool   // what is spoken
}

// expect derives the outcome of c.
func (c tlsCell) expect() (o tlsOutcome) {
	// RFC 8996 section 4: "TLS 1.0 MUST NOT be used"; section 5 says it of TLS 1.1.
	if c.version < tls.VersionTLS12 {
		return tlsOutcome{alerts: []uint8{alertProtocolVersion}}
	}
	var refused []uint8 // what a server does first of what follows is its own matter
	o.suites = c.suites
	name, keys := c.owner()
	key := keys[0]
	if c.version == tls.VersionTLS12 {
		var ok bool
		if key, ok = keyOf(c.suites[0]); !ok || !slices.Contains(keys, key) {
			refused = append(refused, alertHandshakeFailure) // RFC 5246 section 7.4.1.3
		}
	}
	o.certificate = name + " " + key
	var ok bool
	if o.alpn, ok = c.protocol(); !ok {
		refused = append(refused, alertNoProtocol) // RFC 7301 section 3.2
	}
	if len(refused) == 0 {
		refused = c.refusal()
	}
	o.alerts = refused
	o.http2 = o.alpn == "h2" || o.alpn == "" && c.speaks == "Http2"
	return o
}

// owner is the name that the certificate is made out to that a client gets who asks for c.sni, and the kinds of key for
// which there is one, most wanted first.
func (c tlsCell) owner() (name string, keys []string) {
	switch c.sni {
	case "rsa.test":
		return "rsa.test", []string{"RSA"}
	case "x.wild.test": // RFC 9525 section 6.3: a wildcard stands for one label
		return "*.wild.test", []string{"ECDSA", "RSA"}
	}
	return "a.test", []string{"ECDSA", "RSA"} // the first
}

// keyOf is the kind of the key that a suite of TLS 1.2 wants. Those without an ephemeral key exchange or without an AEAD
// are not for us: RFC 9325 section 4.1 and 4.2, RFC 9113 section 9.2.2.
func keyOf(suite uint16) (kind string, ok bool) {
	name := tls.CipherSuiteName(suite)
	exchange, cipher, _ := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	ephemeral, kind, _ := strings.Cut(exchange, "_")
	if kind == "" {
		kind = ephemeral
	}
	return kind, ephemeral == "ECDHE" && (strings.Contains(cipher, "GCM") || strings.Contains(cipher, "POLY1305"))
}

// protocol is what ALPN comes to: RFC 7301 section 3.2, by the server's preference.
func (c tlsCell) protocol() (name string, ok bool) {
	if c.alpn == nil {
		return "", true
	}
	for _, p := range [][2]string{{"h2", "Http2"}, {"http/1.1", "Http1"}} {
		if strings.Contains(c.speaks, p[1]) && slices.Contains(c.alpn, p[0]) {
			return p[0], true
		}
	}
	return "", false
}

// refusal is what becomes of the client's certificate, if it is bad.
func (c tlsCell) refusal() []uint8 {
	switch {
	case c.policy == "" || c.shows == "valid" || c.shows == "" && c.policy == "verify":
		return nil
	case c.shows == "" && c.version == tls.VersionTLS13:
		return []uint8{alertCertificateRequired} // RFC 8446 section 4.4.2.4
	case c.shows == "":
		return []uint8{alertHandshakeFailure} // RFC 5246 section 7.4.6
	case c.shows == "stranger":
		return []uint8{alertUnknownCA}
	}
	return []uint8{alertCertificateExpired}
}

// A tlsIdentity is a certificate with its key, as everybody wants it.
type tlsIdentity struct {
	chain, key string
	pair       tls.Certificate
	files      string // path of chain + ".key": the key's
}

// A tlsMatrix is the gateways of the matrix, one for each kind of listener.
type tlsMatrix struct {
	w        *world
	ca       *authority
	caFile   string
	owners   map[string]string // by certificate
	clients  map[string]*tlsIdentity
	gateways map[tlsDemand]*running // by listener
}

// newTLSMatrix starts the gateways. What is behind them answers with the scheme, the version and the path that it sees.
func newTLSMatrix(t *testing.T) *tlsMatrix {
	w := newWorld(t)
	m := &tlsMatrix{w: w, ca: newAuthority(t), owners: map[string]string{}, clients: map[string]*tlsIdentity{},
		gateways: map[tlsDemand]*running{}}
	dir := t.TempDir()
	m.caFile = filepath.Join(dir, "ca.pem")
	w.write(m.caFile, []byte(m.ca.PEM))
	stranger := newAuthority(t)
	for name, issuer := range map[string]*authority{"valid": m.ca, "stranger": stranger, "expired": m.ca} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		ends := time.Now().Add(time.Hour)
		if name == "expired" {
			ends = time.Now().Add(-time.Minute)
		}
		id := issuer.identity(key, ends, name, "client.test")
		id.files = filepath.Join(dir, name+".pem")
		w.write(id.files, []byte(id.chain))
		w.write(id.files+".key", []byte(id.key))
		m.clients[name] = id
	}
	contexts := m.contexts(t)
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, m.answer(r.Header.Get("X-Forwarded-Proto"), r.URL.Path)) // the client tells
	})
	for _, d := range demands() {
		d.shows = ""
		if m.gateways[d] != nil {
			continue
		}
		more := map[string]string{"verify": `,"verify_client":true`, "require": `,"verify_client":true,"require_client_cert":true`}[d.policy]
		if more != "" {
			more += fmt.Sprintf(`,"ca_cert":%q`, m.ca.PEM)
		}
		m.gateways[d] = w.start(sketch{loops: 2, speaks: d.speaks, proxy: `"forwarded":{"via":false}`, hosts: []string{upstream},
			route: `"upstream_protocol":"Http1"`, document: adminOnAnyPort,
			chain: `"tls_context_set":[` + strings.ReplaceAll(strings.Join(contexts, ","), "MORE", more) + `]`}.String())
	}
	return m
}

// contexts are the listeners' certificates.
func (m *tlsMatrix) contexts(t *testing.T) (contexts []string) {
	weak, err := rsa.GenerateKey(rand.Reader, 2048) // one is enough: what counts is who signs what
	if err != nil {
		t.Fatal(err)
	}
	strong, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{"a.test RSA", "a.test ECDSA", "*.wild.test ECDSA", "*.wild.test RSA", "rsa.test RSA"} {
		name, kind, _ := strings.Cut(owner, " ")
		id := m.ca.identity(map[string]crypto.Signer{"RSA": weak, "ECDSA": strong}[kind], time.Now().Add(time.Hour), owner, name)
		m.owners[string(id.pair.Leaf.Raw)] = owner
		contexts = append(contexts, fmt.Sprintf(`{"status":true,"cert_chain":%q,"private_key":%q MORE}`, id.chain, id.key))
	}
	return contexts
}

// identity makes a certificate for a name, for key.
func (a *authority) identity(key crypto.Signer, ends time.Time, owner, name string) *tlsIdentity {
	a.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: owner},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: ends, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	id := &tlsIdentity{chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))}
	if id.pair, err = tls.X509KeyPair([]byte(id.chain), []byte(id.key)); err != nil {
		a.t.Fatal(err)
	}
	return id
}

func (m *tlsMatrix) answer(scheme, path string) string { return fmt.Sprintf("(%s %s)", scheme, path) }

// gateway is the one that c is in front of.
func (m *tlsMatrix) gateway(c tlsCell) *running {
	d := c.tlsDemand
	d.shows = ""
	return m.gateways[d]
}

// authority is what c's requests are for: what the client asks for, if it knows a name.
func (c tlsCell) authority() string {
	if c.sni == "" {
		return "a.test"
	}
	return c.sni
}
