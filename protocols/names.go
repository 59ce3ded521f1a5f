package protocols

// NameID is a small integer for a well-known field name; NameOther for every other name.
type NameID uint8

// The well-known names: those that a codec, the router, a filter or a log looks up on the path of a request.
const (
	NameOther NameID = iota
	NameHost
	NameConnection
	NameKeepAlive
	NameProxyConnection
	NameTE
	NameTrailer
	NameTransferEncoding
	NameUpgrade
	NameContentLength
	NameContentType
	NameContentEncoding
	NameExpect
	NameVia
	NameForwarded
	NameXForwardedFor
	NameXForwardedProto
	NameXForwardedHost
	NameXForwardedClientCert
	NameXRequestID
	NameAccept
	NameAcceptEncoding
	NameUserAgent
	NameReferer
	NameOrigin
	NameCookie
	NameSetCookie
	NameAuthorization
	NameProxyAuthorization
	NameProxyAuthenticate
	NameWWWAuthenticate
	NameDate
	NameServer
	NameLocation
	NameVary
	NameETag
	NameCacheControl
	NamePriority
	NameRetryAfter
	NameGRPCTimeout
	NameGRPCStatus
	NameGRPCMessage
	NameTraceparent
	NameTracestate
	NameHTTP2Settings
	NameService
	numNames
)

var names = [numNames]string{
	NameHost: "host", NameConnection: "connection", NameKeepAlive: "keep-alive", NameProxyConnection: "proxy-connection",
	NameTE: "te", NameTrailer: "trailer", NameTransferEncoding: "transfer-encoding", NameUpgrade: "upgrade",
	NameContentLength: "content-length", NameContentType: "content-type", NameContentEncoding: "content-encoding",
	NameExpect: "expect", NameVia: "via", NameForwarded: "forwarded", NameXForwardedFor: "x-forwarded-for",
	NameXForwardedProto: "x-forwarded-proto", NameXForwardedHost: "x-forwarded-host",
	NameXForwardedClientCert: "x-forwarded-client-cert", NameXRequestID: "x-request-id",
	NameAccept: "accept", NameAcceptEncoding: "accept-encoding", NameUserAgent: "user-agent", NameReferer: "referer",
	NameOrigin: "origin", NameCookie: "cookie", NameSetCookie: "set-cookie", NameAuthorization: "authorization",
	NameProxyAuthorization: "proxy-authorization", NameProxyAuthenticate: "proxy-authenticate",
	NameWWWAuthenticate: "www-authenticate", NameDate: "date", NameServer: "server", NameLocation: "location",
	NameVary: "vary", NameETag: "etag", NameCacheControl: "cache-control", NamePriority: "priority",
	NameRetryAfter: "retry-after", NameGRPCTimeout: "grpc-timeout", NameGRPCStatus: "grpc-status",
	NameGRPCMessage: "grpc-message", NameTraceparent: "traceparent", NameTracestate: "tracestate",
	NameHTTP2Settings: "http2-settings", NameService: "service",
}

// String is the name in lower case; empty for NameOther.
func (id NameID) String() string {
	if id >= numNames {
		return ""
	}
	return names[id]
}

// Canonical is the name as HTTP/1 senders usually write it: "X-Request-Id"; empty for NameOther.
func (id NameID) Canonical() string {
	if id >= numNames {
		return ""
	}
	return canonicalNames[id]
}

var canonicalNames = buildCanonicalNames()

func buildCanonicalNames() (t [numNames]string) {
	for id, name := range names {
		b := []byte(name)
		for i := range b {
			if i == 0 || b[i-1] == '-' {
				b[i] &^= 0x20 // the first bytes of all parts are letters
			}
		}
		t[id] = string(b)
	}
	t[NameTE], t[NameETag], t[NameWWWAuthenticate], t[NameHTTP2Settings] = "TE", "ETag", "WWW-Authenticate", "HTTP2-Settings"
	return t
}

// A NameSet is a set of well-known names: bit id stands for the name id.
type NameSet uint64

// There must be no more well-known names than a NameSet has bits.
const _ = uint(64 - numNames)

// NameSetOf returns the set of ids.
func NameSetOf(ids ...NameID) (s NameSet) {
	for _, id := range ids {
		s |= 1 << id
	}
	return s
}

// Has reports whether id is in s.
func (s NameSet) Has(id NameID) bool { return s>>id&1 != 0 }

const nameSlots = 256

// nameTable finds a name by a hash of its length and three of its bytes; a test asserts that no two names share a slot.
var nameTable = buildNameTable()

func buildNameTable() (t [nameSlots]NameID) {
	for id := NameID(1); id < numNames; id++ {
		t[nameHash(names[id])] = id
	}
	return t
}

func nameHash[S []byte | string](s S) uint8 {
	// The factors were searched for: with them no two well-known names share a slot.
	n := len(s)
	return uint8(n) + (s[0] | 0x20) + (s[n/2]|0x20)*3 + (s[n-1]|0x20)*37
}

// LookupName returns the NameID of name, whatever its case.
func LookupName(name []byte) NameID {
	if len(name) == 0 {
		return NameOther
	}
	id := nameTable[nameHash(name)]
	// Nearly every sender writes one of two forms, and comparing whole strings is the fastest way to see it.
	if string(name) == canonicalNames[id] || string(name) == names[id] || id != NameOther && EqualFold(name, names[id]) {
		return id
	}
	return NameOther
}

// LookupNameString is LookupName for a string.
func LookupNameString(name string) NameID {
	if len(name) == 0 {
		return NameOther
	}
	id := nameTable[nameHash(name)]
	if name == canonicalNames[id] || name == names[id] || id != NameOther && equalFold(name, names[id]) {
		return id
	}
	return NameOther
}

// EqualFold reports whether b and s are equal when ASCII letters are compared without case.
func EqualFold(b []byte, s string) bool { return equalFold(b, s) }

func equalFold[B []byte | string](b B, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range len(b) {
		x, y := b[i], s[i]
		if x == y {
			continue
		}
		if x ^= y; x != 0x20 {
			return false
		}
		if y |= 0x20; y < 'a' || y > 'z' {
			return false
		}
	}
	return true
}

// MethodID is a small integer for a well-known method.
type MethodID uint8

// The methods that something treats specially.
const (
	MethodOther MethodID = iota
	MethodGet
	MethodHead
	MethodPost
	MethodPut
	MethodDelete
	MethodPatch
	MethodOptions
	MethodConnect
	MethodTrace
	numMethods
)

var methods = [numMethods]string{
	MethodGet: "GET", MethodHead: "HEAD", MethodPost: "POST", MethodPut: "PUT", MethodDelete: "DELETE",
	MethodPatch: "PATCH", MethodOptions: "OPTIONS", MethodConnect: "CONNECT", MethodTrace: "TRACE",
}

// String is the method; empty for MethodOther.
func (m MethodID) String() string {
	if m >= numMethods {
		return ""
	}
	return methods[m]
}

// LookupMethod returns the MethodID of b. Methods are case-sensitive (RFC 9110 section 9.1).
func LookupMethod(b []byte) MethodID {
	for id := MethodGet; id < numMethods; id++ {
		if string(b) == methods[id] {
			return id
		}
	}
	return MethodOther
}

// Safe reports whether RFC 9110 section 9.2.1 calls the method safe.
func (m MethodID) Safe() bool {
	return m == MethodGet || m == MethodHead || m == MethodOptions || m == MethodTrace
}

// Idempotent reports whether RFC 9110 section 9.2.2 calls the method idempotent.
func (m MethodID) Idempotent() bool { return m.Safe() || m == MethodPut || m == MethodDelete }
