package upstream

import (
	"sluice/loop"
	"sluice/protocols"
)

// A TLSConfig says how the endpoints of a cluster are spoken to with TLS.
type TLSConfig struct {
	Origin string // file:line:column, for error messages
	// CAs are the certificates that may have signed an endpoint's: a path, or PEM text; "": the system's.
	CAs string
	// Chain and Key are what we show to endpoints that ask for it: paths, or PEM text; "": nothing.
	Chain, Key string
	// ServerName is asked for, and the endpoint's certificate must be for it; "": the host's name, or its address.
	ServerName string
	// InsecureSkip accepts every certificate.
	InsecureSkip bool
	// IgnoreUnexpectedEOF takes an endpoint's FIN for the end of what only the end of its connection delimits, though nobody has
	// signed it with close_notify.
	IgnoreUnexpectedEOF bool
	// Protocols are offered by ALPN where the protocol spoken has no name of its own.
	Protocols              []string
	MinVersion, MaxVersion uint16   // 0: TLS 1.2 and 1.3
	CipherSuites           []uint16 // of TLS 1.2; nil: all that are safe
	Curves                 []uint16 // nil: all that are safe
}

// A Dialer makes the connections to one endpoint when they are more than sockets. It is called on l's goroutine, and
// does as [loop.Loop].Dial does.
type Dialer interface {
	Dial(l loop.Loop, p *protocols.Protocol, o loop.DialOptions, h loop.Handler) (loop.Conn, error)
}

// dial makes a connection to e for protocol p.
func (e *Endpoint) dial(l loop.Loop, p *protocols.Protocol, o loop.DialOptions, h loop.Handler) (loop.Conn, error) {
	if e.dialer != nil {
		return e.dialer.Dial(l, p, o, h)
	}
	return l.Dial(o, h)
}

// DialError is why the last attempt to connect to e failed, nil when there was none. A success does not take it back. It is
// safe on any goroutine.
func (e *Endpoint) DialError() error {
	if err := e.dialErr.Load(); err != nil {
		return *err
	}
	return nil
}
