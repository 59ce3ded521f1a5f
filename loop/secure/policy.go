package secure

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
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
	CipherSuites           []uint16      // of TLS 1.2; nil means those with ephemeral keys and an AEAD
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
	if cfg.CipherSuites == nil {
		cfg.CipherSuites = safeSuites()
	}
	if p.Tickets != nil {
		p.Tickets.Apply(cfg, p.hash())
	}
	c := &Config{TLS: cfg, Timeout: p.Timeout, AsksClients: p.ClientAuth != tls.NoClientCert}
	if slices.Contains(p.Protocols, "h2") && !slices.Contains(p.Protocols, "http/1.1") {
		c.refusing = cfg.Clone()
		c.refusing.NextProtos = []string{""} // which no client can offer
		cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return c.For(hello), nil }
	}
	return c
}

// For is the tls.Config for the client that says hello. It is c.TLS, which has it for its own GetConfigForClient; who
// has another one returns what For returns. It may be called on any goroutine.
//
// RFC 7301 section 3.2: "In the event that the server supports no protocols that the client advertises, then the server SHALL
// respond with a fatal "no_application_protocol" alert." crypto/tls does, but for clients of HTTP/1 at servers of HTTP/2, which
// it lets in without a protocol.
func (c *Config) For(hello *tls.ClientHelloInfo) *tls.Config {
	if c.refusing != nil && slices.Contains(hello.SupportedProtos, "http/1.1") && !slices.Contains(hello.SupportedProtos, "h2") {
		return c.refusing
	}
	return c.TLS
}

// safeSuites are those of TLS 1.2 that RFC 9325 section 4.2 recommends, and RFC 9113 section 9.2.2 does not prohibit: crypto/tls
// also has such with CBC.
func safeSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// hash tells policies apart that must not accept each other's tickets.
func (p *Policy) hash() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d %d %d %d %t", p.Binding, p.Protocols, p.MinVersion, p.MaxVersion,
		p.CipherSuites, p.Curves, p.ClientAuth, p.ClientCAs != nil))
}
