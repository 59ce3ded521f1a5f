package secure

import (
	"encoding/binary"
	"math"
	"strings"
)

// LooksLikeTLS reports whether a connection that starts with b speaks TLS: with one byte it is a good guess, with more it
// is a better one. b must not be empty.
func LooksLikeTLS(b []byte) bool {
	return b[0] == typeHandshake && (len(b) < 2 || b[1] == 3) && (len(b) < 6 || b[5] == helloType)
}

const helloType = 1 // client_hello, RFC 8446, 4

// A Hello is what a ClientHello says in the clear about where it wants to go. It has no reference to the bytes it was
// read from.
type Hello struct {
	ServerName string   // SNI in lower case, without a trailing dot; "" without
	Protocols  []string // ALPN, most wanted first
	Versions   []uint16 // supported_versions, else the version field
	Ticket     bool     // a session of TLS 1.2 is to be resumed, if that is the version
}

// maxFragments bounds how many records a ClientHello may be cut into; everybody sends it in one or two.
const maxFragments = 64

// PeekHello reads the ClientHello that b starts with. If it is not complete yet, more is the shortest length of b that
// can change this; if more is 0 and ok is false, it is none.
func PeekHello(b []byte) (hello Hello, more int, ok bool) {
	msg, length, ok := helloMessage(b)
	if !ok {
		return Hello{}, length, false
	}
	if !hello.parse(msg) {
		return Hello{}, 0, false
	}
	return hello, 0, true
}

// helloMessage returns the body of the ClientHello that b starts with, and how long its records are. If it is not
// complete, length is what b must have before it is worth while to look again; 0 when it is no ClientHello.
func helloMessage(b []byte) (body []byte, length int, ok bool) {
	var head [4]byte // type and length, RFC 8446, 4
	have, at := 0, 0
	for range maxFragments {
		if len(b) > at && !LooksLikeTLS(b[at:min(len(b), at+2)]) {
			return nil, 0, false
		}
		if len(b) < at+recordHeader {
			return nil, at + recordHeader, false
		}
		n := int(binary.BigEndian.Uint16(b[at+3:]))
		if n == 0 || n > maxPlain {
			return nil, 0, false // RFC 8446, 5.1: no empty fragments, none above 2^14
		}
		part := b[at+recordHeader : min(len(b), at+recordHeader+n)]
		if have < len(head) {
			copy(head[have:], part)
		}
		if have+len(part) > 0 && head[0] != helloType {
			return nil, 0, false
		}
		at += recordHeader + n
		if len(part) < n {
			return nil, at, false
		}
		have += n
		if need := len(head) + int(head[1])<<16 + int(head[2])<<8 + int(head[3]); have >= max(need, len(head)) {
			return join(b[:at])[len(head):need], at, true
		}
	}
	return nil, math.MaxInt, false
}

// join returns what is in the records of b: of one record without a copy.
func join(b []byte) []byte {
	n := recordHeader + int(binary.BigEndian.Uint16(b[3:]))
	all := b[recordHeader:n:n]
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = recordHeader + int(binary.BigEndian.Uint16(b[3:]))
		all = append(all, b[recordHeader:n]...)
	}
	return all
}

// parse reads the body of a ClientHello, RFC 8446, 4.1.2.
func (h *Hello) parse(b []byte) bool {
	r := reader(b)
	version, ok := r.uint(2)
	if !ok {
		return false
	}
	h.Versions = append(h.Versions, uint16(version))
	if _, ok = r.take(32); !ok { // random
		return false
	}
	for _, width := range [...]int{1, 2, 1} { // session id, cipher suites, compression methods
		if _, ok = r.vector(width); !ok {
			return false
		}
	}
	if len(r) == 0 {
		return true // RFC 5246, 7.4.1.2: extensions may be missing
	}
	extensions, ok := r.vector(2)
	for ok && len(extensions) > 0 {
		var kind int
		var body reader
		if kind, ok = extensions.uint(2); ok {
			if body, ok = extensions.vector(2); ok {
				ok = h.extension(kind, body)
			}
		}
	}
	return ok && len(r) == 0
}

// The extensions that are looked at, RFC 8446, 4.2.
const (
	extensionServerName = 0
	extensionALPN       = 16
	extensionTicket     = 35 // RFC 5077, 3.2
	extensionVersions   = 43
)

func (h *Hello) extension(kind int, body reader) bool {
	switch kind {
	case extensionServerName: // RFC 6066, 3
		list, ok := body.vector(2)
		for ok && len(list) > 0 {
			var form int
			var name reader
			if form, ok = list.uint(1); ok {
				name, ok = list.vector(2)
			}
			if ok && form == 0 && h.ServerName == "" {
				h.ServerName = strings.TrimSuffix(strings.ToLower(string(name)), ".")
			}
		}
		return ok
	case extensionALPN: // RFC 7301, 3.1
		list, ok := body.vector(2)
		for ok && len(list) > 0 {
			var name reader
			if name, ok = list.vector(1); ok {
				h.Protocols = append(h.Protocols, string(name))
			}
		}
		return ok
	case extensionTicket:
		h.Ticket = len(body) > 0
	case extensionVersions: // RFC 8446, 4.2.1
		list, ok := body.vector(1)
		h.Versions = h.Versions[:0]
		for ok && len(list) > 0 {
			var v int
			if v, ok = list.uint(2); ok {
				h.Versions = append(h.Versions, uint16(v))
			}
		}
		return ok
	}
	return true
}

// reader takes a message apart from the front.
type reader []byte

func (r *reader) take(n int) (reader, bool) {
	if len(*r) < n {
		return nil, false
	}
	part := (*r)[:n]
	*r = (*r)[n:]
	return part, true
}

// uint takes a number of width bytes.
func (r *reader) uint(width int) (n int, ok bool) {
	part, ok := r.take(width)
	for _, c := range part {
		n = n<<8 | int(c)
	}
	return n, ok
}

// vector takes a field that follows its length, which has width bytes.
func (r *reader) vector(width int) (reader, bool) {
	n, ok := r.uint(width)
	if !ok {
		return nil, false
	}
	return r.take(n)
}
