package http1

import "sluice/protocols"

// A rule names what a peer did wrong; ruleOK is none. The parsers return rules, and each end turns them into its own
// *protocols.Error: the same broken line is a client's fault at a server and an upstream's fault at a client.
type rule uint8

const (
	ruleOK rule = iota
	ruleGarbage
	ruleBlankLines
	ruleMethod
	ruleMethodLong
	ruleTarget
	ruleTargetForm
	ruleTargetMissing
	ruleTargetLong
	ruleHTTP09
	ruleHTTP2
	ruleVersion
	ruleStatusLine
	ruleStatusCode
	ruleReasonPhrase
	ruleHeadBytes
	ruleHeadFields
	ruleNameEmpty
	ruleNameByte
	ruleNameSpace
	ruleNameLong
	ruleFold
	ruleValueByte
	ruleBareCR
	ruleBareLF
	ruleHostMissing
	ruleHostRepeated
	ruleHostBytes
	ruleHostMismatch
	ruleScheme
	ruleAsterisk
	ruleConnectTarget
	ruleConnectBody
	ruleLengthAndCoding
	ruleLengthRepeated
	ruleLengthDigits
	ruleLengthRange
	ruleCodingIn10
	ruleCodingUnknown
	ruleCodingNotOnce
	ruleCodingForbidden
	ruleConnectionOption
	ruleConnectionMany
	ruleConnectionFraming
	ruleExpect
	ruleChunkSize
	ruleChunkRange
	ruleChunkExtension
	ruleChunkEnd
	ruleChunkOverhead
	ruleTrailerBytes
	ruleTrailerFields
	ruleTrailerName
	ruleCutHead
	ruleCutBody
	ruleCutAnswer
	ruleUnasked
	ruleUpgradeUnasked
	ruleInterimMany
	numRules
)

const (
	protocolError  = protocols.ReasonProtocolError
	notImplemented = protocols.ReasonNotImplemented
	headTooLarge   = protocols.ReasonHeadTooLarge
)

var ruleTable = [numRules]struct {
	reason protocols.Reason // at a server; see upstreamReason for a client's
	detail string
}{
	ruleGarbage:           {protocolError, "the first bytes are no HTTP/1 request line (RFC 9112 section 3)"},
	ruleBlankLines:        {protocolError, "more than two empty lines before the request line (RFC 9112 section 2.2)"},
	ruleMethod:            {protocolError, "the method is not a token followed by one space (RFC 9112 section 3)"},
	ruleMethodLong:        {notImplemented, "the method is longer than any that is known (RFC 9112 section 3)"},
	ruleTarget:            {protocolError, "a byte in the request target that a URI can't hold (RFC 9112 section 3.2)"},
	ruleTargetForm:        {protocolError, "the request target is in none of the four forms (RFC 9112 section 3.2)"},
	ruleTargetMissing:     {protocolError, "the request line has no target, or two spaces (RFC 9112 section 3)"},
	ruleTargetLong:        {protocols.ReasonURITooLong, "the request line is over its limit (RFC 9112 section 3)"},
	ruleHTTP09:            {protocolError, "an HTTP/0.9 request: the request line has no version (RFC 9112 section 3)"},
	ruleHTTP2:             {protocolError, "HTTP/2 with prior knowledge on a port that speaks HTTP/1 (RFC 9113 section 3.4)"},
	ruleVersion:           {protocolError, "the version is not HTTP/1.0 or HTTP/1.1 (RFC 9112 section 2.3)"},
	ruleStatusLine:        {protocolError, "the answer does not start with an HTTP/1 status line (RFC 9112 section 4)"},
	ruleStatusCode:        {protocolError, "the status is not three digits, 100 or more (RFC 9110 section 15)"},
	ruleReasonPhrase:      {protocolError, "a control byte in the reason phrase (RFC 9112 section 4)"},
	ruleHeadBytes:         {headTooLarge, "the head is over its limit of bytes"},
	ruleHeadFields:        {headTooLarge, "the head is over its limit of fields"},
	ruleNameEmpty:         {protocolError, "a field has an empty name (RFC 9112 section 5)"},
	ruleNameByte:          {protocolError, "a byte in a field name that a token can't hold (RFC 9110 section 5.1)"},
	ruleNameSpace:         {protocolError, "white space between a field name and its colon (RFC 9112 section 5.1)"},
	ruleNameLong:          {headTooLarge, "a field name is longer than 1024 bytes"},
	ruleFold:              {protocolError, "a line starts with white space: folded, or before the first field (RFC 9112 section 5.2)"},
	ruleValueByte:         {protocolError, "a control byte in a field value (RFC 9110 section 5.5)"},
	ruleBareCR:            {protocolError, "a CR without LF (RFC 9112 section 2.2)"},
	ruleBareLF:            {protocolError, "a line that ends with LF alone (RFC 9112 section 2.2)"},
	ruleHostMissing:       {protocolError, "an HTTP/1.1 request without Host (RFC 9112 section 3.2)"},
	ruleHostRepeated:      {protocolError, "more than one Host field (RFC 9112 section 3.2)"},
	ruleHostBytes:         {protocolError, "the host is not a valid host and port (RFC 9112 section 3.2)"},
	ruleHostMismatch:      {protocolError, "Host differs from the authority of the request target (RFC 9112 section 3.2.2)"},
	ruleScheme:            {protocolError, "the request target's scheme is neither http nor https"},
	ruleAsterisk:          {protocolError, "the target * with a method other than OPTIONS (RFC 9112 section 3.2.4)"},
	ruleConnectTarget:     {protocolError, "CONNECT needs host:port as its target (RFC 9112 section 3.2.3)"},
	ruleConnectBody:       {protocolError, "a CONNECT request that announces a body (RFC 9110 section 9.3.6)"},
	ruleLengthAndCoding:   {protocolError, "both Content-Length and Transfer-Encoding (RFC 9112 section 6.1)"},
	ruleLengthRepeated:    {protocolError, "more than one Content-Length (RFC 9112 section 6.3)"},
	ruleLengthDigits:      {protocolError, "Content-Length is not a plain decimal number (RFC 9110 section 8.6)"},
	ruleLengthRange:       {protocolError, "Content-Length is too large to count (RFC 9110 section 8.6)"},
	ruleCodingIn10:        {protocolError, "Transfer-Encoding in an HTTP/1.0 message (RFC 9112 section 6.1)"},
	ruleCodingUnknown:     {notImplemented, "a transfer coding other than chunked (RFC 9112 section 6.1)"},
	ruleCodingNotOnce:     {protocolError, "Transfer-Encoding is not exactly one chunked (RFC 9112 section 6.1)"},
	ruleCodingForbidden:   {protocolError, "Transfer-Encoding where no body can be (RFC 9112 section 6.1)"},
	ruleConnectionOption:  {protocolError, "Connection is not a list of tokens (RFC 9110 section 7.6.1)"},
	ruleConnectionMany:    {protocolError, "more than 16 options in Connection (RFC 9110 section 7.6.1)"},
	ruleConnectionFraming: {protocolError, "Connection names a field that frames or routes the message (RFC 9110 section 7.6.1)"},
	ruleExpect:            {protocols.ReasonExpectationFailed, "Expect is something other than 100-continue (RFC 9110 section 10.1.1)"},
	ruleChunkSize:         {protocolError, "a chunk size that is not a plain hexadecimal number (RFC 9112 section 7.1)"},
	ruleChunkRange:        {protocolError, "a chunk size that is too large to count (RFC 9112 section 7.1)"},
	ruleChunkExtension:    {protocolError, "a malformed chunk extension (RFC 9112 section 7.1.1)"},
	ruleChunkEnd:          {protocolError, "a chunk that does not end with CR LF behind its data (RFC 9112 section 7.1)"},
	ruleChunkOverhead:     {protocolError, "the chunk lines are out of proportion to the data (RFC 9112 section 7.1.1)"},
	ruleTrailerBytes:      {headTooLarge, "the trailers are over their limit of bytes"},
	ruleTrailerFields:     {headTooLarge, "the trailers are over their limit of fields"},
	ruleTrailerName:       {protocolError, "a trailer field that frames, routes or authorises (RFC 9110 section 6.5.1)"},
	ruleCutHead:           {protocols.ReasonClientGone, "the connection ended within a request head"},
	ruleCutBody:           {protocols.ReasonClientGone, "the connection ended within a message body (RFC 9112 section 8)"},
	ruleCutAnswer:         {protocols.ReasonClientGone, "the connection ended before the answer's head was complete (RFC 9112 section 8)"},
	ruleUnasked:           {protocolError, "bytes that answer no request (RFC 9112 section 9.2)"},
	ruleUpgradeUnasked:    {protocolError, "a 101 that grants no upgrade that was asked for (RFC 9110 section 15.2.2)"},
	ruleInterimMany:       {protocolError, "more than 32 interim answers to one request"},
}

// upstreamReason is what a rule's reason is called when an upstream broke it.
func upstreamReason(r rule) protocols.Reason {
	switch r {
	case ruleCutAnswer, ruleCutHead:
		return protocols.ReasonUpstreamReset
	case ruleCutBody:
		return protocols.ReasonUpstreamCut
	}
	if ruleTable[r].reason == headTooLarge {
		return protocols.ReasonUpstreamHeadTooLarge
	}
	return protocols.ReasonUpstreamProtocol
}

var (
	requestErrors  = buildErrors(func(r rule) protocols.Reason { return ruleTable[r].reason })
	responseErrors = buildErrors(upstreamReason)
)

func buildErrors(reason func(rule) protocols.Reason) (errs [numRules]*protocols.Error) {
	for r := ruleOK + 1; r < numRules; r++ {
		errs[r] = &protocols.Error{Reason: reason(r), Detail: ruleTable[r].detail}
	}
	return errs
}

// The caller's own mistakes, which Encode reports.
var (
	errStream      = internal("no exchange with this stream id is open here")
	errHeadTwice   = internal("a second final head for one message")
	errHeadFirst   = internal("body before the head of its message")
	errHeadBusy    = internal("a request while another one is in progress on this connection")
	errKind        = internal("an event of a kind that HTTP/1 can't say")
	errBodyLong    = internal("more body than was announced, or a body where none can be")
	errBodyShort   = internal("less body than was announced")
	errLength      = internal("the content-length to send is malformed, repeated, or differs from Header.ContentLength")
	errStatus      = internal("the status to send is not between 100 and 999")
	errUpgrade     = internal("a 101 for an upgrade that was not asked for")
	errField       = internal("a field to send that holds a byte which HTTP/1 can't carry")
	errRequestLine = internal("a method, path, authority or upgrade to send that HTTP/1 can't carry")
	errPhase       = internal("the connection is past its last exchange")
)

func internal(detail string) *protocols.Error {
	return &protocols.Error{Reason: protocols.ReasonInternal, Detail: "http1 encode: " + detail}
}
