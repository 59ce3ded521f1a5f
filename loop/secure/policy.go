package secure

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// A Policy is what the TLS of a listener is made of.
type Policy struct {
	// GetCertificate chooses the server's certificate; nil without an error refuses the client. Without it Certificate is
	// shown to everybody.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Certificate    *tls.Certificate
	// Protocols are offered by ALPN, most wanted first. With any, a client that offers only others is refused; one that
	// does not know ALPN is not.
	Protocols []string
	// MinVersion and MaxVersion are tls.VersionTLS12 and tls.VersionTLS13 if they are zero.
	MinVersion, MaxVersion uint16
	CipherSuites           []uint16      // of TLS 1.2; nil means crypto/tls's choice
	Curves                 []tls.CurveID // nil means crypto/tls's choice
	ClientAuth             tls.ClientAuthType
	ClientCAs              *x509.CertPool // who may sign clients' certificates
	// Verify is asked once the peer is known, also when a session is resumed; an error refuses it.
	Verify func(tls.ConnectionState) error
	// Tickets are the process's keys; nil means that no session is resumed.
	Tickets *TicketKeys
	// Binding names what a resumed session does not check again: the files of the certificates and of ClientCAs. It
	// and the other fields decide which policies accept each other's tickets.
	Binding string
	Timeout time.Duration // Config.Timeout
	// Time is the clock; nil means time.Now.
	Time func() time.Time
}

// Config makes a Config of p. Its records are as long as they can be: what is written together leaves together.
func (p *Policy) Config() *Config {
	cfg := &tls.Config{
		GetCertificate: p.GetCertificate, NextProtos: p.Protocols,
		MinVersion: p.MinVersion, MaxVersion: p.MaxVersion, CipherSuites: p.CipherSuites, CurvePreferences: p.Curves,
		ClientAuth: p.ClientAuth, ClientCAs: p.ClientCAs,
		SessionTicketsDisabled: p.Tickets == nil, DynamicRecordSizingDisabled: true, Time: p.Time,
	}
	if verify := p.Verify; verify != nil {
		cfg.VerifyConnection = func(state tls.ConnectionState) error {
			err := verify(state)
			switch {
			case err == nil:
				return nil
			case errors.Is(err, ErrNotAllowed):
				return &Error{Reason: ReasonNotAllowed, Handshake: true, Err: err}
			}
			return &Error{Reason: ReasonBadCertificate, Handshake: true, Err: err}
		}
	}
	if p.Certificate != nil {
		cfg.Certificates = []tls.Certificate{*p.Certificate}
	}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if p.Tickets != nil {
		p.Tickets.Apply(cfg, p.hash())
	}
	return &Config{TLS: cfg, Timeout: p.Timeout}
}

// hash tells policies apart that must not accept each other's tickets.
func (p *Policy) hash() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d %d %d %d %t", p.Binding, p.Protocols, p.MinVersion, p.MaxVersion,
		p.CipherSuites, p.Curves, p.ClientAuth, p.ClientCAs != nil))
}
