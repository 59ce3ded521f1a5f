package http1

import (
	"sluice/protocols"
	"sluice/protocols/syntax"
)

// interpretTarget checks the request target and the host, and sets path, scheme and authority of h.
func (r *request) interpretTarget(b []byte, h *protocols.Header) rule {
	off, n := r.line.target.off, r.line.target.len
	target := b[off : off+n]
	if rl := r.interpretHost(b, h); rl != ruleOK {
		return rl
	}
	switch {
	case h.Method == protocols.MethodConnect:
		return r.interpretConnect(b, h)
	case target[0] == '/':
		h.SpanPath(off, n)
		return ruleOK
	case n == 1 && target[0] == '*':
		// RFC 9112 section 3.2.4: "The asterisk-form of request-target is only used for a server-wide OPTIONS request".
		if h.Method != protocols.MethodOptions {
			return ruleAsterisk
		}
		h.SpanPath(off, n)
		return ruleOK
	}
	return r.interpretAbsolute(b, h)
}

// interpretHost checks the Host field and makes it the authority.
func (r *request) interpretHost(b []byte, h *protocols.Header) rule {
	if !r.fields.set.Has(protocols.NameHost) {
		// RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
		// message that lacks a Host header field and to any request message that contains more than one Host header
		// field line or a Host header field with an invalid field value."
		if r.line.minor > 0 {
			return ruleHostMissing
		}
		return ruleOK
	}
	if r.fields.repeated.Has(protocols.NameHost) {
		return ruleHostRepeated
	}
	host := r.fields.host
	if _, _, ok := syntax.SplitHost(b[host.off : host.off+host.len]); !ok {
		return ruleHostBytes
	}
	h.SpanAuthority(host.off, host.len)
	return ruleOK
}

// interpretConnect reads the authority-form of a CONNECT request (RFC 9112 section 3.2.3).
func (r *request) interpretConnect(b []byte, h *protocols.Header) rule {
	target := r.line.target
	authority := b[target.off : target.off+target.len]
	host, port, ok := syntax.SplitHost(authority)
	if !ok || len(host) == 0 || len(port) == 0 {
		return ruleConnectTarget
	}
	if r.fields.set.Has(protocols.NameHost) && !sameAuthority(authority, h.Authority(), "443") &&
		!sameAuthority(authority, h.Authority(), "80") {
		return ruleHostMismatch
	}
	h.SpanAuthority(target.off, target.len)
	r.tunnel = true
	return ruleOK
}

// interpretAbsolute reads the absolute-form: scheme "://" authority path-abempty [ "?" query ].
func (r *request) interpretAbsolute(b []byte, h *protocols.Header) rule {
	off, n := r.line.target.off, r.line.target.len
	target := b[off : off+n]
	scheme, port := 0, ""
	switch {
	case n > 7 && protocols.EqualFold(target[:7], "http://"):
		scheme, port = 4, "80"
	case n > 8 && protocols.EqualFold(target[:8], "https://"):
		scheme, port = 5, "443"
	default:
		if i := syntax.Token.Scan(target, 0); i > 0 && i+2 < n && string(target[i:i+3]) == "://" {
			return ruleScheme
		}
		return ruleTargetForm
	}
	start := scheme + len("://")
	end := start
	for end < n && target[end] != '/' && target[end] != '?' {
		end++
	}
	authority := target[start:end]
	if _, _, ok := syntax.SplitHost(authority); !ok {
		return ruleHostBytes
	}
	// RFC 9112 section 3.2.2 has a proxy ignore Host and take the target's authority. A client that means two hosts is
	// refused instead: whoever stands in front of us may have routed by the other one.
	if r.fields.set.Has(protocols.NameHost) && !sameAuthority(authority, h.Authority(), port) {
		return ruleHostMismatch
	}
	h.SpanAuthority(off+start, end-start)
	h.SpanScheme(off, scheme)
	switch {
	case end < n && target[end] == '/':
		h.SpanPath(off+end, n-end)
	case end < n: // a query without a path: the path is "/" (RFC 9110 section 4.2.3)
		h.SetPath(append([]byte{'/'}, target[end:]...))
	case h.Method == protocols.MethodOptions:
		// RFC 9112 section 3.2.4: OPTIONS with an empty path is for the server as a whole: "*".
		h.SetPath([]byte{'*'})
	default:
		h.SpanPath(off+scheme+1, 1) // the first slash of "://" serves as the path "/"
	}
	return ruleOK
}

// sameAuthority compares two valid authorities without case; a missing port is defaultPort.
func sameAuthority(a, b []byte, defaultPort string) bool {
	hostA, portA, _ := syntax.SplitHost(a)
	hostB, portB, _ := syntax.SplitHost(b)
	if !syntax.EqualFold(hostA, hostB) {
		return false
	}
	return string(portA) == string(portB) || len(portA) == 0 && string(portB) == defaultPort ||
		len(portB) == 0 && string(portA) == defaultPort
}
