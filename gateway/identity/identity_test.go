package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"

	"sluice/gateway/identity"
)

// issue makes a certificate of template, signed by itself.
func issue(t testing.TB, template *x509.Certificate) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t testing.TB, texts ...string) (all []*url.URL) {
	t.Helper()
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}

func TestWelcomes(t *testing.T) {
	c := issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "subject.test"}, DNSNames: []string{"App.Example.org", "other.test"},
		URIs:           parse(t, "spiffe://example.org/ns/prod/sa/app"),
		EmailAddresses: []string{"me@example.org"},
		IPAddresses:    []net.IP{net.IPv4(10, 1, 2, 3), net.ParseIP("2001:db8::1")},
	})
	nameless := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "app.example.org"}})
	for _, tt := range []struct {
		p    identity.Pattern
		want bool
	}{
		{identity.Pattern{Kind: identity.DNS, Exact: "app.example.ORG"}, true},
		{identity.Pattern{Kind: identity.DNS, Exact: "example.org"}, false},
		{identity.Pattern{Kind: identity.DNS, Exact: "subject.test"}, false}, // the common name is nobody's
		{identity.Pattern{Kind: identity.DNS, Suffix: ".example.org"}, true},
		{identity.Pattern{Kind: identity.DNS, Prefix: "app.", Suffix: ".org"}, true},
		{identity.Pattern{Kind: identity.DNS, Prefix: "app.example.", Suffix: ".example.org"}, false}, // they overlap
		{identity.Pattern{Kind: identity.DNS, Prefix: "b"}, false},
		{identity.Pattern{Kind: identity.URI, Exact: "spiffe://example.org/ns/prod/sa/app"}, true},
		{identity.Pattern{Kind: identity.URI, Exact: "spiffe://EXAMPLE.org/ns/prod/sa/app"}, false},
		{identity.Pattern{Kind: identity.URI, Prefix: "spiffe://example.org/ns/prod/"}, true},
		{identity.Pattern{Kind: identity.URI, Prefix: "spiffe://example.org/ns/test/"}, false},
		{identity.Pattern{Kind: identity.URI, Prefix: "spiffe://example.org/", Suffix: "/sa/app"}, true},
		{identity.Pattern{Kind: identity.Email, Suffix: "@example.org"}, true},
		{identity.Pattern{Kind: identity.Email, Exact: "you@example.org"}, false},
		{identity.Pattern{Kind: identity.IP, Exact: "10.1.2.3"}, true},
		{identity.Pattern{Kind: identity.IP, Exact: "::ffff:10.1.2.3"}, true},
		{identity.Pattern{Kind: identity.IP, Exact: "2001:db8:0::1"}, true},
		{identity.Pattern{Kind: identity.IP, Prefix: "10.0.0.0/8"}, true},
		{identity.Pattern{Kind: identity.IP, Prefix: "10.2.0.0/16"}, false},
	} {
		l, err := identity.NewList([]identity.Pattern{{Kind: identity.DNS, Exact: "nobody.test"}, tt.p})
		if err != nil {
			t.Errorf("%+v: %v", tt.p, err)
			continue
		}
		if got := l.Welcomes(c); got != tt.want {
			t.Errorf("%+v: %t, want %t", tt.p, got, tt.want)
		}
		if l.Welcomes(nameless) {
			t.Errorf("%+v welcomes a certificate without names", tt.p)
		}
	}
	var none *identity.List
	if !none.Welcomes(nameless) {
		t.Error("no list refuses")
	}
}

func TestPatternsThatCantBeMeant(t *testing.T) {
	for want, p := range map[string]identity.Pattern{
		"every name":                    {Kind: identity.URI},
		"one or the other":              {Kind: identity.DNS, Exact: "a", Suffix: ".b"},
		`"evilexample.org"; begin it`:   {Kind: identity.DNS, Suffix: "example.org"},
		`"x@evilexample.org"; begin it`: {Kind: identity.Email, Suffix: "example.org"},
		"the slash behind it":           {Kind: identity.URI, Prefix: "spiffe://example.org"},
		"with the host":                 {Kind: identity.URI, Suffix: "/sa/app"},
		"an address has no suffix":      {Kind: identity.IP, Suffix: ".1"},
		"expected an IP address":        {Kind: identity.IP, Exact: "10.0.0"},
		"expected a network":            {Kind: identity.IP, Prefix: "10."},
		`found "::ffff:10.0.0.0/104"`:   {Kind: identity.IP, Prefix: "::ffff:10.0.0.0/104"},
	} {
		if _, err := identity.NewList([]identity.Pattern{p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestElement(t *testing.T) {
	local := issue(t, &x509.Certificate{URIs: parse(t, "spiffe://example.org/gateway", "spiffe://example.org/a,b")})
	client := issue(t, &x509.Certificate{
		Subject:  pkix.Name{CommonName: "app", Organization: []string{"Example, Inc."}, Country: []string{"DE"}},
		DNSNames: []string{"app.example.org", "b.example.org"},
		URIs:     parse(t, "spiffe://example.org/app", "urn:x;y=z"),
	})
	issuer := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "issuer"}})
	chain := []*x509.Certificate{client, issuer}
	by := `By=spiffe://example.org/gateway;By="spiffe://example.org/a,b";`
	hash := fmt.Sprintf("Hash=%x", sha256.Sum256(client.Raw))
	for _, tt := range []struct {
		details identity.Details
		local   *x509.Certificate
		want    string
	}{
		{identity.Details{}, nil, hash},
		{identity.Details{}, client, `By=spiffe://example.org/app;By="urn:x;y=z";` + hash},
		{identity.Details{Subject: true}, local, by + hash + `;Subject="CN=app,O=Example\, Inc.,C=DE"`},
		{identity.Details{URI: true, DNS: true, Subject: true}, nil, hash +
			`;Subject="CN=app,O=Example\, Inc.,C=DE";URI=spiffe://example.org/app;URI="urn:x;y=z";DNS=app.example.org;DNS=b.example.org`},
	} {
		if got := tt.details.Element(tt.local, chain); got != tt.want {
			t.Errorf("%+v:\n%s, want\n%s", tt.details, got, tt.want)
		}
	}
	got := identity.Details{Cert: true, Chain: true, DNS: true}.Element(nil, chain)
	var texts [2]string
	if n, err := fmt.Sscanf(got, hash+`;Cert=%q;Chain=%q;DNS=app.example.org;DNS=b.example.org`, &texts[0], &texts[1]); n != 2 || err != nil {
		t.Fatalf("%d, %v: %s", n, err, got)
	}
	for i, want := range [][]*x509.Certificate{{client}, chain} {
		text, err := url.PathUnescape(texts[i])
		if err != nil || strings.ContainsAny(texts[i], "+/= \n") {
			t.Errorf("%s: %v", texts[i], err)
		}
		rest := []byte(text)
		for _, c := range want {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil || string(block.Bytes) != string(c.Raw) {
				t.Errorf("%s is not the certificate", text)
			}
		}
		if len(rest) > 0 {
			t.Errorf("%q follows", rest)
		}
	}
}

// What somebody had signed must not end a value, the field or the line, whoever reads it.
func TestElementCantBeInjected(t *testing.T) {
	oid := asn1.ObjectIdentifier{2, 5, 4, 3}
	for _, evil := range []string{
		`x";Hash=0000;Subject="CN=admin`, "x\r\nX-Admin: 1", `x\`, `x\";URI=spiffe://evil/`, "x\x00y", "grüß", " x ", "#x", "a+b<c>;d",
	} {
		c := issue(t, &x509.Certificate{Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: oid, Value: evil}}}})
		got := identity.Details{Subject: true, URI: true}.Element(nil, []*x509.Certificate{c})
		if strings.Count(got, `"`) != 2 || strings.Contains(got, `\"`) || !strings.HasSuffix(got, `"`) || strings.HasSuffix(got, `\"`) {
			t.Errorf("%q gives the quotes of %s", evil, got)
		}
		for _, b := range []byte(got) {
			if b < ' ' || b >= 0x7f {
				t.Errorf("%q gives %q", evil, got)
			}
		}
		// What is inside is still the name.
		_, dn, _ := strings.Cut(got, `Subject="CN=`)
		if back := unescape(strings.TrimSuffix(dn, `"`)); back != evil {
			t.Errorf("%q was told as %q, which is %q", evil, dn, back)
		}
	}
}

// unescape reads a value as RFC 4514 says.
func unescape(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		var c byte
		if n, err := fmt.Sscanf(s[i+1:min(len(s), i+3)], "%02X", &c); n == 1 && err == nil && i+2 < len(s) {
			b = append(b, c)
			i += 2
			continue
		}
		i++
		b = append(b, s[i])
	}
	return string(b)
}

func TestSubjects(t *testing.T) {
	value := func(oid asn1.ObjectIdentifier, v any) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oid, Value: v}
	}
	cn, dc, uid := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	mail, odd := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, asn1.ObjectIdentifier{1, 2, 3}
	for want, rdns := range map[string]pkix.RDNSequence{
		"":                       {},
		"CN=a,DC=example,DC=org": {{value(dc, "org")}, {value(dc, "example")}, {value(cn, "a")}},
		"CN=a+UID=7,DC=org":      {{value(dc, "org")}, {value(cn, "a"), value(uid, "7")}},
		"emailAddress=a@b":       {{value(mail, asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte("a@b")})}},
		"1.2.3=#130161":          {{value(odd, "a")}},
		`CN=\C3\BC`:              {{value(cn, asn1.RawValue{Tag: asn1.TagT61String, Bytes: []byte{0xfc}})}},
	} {
		der, err := asn1.Marshal(rdns)
		if err != nil {
			t.Fatal(err)
		}
		c := issue(t, &x509.Certificate{RawSubject: der})
		got := identity.Details{Subject: true}.Element(nil, []*x509.Certificate{c})
		if _, got, _ = strings.Cut(got, ";"); got != `Subject="`+want+`"` {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A client may send certificates of any number; what is told about it stays something that can be sent.
func TestElementIsBounded(t *testing.T) {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "long"}}
	for i := range 1000 {
		template.DNSNames = append(template.DNSNames, fmt.Sprintf("host-%d.%s.example.org", i, strings.Repeat("x", 40)))
	}
	c := issue(t, template)
	for _, d := range []identity.Details{{DNS: true}, {Cert: true, Chain: true, Subject: true, DNS: true, URI: true}} {
		got := d.Element(nil, []*x509.Certificate{c, c})
		if len(got) > 32<<10 || !strings.HasPrefix(got, "Hash=") || d.Subject && !strings.Contains(got, `Subject="CN=long"`) {
			t.Errorf("%d bytes: %.200s", len(got), got)
		}
	}
}
