package secure_test

import (
	"crypto/tls"
	"fmt"
	"testing"

	"sluice/loop"
	"sluice/loop/secure"
)

// TestChoosing lets one listener shake hands in two ways, by the name that the client asks for: "open.test" wants no
// certificate of the client, "closed.test" does. The server's certificate is for both, and the client offers whatever
// ticket it has to whichever of them.
func TestChoosing(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		pair := r.ca.issue(t, nil, "open.test", "closed.test")
		keys := secure.NewTicketKeys()
		config := func(auth tls.ClientAuthType) *secure.Config {
			p := secure.Policy{Certificate: &pair, ClientAuth: auth, ClientCAs: r.ca.pool, Tickets: keys, Binding: "a.pem", Time: at}
			return p.Config()
		}
		byName := map[string]*secure.Config{"open.test": config(tls.NoClientCert), "closed.test": config(tls.RequireAndVerifyClientCert)}
		r.cfg = secure.Choosing(tls.VersionTLS12, tls.VersionTLS13, func(hello *tls.ClientHelloInfo) (*secure.Config, error) {
			if cfg := byName[hello.ServerName]; cfg != nil {
				return cfg, nil
			}
			return nil, fmt.Errorf("%w: %s", secure.ErrNoCertificate, hello.ServerName)
		})
		client := r.ca.issue(t, nil, "me.test")
		session := &secure.Session{} // of all names
		dial := func(name string, certificates ...tls.Certificate) (ok, resumed bool) {
			t.Helper()
			cfg := r.client.Clone()
			cfg.ServerName, cfg.Certificates, cfg.ClientSessionCache = name, certificates, session
			var accepted *secure.Conn
			var choice *secure.Config
			s := tlsClient(t, r.l.Connect(r.accept(acceptor(func(c loop.Conn) loop.Handler {
				accepted = c.(*secure.Conn)
				choice = accepted.Choice()
				return discard{}
			}))), cfg)
			r.l.Run()
			if accepted == nil {
				return false, false
			}
			if choice != byName[name] || accepted.Choice() != nil {
				t.Errorf("%s: the choice is %p, and later %p; want %p and nil", name, choice, accepted.Choice(), byName[name])
			}
			if state := accepted.State(); len(state.PeerCertificates) != len(certificates) {
				t.Errorf("%s: the server has %d certificates of the client, want %d", name, len(state.PeerCertificates), len(certificates))
			}
			return s.ready, s.tls.ConnectionState().DidResume
		}
		for i, step := range []struct {
			name        string
			with        []tls.Certificate
			ok, resumed bool
		}{
			{"open.test", nil, true, false},
			{"open.test", nil, true, true},
			{"closed.test", nil, false, false}, // the ticket of open.test must not lead into closed.test
			{"closed.test", []tls.Certificate{client}, true, false},
			{"closed.test", []tls.Certificate{client}, true, true},
			{"open.test", nil, true, false}, // nor the other way round: who the client is would be known where nobody asked
			{"unknown.test", nil, false, false},
		} {
			if ok, resumed := dial(step.name, step.with...); ok != step.ok || resumed != step.resumed {
				t.Errorf("step %d, %s: done %t, resumed %t; want %t, %t", i, step.name, ok, resumed, step.ok, step.resumed)
			}
		}
		if got := failures(r.engine); got[secure.ReasonNoPeerCertificate] != 1 || got[secure.ReasonNoCertificate] != 1 {
			t.Errorf("failures %v", got)
		}
	})
}
