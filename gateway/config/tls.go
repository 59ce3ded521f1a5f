package config

import "crypto/tls"

// A TLSContext says how a listener terminates TLS.
type TLSContext struct {
	Origin       string
	Certificates []Certificate // the first is for clients that ask for no name, or an unknown one
	// CAs are the certificates that may have signed a client's: a path, or PEM text. It is set if ClientAuth verifies.
	CAs        string
	ClientAuth tls.ClientAuthType
	// Protocols are offered by ALPN, most wanted first; nil: those of the listener's that have a name there.
	Protocols              []string
	MinVersion, MaxVersion uint16        // 0: TLS 1.2 and 1.3
	CipherSuites           []uint16      // of TLS 1.2; nil: all that are safe
	Curves                 []tls.CurveID // nil: all that are safe
	// Inspector: connections whose first bytes are no TLS are served as plaintext.
	Inspector bool
}

// A Certificate is a chain and its key: paths, or the PEM text itself.
type Certificate struct {
	Chain, Key string
	Names      []string // that it is shown for beside its own
}

// The names of protocols in ALPN.
const (
	ALPNHTTP1 = "http/1.1"
	ALPNHTTP2 = "h2"
	ALPNBolt  = "sofa" // as MOSN calls it
)
