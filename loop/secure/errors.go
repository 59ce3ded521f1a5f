package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
)

// A Reason says in one word why a handshake, or what came after it, has failed.
type Reason uint8

// The reasons. Which side's fault it is follows from the side that we are.
const (
	ReasonNone              Reason = iota
	ReasonTimeout                  // the handshake took too long
	ReasonOverload                 // too many handshakes were under way, or they held too much
	ReasonNotTLS                   // what came is no TLS
	ReasonTooLarge                 // a ClientHello, or a handshake, longer than allowed
	ReasonVersion                  // no version in common
	ReasonCipher                   // no cipher suite, curve or signature scheme in common
	ReasonProtocol                 // no application protocol in common (ALPN)
	ReasonNoCertificate            // we have none for that name
	ReasonNoPeerCertificate        // the peer sent none, although one is required
	ReasonUnknownAuthority         // the peer's certificate is signed by nobody we trust
	ReasonExpired                  // the peer's certificate has expired, or is not valid yet
	ReasonWrongName                // the peer's certificate is for another name
	ReasonNotAllowed               // the peer's certificate is good, and for nobody who may come in
	ReasonBadCertificate           // the peer's certificate is refused for another reason
	ReasonAlert                    // the peer sent an alert: Error.Alert
	ReasonPeerClosed               // the peer ended the connection during the handshake
	ReasonClosed                   // our side ended it during the handshake
	ReasonMalformed                // a message or a record that breaks the rules
	reasons
)

func (r Reason) String() string {
	if r >= reasons {
		return "unknown"
	}
	return [...]string{
		"none", "timeout", "overload", "not_tls", "too_large", "version", "cipher", "protocol", "no_certificate",
		"no_peer_certificate", "unknown_authority", "expired", "wrong_name", "not_allowed", "bad_certificate", "alert",
		"peer_closed", "closed", "malformed",
	}[r]
}

// Reasons are all reasons but ReasonNone, for those who count.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons-1)
	for r := ReasonTimeout; r < reasons; r++ {
		all = append(all, r)
	}
	return all
}

// ErrNotAllowed is what Policy.Verify returns (wrapped or not) to make the failure ReasonNotAllowed.
var ErrNotAllowed = errors.New("the certificate names nobody who may come in")

// ErrNoCertificate is what a tls.Config's GetCertificate returns (wrapped or not) to make the failure
// ReasonNoCertificate.
var ErrNoCertificate = errors.New("no certificate for this name")

var (
	errAborted = errors.New("the connection has ended")
	errFlood   = errors.New("the peer asks for answers and does not read them")
)

// An Error is why TLS ended a connection.
type Error struct {
	Reason    Reason
	Handshake bool  // it failed before the connection was established
	Alert     uint8 // with ReasonAlert: what the peer sent, RFC 8446, 6
	Err       error // what crypto/tls says; nil when it was not asked
}

func (e *Error) Error() string {
	text := "TLS"
	if e.Handshake {
		text = "TLS handshake"
	}
	text += ": " + strings.ReplaceAll(e.Reason.String(), "_", " ")
	if e.Err != nil {
		text += ": " + strings.TrimPrefix(e.Err.Error(), "tls: ")
	}
	return text
}

// Unwrap returns what crypto/tls says.
func (e *Error) Unwrap() error { return e.Err }

// textReason recognizes those errors of crypto/tls that have no type of their own. A test provokes each of them.
func textReason(text string) Reason {
	for _, known := range [...]struct {
		prefix string
		reason Reason
	}{
		{"tls: client offered only unsupported versions", ReasonVersion},
		{"tls: no cipher suite supported by both", ReasonCipher},
		{"tls: no key exchanges supported by both", ReasonCipher},
		{"tls: peer doesn't support any of the certificate's", ReasonCipher},
		{"tls: client requested unsupported application protocols", ReasonProtocol},
		{"tls: no certificates configured", ReasonNoCertificate},
		{"tls: client didn't provide a certificate", ReasonNoPeerCertificate},
		{"tls: first record does not look like a TLS handshake", ReasonNotTLS},
	} {
		if strings.HasPrefix(text, known.prefix) {
			return known.reason
		}
	}
	return ReasonMalformed
}

// classify makes an Error of what crypto/tls returned.
func classify(err error, handshake bool) *Error {
	e := &Error{Reason: ReasonMalformed, Handshake: handshake, Err: err}
	var own *Error
	var verification *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &verification):
		e.Reason = certificateReason(verification.Err)
	case errors.Is(err, ErrNoCertificate):
		e.Reason = ReasonNoCertificate
	case errors.Is(err, errAborted):
		e.Reason = ReasonClosed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Reason = ReasonPeerClosed
	case errors.As(err, &op) && op.Op == "remote error":
		e.Reason = ReasonAlert
		// The type of alerts is not exported; it is a uint8.
		if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
			e.Alert = uint8(v.Uint())
		}
	default:
		e.Reason = textReason(err.Error())
	}
	return e
}

func certificateReason(err error) Reason {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &unknown):
		return ReasonUnknownAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ReasonExpired
	case errors.As(err, &name):
		return ReasonWrongName
	}
	return ReasonBadCertificate
}
