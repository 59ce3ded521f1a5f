package secure_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"sluice/loop/secure"
)

// TestResumptionVerifiesAgain: a ticket that two configurations can open does not let in a client that only one of them
// would. That is crypto/tls's doing; a listener whose client CAs change relies on it beside the binding of its tickets.
func TestResumptionVerifiesAgain(t *testing.T) {
	for name, version := range versions() {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ours, other := newAuthority(t), newAuthority(t)
			pair := ours.issue(t, nil, "server.test")
			keys := secure.NewTicketKeys()
			server := func(clients *x509.CertPool) *tls.Config {
				p := secure.Policy{
					GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil },
					ClientAuth:     tls.RequireAndVerifyClientCert, ClientCAs: clients, Tickets: keys, Binding: "the same", Time: at,
					MinVersion: version, MaxVersion: version,
				}
				return p.Config().TLS
			}
			_, client := ours.pair(t, version)
			client.NextProtos = nil
			client.Certificates = []tls.Certificate{ours.issue(t, nil, "client.test")}
			client.ClientSessionCache = &secure.Session{}
			connect := func(cfg *tls.Config) (resumed bool, err error) {
				t.Helper()
				done := make(chan struct{})
				go func() {
					defer close(done)
					if c, err := tls.Dial("tcp", l.Addr().String(), client); err == nil {
						_, _ = c.Read(make([]byte, 1)) // the ticket comes with it
						_ = c.Close()
					}
				}()
				raw, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				s := tls.Server(raw, cfg)
				if err = s.Handshake(); err == nil {
					_, err = s.Write([]byte("x"))
				}
				resumed = s.ConnectionState().DidResume
				_ = s.Close()
				<-done
				return resumed, err
			}
			for _, c := range []struct {
				what        string
				clients     *x509.CertPool
				resumed, in bool
			}{
				{"at first", ours.pool, false, true},
				{"with the same authorities", ours.pool, true, true},
				{"with others", other.pool, false, false},
			} {
				if resumed, err := connect(server(c.clients)); resumed != c.resumed || (err == nil) != c.in {
					t.Errorf("%s: resumed %t (%v), want %t and in %t", c.what, resumed, err, c.resumed, c.in)
				}
			}
		})
	}
}
