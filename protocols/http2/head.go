package http2

import (
	"math"

	"sluice/protocols"
	"sluice/protocols/http2/hpack"
	"sluice/protocols/syntax"
)

// headKind says what a field block is.
type headKind uint8

const (
	kindRequest headKind = iota
	kindResponse
	kindTrailers
	kindNothing // a block that only HPACK needs
)

// The pseudo fields that a request must, may and must not have are sets of these.
const (
	pseudoMethod    = hpack.PseudoMethod
	pseudoScheme    = hpack.PseudoScheme
	pseudoAuthority = hpack.PseudoAuthority
	pseudoPath      = hpack.PseudoPath
	pseudoStatus    = hpack.PseudoStatus
	pseudoProtocol  = hpack.PseudoProtocol
)

var (
	// ofConnections are the fields of one HTTP/1 connection.
	ofConnections = protocols.NameSetOf(protocols.NameConnection, protocols.NameKeepAlive, protocols.NameProxyConnection,
		protocols.NameTransferEncoding, protocols.NameUpgrade)

	// looked at are the fields that a head's decoder does more with than to check and copy.
	looked = ofConnections | protocols.NameSetOf(protocols.NameTE, protocols.NameHost, protocols.NameContentLength,
		protocols.NameCookie, protocols.NamePriority, protocols.NameExpect, protocols.NameHTTP2Settings)

	// notInTrailers are the fields that must not come behind the body: who merges them into the head frames, routes or
	// authorises the message anew (RFC 9110 section 6.5.1).
	notInTrailers = ofConnections | protocols.NameSetOf(protocols.NameHost, protocols.NameContentLength,
		protocols.NameHTTP2Settings, protocols.NameTE, protocols.NameTrailer, protocols.NameExpect,
		protocols.NameAuthorization, protocols.NameProxyAuthorization, protocols.NameProxyAuthenticate,
		protocols.NameWWWAuthenticate, protocols.NameCookie, protocols.NameSetCookie, protocols.NameContentType,
		protocols.NameContentEncoding, protocols.NameForwarded, protocols.NameXForwardedFor, protocols.NameXForwardedProto,
		protocols.NameXForwardedHost, protocols.NameXForwardedClientCert)
)

// head is a field block while it is decoded. The first rule that it breaks is kept, and the block is decoded to its end
// all the same: the tables of HPACK belong to the connection.
type head struct {
	h       *protocols.Header
	dec     *hpack.Decoder
	length  int64 // (response) of its body; -1 when not announced
	size    int   // of the fields so far, 32 more each
	sizeMax int
	fields  int
	most    int
	cookies int
	kind    headKind
	rule    rule
	pseudos uint8 // bits of those that have come
	regular bool  // a regular field has come
	urgency uint8
	traits  traits
}

func (q *head) begin(c *conn, kind headKind) {
	l := &c.env.Limits
	q.kind, q.dec, q.h, q.urgency = kind, &c.dec, &c.loop.header, defaultUrgency
	q.sizeMax, q.most = l.HeadBytes, l.HeadFields
	switch kind {
	case kindTrailers:
		q.sizeMax, q.most = l.TrailerBytes, l.TrailerFields
	case kindResponse:
		q.most = 2 * min(l.HeadFields, math.MaxInt/2)
	case kindRequest, kindNothing:
	}
	q.h.Reset()
	q.h.Proto = protocols.ProtocolHTTP2
}

// decode decodes the block. Its result is what ends the connection; q.rule is what is wrong with the message.
func (q *head) decode(c *conn, block []byte) rule {
	// What is decoded is counted as it comes, before anything of it is dropped or merged.
	hard := c.env.Limits.HeadBytes
	if hard < math.MaxInt/hardFactor {
		hard *= hardFactor
	}
	c.loop.scratch.Max = len(block) * 8 / 5
	c.dec.Begin(block, &c.loop.scratch)
	for {
		f, more, err := c.dec.Next()
		if err != nil {
			return ruleCompression
		}
		if !more {
			return ruleOK
		}
		// RFC 9113 section 6.5.2: "the length of the name and value in units of octets plus an overhead of 32 octets for
		// each field".
		if q.size += len(f.Name) + len(f.Value) + 32; q.size > hard {
			return ruleBlockBomb
		}
		if q.rule == ruleOK && q.kind != kindNothing {
			q.rule = q.field(f)
		}
	}
}

// field checks a field and adds it.
func (q *head) field(f *hpack.Field) rule {
	if q.fields++; q.size > q.sizeMax || q.fields > q.most {
		if q.kind == kindTrailers {
			return ruleTrailerLarge
		}
		return ruleHeadLarge
	}
	if f.Pseudo != hpack.PseudoNone {
		return q.pseudo(f)
	}
	q.regular = true
	if !f.Checked {
		if !f.NameChecked && (len(f.Name) == 0 || !syntax.LowerToken.All(f.Name)) {
			return ruleNameByte
		}
		if !validValue(f.Value) {
			return ruleValueByte
		}
		q.dec.MarkChecked()
	}
	if f.ID != protocols.NameOther {
		if q.kind == kindTrailers && notInTrailers.Has(f.ID) {
			return ruleTrailerName
		}
		if looked.Has(f.ID) {
			return q.special(f)
		}
	}
	q.h.AddField(f.ID, f.Name, f.Value)
	if f.Never {
		q.h.MarkSecret()
	}
	return ruleOK
}

// special looks at a field that means something to the codec.
func (q *head) special(f *hpack.Field) rule {
	switch f.ID {
	case protocols.NameTE:
		// RFC 9113 section 8.2.2: "The only exception to this is the TE header field, which MAY be present in an HTTP/2
		// request; when it is, it MUST NOT contain any value other than "trailers"."
		switch {
		case q.kind != kindRequest:
			return ruleOK // it means nothing in an answer
		case !protocols.EqualFold(f.Value, "trailers"):
			return ruleTE
		case q.h.Has(protocols.NameTE):
			return ruleOK
		}
	case protocols.NameExpect:
		// RFC 9110 section 10.1.1: "A server that receives an Expect field value containing a member other than 100-continue
		// MAY respond with a 417 (Expectation Failed) status code".
		if q.kind == kindRequest && !protocols.EqualFold(f.Value, "100-continue") {
			return ruleExpect
		}
	case protocols.NameHost:
		if q.kind != kindRequest {
			break
		}
		return q.host(f.Value)
	case protocols.NameContentLength:
		n, ok := parseLength(f.Value)
		if !ok {
			return ruleLengthDigits
		}
		if q.h.ContentLength >= 0 {
			if n != q.h.ContentLength {
				return ruleLengthRepeated
			}
			return ruleOK // one is enough
		}
		q.h.ContentLength = n
	case protocols.NameCookie:
		q.cookies++
	case protocols.NamePriority:
		q.urgency = urgencyOf(f.Value)
	case protocols.NameHTTP2Settings:
		return ruleOK // of an upgrade from HTTP/1 (RFC 7540 section 3.2.1), and never for anybody behind us
	default:
		// RFC 9113 section 8.2.2: "Any message containing connection-specific header fields MUST be treated as malformed".
		return ruleConnectionField
	}
	q.h.AddField(f.ID, f.Name, f.Value)
	if f.Never {
		q.h.MarkSecret()
	}
	return ruleOK
}

// host compares a host field with :authority, or makes it that.
func (q *head) host(value []byte) rule {
	if authority := q.h.Authority(); len(authority) > 0 {
		if !syntax.EqualFold(authority, value) {
			return ruleHostMismatch
		}
		return ruleOK
	}
	if !validAuthority(value, false) {
		return ruleAuthority
	}
	q.h.SetAuthority(value)
	return ruleOK
}

// pseudo takes a pseudo field.
func (q *head) pseudo(f *hpack.Field) rule {
	bit := uint8(1) << f.Pseudo
	switch {
	case q.kind == kindTrailers:
		// RFC 9113 section 8.1: "Trailers MUST NOT include pseudo-header fields".
		return rulePseudoTrailer
	case q.regular:
		// RFC 9113 section 8.3: "All pseudo-header fields MUST appear in a field block before all regular field lines."
		return rulePseudoLate
	case f.Pseudo == hpack.PseudoUnknown || (f.Pseudo == pseudoStatus) != (q.kind == kindResponse):
		return rulePseudoUnknown
	case q.pseudos&bit != 0:
		return rulePseudoTwice
	}
	q.pseudos |= bit
	if q.kind == kindResponse {
		status, ok := parseStatus(f.Value)
		if !ok {
			return ruleStatus
		}
		q.h.Status = status
		return ruleOK
	}
	return q.requestPart(f)
}

// requestPart takes a part of the request line.
func (q *head) requestPart(f *hpack.Field) rule {
	v, checked := f.Value, f.Checked
	switch f.Pseudo {
	case pseudoMethod:
		if !checked && (len(v) == 0 || !syntax.Token.All(v)) {
			return ruleMethod
		}
		q.h.SetMethod(v)
	case pseudoScheme:
		if !checked && string(v) != "http" && string(v) != "https" {
			return ruleScheme
		}
		q.h.SetScheme(v)
	case pseudoPath:
		if len(v) == 1 && v[0] == '*' {
			q.h.SetPath(v) // for OPTIONS only, which is known at the end
			return ruleOK
		}
		if !checked && !validTarget(v, false) {
			return rulePath
		}
		q.h.SetPath(v)
	case pseudoAuthority:
		if !checked && !validAuthority(v, false) {
			return ruleAuthority
		}
		q.h.SetAuthority(v)
	case pseudoProtocol:
		if !syntax.IsProtocolName(v) || len(v) > maxProtocol || protocols.EqualFold(v, "h2c") {
			return ruleProtocol
		}
		q.h.SetUpgrade(v)
	case hpack.PseudoNone, pseudoStatus, hpack.PseudoUnknown:
		return rulePseudoUnknown
	}
	if !checked {
		q.dec.MarkChecked()
	}
	return ruleOK
}

// maxProtocol is the length of the longest name of a protocol that a client codec remembers.
const maxProtocol = 64

func (q *head) has(p hpack.Pseudo) bool { return q.pseudos>>p&1 != 0 }

// finishRequest checks what a whole request says, and brings it into the form of package protocols.
func (q *head) finishRequest(end bool) {
	q.rule = q.checkRequest(end)
	if q.cookies > 1 {
		// RFC 9113 section 8.2.3: "these MUST be concatenated into a single octet string using the two-octet delimiter of
		// 0x3b, 0x20 (the ASCII string "; ")".
		q.h.Join(protocols.NameCookie, "; ")
	}
}

func (q *head) checkRequest(end bool) rule {
	h := q.h
	if !q.has(pseudoMethod) {
		return rulePseudoMissing
	}
	if len(h.Authority()) == 0 {
		// RFC 9113 section 8.3.1 with RFC 9110 section 4.2: http and https have a mandatory authority.
		return ruleAuthorityMissing
	}
	if h.Method == protocols.MethodConnect {
		return q.checkConnect(end)
	}
	switch {
	case q.has(pseudoProtocol):
		return rulePseudoConnect
	case !q.has(pseudoScheme) || !q.has(pseudoPath):
		// RFC 9113 section 8.3.1: "All HTTP/2 requests MUST include exactly one valid value for the ":method", ":scheme",
		// and ":path" pseudo-header fields, unless they are CONNECT requests".
		return rulePseudoMissing
	case h.Path()[0] == '*' && h.Method != protocols.MethodOptions:
		return rulePath
	case end && h.ContentLength > 0:
		return ruleLengthSum
	case h.Method == protocols.MethodHead:
		q.traits |= isHead
	}
	return ruleOK
}

// checkConnect checks a CONNECT, and makes an extended one a GET with Upgrade.
func (q *head) checkConnect(end bool) rule {
	h := q.h
	if end || h.ContentLength > 0 {
		return ruleConnectBody
	}
	if !q.has(pseudoProtocol) {
		q.traits |= isConnect
		switch {
		case q.has(pseudoScheme) || q.has(pseudoPath):
			return rulePseudoConnect
		case !validAuthority(h.Authority(), true):
			return ruleAuthority
		}
	} else {
		q.traits |= isUpgrade
		switch {
		// RFC 8441 section 4: "On requests that contain the :protocol pseudo-header field, the :scheme and :path
		// pseudo-header fields of the target URI MUST also be included."
		case !q.has(pseudoScheme) || !q.has(pseudoPath):
			return rulePseudoMissing
		case h.Path()[0] == '*':
			return rulePath
		}
		h.SetMethod([]byte("GET"))
	}
	if h.ContentLength == 0 {
		h.Del(protocols.NameContentLength)
		h.ContentLength = -1
	}
	return ruleOK
}

// finishResponse checks what a whole response head says, as the answer to s, and brings it into the form of package
// protocols.
func (q *head) finishResponse(s *stream, end bool) {
	h := q.h
	q.length = h.ContentLength
	granted := s.traits&(isConnect|isUpgrade) != 0 && h.Status/100 == 2
	switch {
	case !q.has(pseudoStatus):
		q.rule = rulePseudoMissing
	case h.Status == 101:
		// RFC 9113 section 8.6: "HTTP/2 removes support for the 101 (Switching Protocols) informational status code".
		q.rule = ruleSwitching
	case h.Status < 200 && end:
		q.rule = ruleInterimEnd
	case granted:
		q.length = -1
		if s.traits&isUpgrade != 0 {
			h.Status = 101
			h.SetUpgrade([]byte(s.upgrade))
		}
	case s.traits&isHead != 0 || h.Status == 304:
		q.length = 0 // what it announces is not its own
	case h.Status == 204:
		q.length = 0
		h.Del(protocols.NameContentLength)
		h.ContentLength = -1
	case h.Status >= 200 && end && h.ContentLength > 0:
		q.rule = ruleLengthSum
	}
	if (h.Status < 200 || granted) && h.ContentLength >= 0 {
		h.Del(protocols.NameContentLength)
		h.ContentLength = -1
	}
}
