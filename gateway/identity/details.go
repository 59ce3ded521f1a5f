package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
)

// maxElement bounds what is told about one client, in bytes. The chain is left out if it does not fit, then the certificate,
// then names: servers accept no heads that are much longer.
const maxElement = 32 << 10

// Details choose what an element of X-Forwarded-Client-Cert tells beside By and Hash.
type Details struct {
	Subject, Cert, Chain, DNS, URI bool
}

// Element describes the client that shows peer, its own certificate first, to a server with the certificate local, as Envoy
// documents it:
//
//	By=<URI of local>;Hash=<SHA-256>;Cert="<PEM, URL-encoded>";Chain="<the same>";Subject="<RFC 2253>";URI=<...>;DNS=<...>
//
// It is printable ASCII; peer is not empty, local may be nil.
func (d Details) Element(local *x509.Certificate, peer []*x509.Certificate) string {
	e := element{}
	if local != nil {
		for _, uri := range uris(local) {
			e.add("By", uri)
		}
	}
	sum := sha256.Sum256(peer[0].Raw)
	e.add("Hash", hex.EncodeToString(sum[:]))
	// What follows is told if there is room for it; its place is fixed nevertheless.
	var cert, chain, subject, names element
	if d.Subject {
		subject.quoted("Subject", distinguishedName(peer[0].RawSubject))
	}
	if d.URI {
		for _, uri := range uris(peer[0]) {
			names.add("URI", uri)
		}
	}
	if d.DNS {
		for _, name := range peer[0].DNSNames {
			names.add("DNS", name)
		}
	}
	if d.Cert {
		cert.quoted("Cert", urlPEM(peer[:1]))
	}
	if d.Chain {
		chain.quoted("Chain", urlPEM(peer))
	}
	room := maxElement - e.Len()
	for _, part := range []*element{&subject, &names, &cert, &chain} {
		if part.Len()+1 > room {
			part.Reset()
		}
		room -= part.Len() + 1
	}
	for _, part := range []*element{&cert, &chain, &subject, &names} {
		if part.Len() > 0 {
			e.separate()
			e.WriteString(part.String())
		}
	}
	return e.String()
}

// An element is built of pairs.
type element struct{ strings.Builder }

func (e *element) separate() {
	if e.Len() > 0 {
		e.WriteByte(';')
	}
}

// add writes a pair. "If ,, ; or = appear in a value, the value should be double-quoted"; a quote, a backslash and what is no
// printable ASCII are written as in a URL, for neither a URI nor a name of a host can have them (RFC 3986, 2).
func (e *element) add(key, value string) {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			b.WriteByte('%')
			writeHex(&b, c)
		} else {
			b.WriteByte(c)
		}
	}
	if value = b.String(); strings.ContainsAny(value, ",;=") {
		e.quoted(key, value)
		return
	}
	e.separate()
	e.WriteString(key)
	e.WriteByte('=')
	e.WriteString(value)
}

// quoted writes a pair whose value is printable and has no quotes.
func (e *element) quoted(key, value string) {
	e.separate()
	e.WriteString(key)
	e.WriteString(`="`)
	e.WriteString(value)
	e.WriteByte('"')
}

// urlPEM is certificates in PEM form, as part of a URL.
func urlPEM(certs []*x509.Certificate) string {
	var text strings.Builder
	for _, c := range certs {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a Builder takes everything
	}
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(text.String())
}
