package config

import (
	"crypto/tls"

	"sluice/gateway/identity"
)

// A ListenerTLS says how a filter chain terminates TLS.
type ListenerTLS struct {
	// Contexts are chosen by the name that the client asks for, then by its protocols; the first is for all others. There is
	// at least one.
	Contexts []TLSContext
	// Inspector: connections whose first bytes are no TLS are served as plaintext.
	Inspector bool
}

// A TLSContext is one way of shaking hands, with one certificate.
type TLSContext struct {
	Origin      string
	Certificate Certificate
	// CAs are the certificates that may have signed a client's: a path, or PEM text. It is set if ClientAuth verifies.
	CAs        string
	ClientAuth tls.ClientAuthType
	// Clients are the names one of which a client's certificate must be made out to; nil: any will do.
	Clients []identity.Pattern
	// Protocols are offered by ALPN, most wanted first; nil: those of the listener's that have a name there.
	Protocols              []string
	MinVersion, MaxVersion uint16        // 0: TLS 1.2 and 1.3
	CipherSuites           []uint16      // of TLS 1.2; nil: all that are safe
	Curves                 []tls.CurveID // nil: all that are safe
	// FallBack: without a good certificate the context does not count, and without any the chain is plaintext.
	FallBack bool
}

// A Certificate is a chain and its key: paths, or the PEM text itself.
type Certificate struct {
	Chain, Key string
	Names      []string // that it is shown for beside its own
}

// AsksClients reports whether a context of t asks clients for certificates.
func (t *ListenerTLS) AsksClients() bool {
	if t == nil {
		return false
	}
	for i := range t.Contexts {
		if t.Contexts[i].ClientAuth != tls.NoClientCert {
			return true
		}
	}
	return false
}

// The names of protocols in ALPN.
const (
	ALPNHTTP1 = "http/1.1"
	ALPNHTTP2 = "h2"
	ALPNBolt  = "sofa" // as MOSN calls it
)
