package mosn

import (
	"crypto/tls"
	"os"
	"strings"
	"testing"
)

func TestTLSPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	c, problems, err := Parse("tls.json", []byte(example), Options{Strict: true, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.Contains(p.Path, "tls") {
			t.Error(p)
		}
	}
	l, app := c.Listeners[0].TLS, c.Clusters[0]
	if len(l.Contexts) != 2 || l.Contexts[1].Certificate.Key != "/etc/sluice/example.net.key" || l.AsksClients() {
		t.Errorf("the listener has %+v", l)
	}
	if app.TLS.ServerName != "app.internal" || app.TLS.InsecureSkip || app.Hosts[0].TLSDisable || !app.Hosts[1].TLSDisable {
		t.Errorf("the cluster has %+v, %+v", app.TLS, app.Hosts)
	}
	for _, secret := range []string{"example.org.key", "example.net.key"} {
		if strings.Contains(string(c.Document), secret) {
			t.Errorf("the dump shows %s", secret)
		}
	}
}

func TestTLSClientAuth(t *testing.T) {
	data, err := os.ReadFile("testdata/samples/tls.json")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := Parse("tls.json", data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := c.Listeners[0].TLS
	l := all.Contexts[0]
	if l.ClientAuth != tls.VerifyClientCertIfGiven || l.CAs != "ca.pem" || !all.Inspector || l.MaxVersion != tls.VersionTLS13 ||
		len(l.CipherSuites) != 2 || len(l.Curves) != 2 || len(l.Protocols) != 2 || all.Contexts[1].Certificate.Names[0] != "*.example.net" {
		t.Errorf("%+v", l)
	}
	if c.Clusters[0].TLS.CAs != "ca.pem" || c.Clusters[1].TLS.MinVersion != tls.VersionTLS13 || c.Clusters[1].TLS.Key != "me.key" {
		t.Errorf("%+v, %+v", c.Clusters[0].TLS, c.Clusters[1].TLS)
	}
}

func TestIgnoreUnexpectedEOF(t *testing.T) {
	text := around("clusters", `[{"name":"c","hosts":[{"address":"127.0.0.1:80"}],"tls_context":{"status":true,"ignore_unexpected_eof":true}}]`)
	c, problems, err := Parse("c.json", []byte(text), testOptions())
	if err != nil || !c.Clusters[0].TLS.IgnoreUnexpectedEOF {
		t.Fatalf("%v: %+v", err, c)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "anybody on the way can cut answers") {
		t.Errorf("%v", problems)
	}
}
