package http2

import "sluice/protocols"

// A rule names what a peer did wrong; ruleOK is none. The same fault is a client's at a server and an upstream's at a
// client, so each end turns it into its own *protocols.Error.
type rule uint8

const (
	ruleOK rule = iota
	rulePreface
	rulePrefaceHTTP1
	ruleFirstFrame
	ruleFrameSize
	ruleFrameFixed
	ruleFrameStream
	ruleFrameNoStream
	ruleEvenStream
	rulePadding
	ruleContinuation
	ruleContinuationAlone
	ruleFragments
	ruleBlockSize
	ruleBlockBomb
	ruleCompression
	rulePush
	ruleIdleStream
	ruleStreamSkipped
	ruleClosedStream
	ruleClosedReset
	ruleHalfClosed
	ruleSelfDependency
	ruleStreams
	ruleWindowConn
	ruleWindowStream
	ruleUpdateZero
	ruleUpdateOverflow
	ruleSettingsAck
	ruleSettingsSize
	ruleSettingsEntries
	ruleSettingsPush
	ruleSettingsWindow
	ruleSettingsFrame
	ruleSettingsConnect
	ruleSettingsUnasked
	ruleSettingsTimeout
	ruleSettingsOverflow
	rulePingTimeout
	ruleFloodReset
	ruleFloodFaults
	ruleFloodPing
	ruleFloodSettings
	ruleFloodPriority
	ruleFloodEmpty
	ruleFloodUpdate
	ruleFloodLate
	ruleFloodUnread
	ruleOwed
	ruleHeadLarge
	rulePseudoUnknown
	rulePseudoTwice
	rulePseudoLate
	rulePseudoTrailer
	rulePseudoMissing
	rulePseudoConnect
	ruleMethod
	ruleScheme
	rulePath
	ruleAuthority
	ruleAuthorityMissing
	ruleHostMismatch
	ruleProtocol
	ruleStatus
	ruleNameByte
	ruleValueByte
	ruleConnectionField
	ruleTE
	ruleExpect
	ruleLengthDigits
	ruleLengthRepeated
	ruleLengthSum
	ruleConnectBody
	ruleTrailerEnd
	ruleTrailerName
	ruleTrailerLarge
	ruleInterimEnd
	ruleInterimMany
	ruleSwitching
	ruleDataFirst
	ruleCutFrame
	ruleCutStreams
	numRules
)

const (
	protocolError = protocols.ReasonProtocolError
	headTooLarge  = protocols.ReasonHeadTooLarge
	flood         = protocols.ReasonFlood
)

var ruleTable = [numRules]struct {
	code   code
	reason protocols.Reason // at a server; see upstreamReason for a client's
	detail string
}{
	rulePreface:           {codeProtocol, protocolError, "the connection does not start with the HTTP/2 preface (RFC 9113 section 3.4)"},
	rulePrefaceHTTP1:      {codeHTTP11Required, protocolError, "an HTTP/1 request on a port that speaks only HTTP/2: set the listener's protocol to Auto, or use HTTP/2 with prior knowledge (RFC 9113 section 3.3)"},
	ruleFirstFrame:        {codeProtocol, protocolError, "the first frame is not SETTINGS (RFC 9113 section 3.4)"},
	ruleFrameSize:         {codeFrameSize, protocolError, "a frame is longer than SETTINGS_MAX_FRAME_SIZE allows (RFC 9113 section 4.2)"},
	ruleFrameFixed:        {codeFrameSize, protocolError, "a frame has not the length that its type asks for (RFC 9113 section 4.2)"},
	ruleFrameStream:       {codeProtocol, protocolError, "a frame of the connection names a stream (RFC 9113 section 6)"},
	ruleFrameNoStream:     {codeProtocol, protocolError, "a frame of a stream names none (RFC 9113 section 6)"},
	ruleEvenStream:        {codeProtocol, protocolError, "a stream with a number that the peer can't open (RFC 9113 section 5.1.1)"},
	rulePadding:           {codeProtocol, protocolError, "a frame has more padding than payload (RFC 9113 section 6.1)"},
	ruleContinuation:      {codeProtocol, protocolError, "another frame within a field block (RFC 9113 section 4.3)"},
	ruleContinuationAlone: {codeProtocol, protocolError, "CONTINUATION without a field block to continue (RFC 9113 section 6.10)"},
	ruleFragments:         {codeEnhanceYourCalm, flood, "more than 16 CONTINUATION frames of one field block"},
	ruleBlockSize:         {codeEnhanceYourCalm, headTooLarge, "a field block is over 60 KiB on the wire"},
	ruleBlockBomb:         {codeEnhanceYourCalm, flood, "a field block decodes to several times the limit of a head"},
	ruleCompression:       {codeCompression, protocolError, "a field block that HPACK can't decode (RFC 9113 section 4.3)"},
	rulePush:              {codeProtocol, protocolError, "PUSH_PROMISE, which we have disabled or a client can't send (RFC 9113 section 8.4)"},
	ruleIdleStream:        {codeProtocol, protocolError, "a frame on a stream that nobody has opened (RFC 9113 section 5.1)"},
	ruleStreamSkipped:     {codeProtocol, protocolError, "a new stream has a lower number than one before (RFC 9113 section 5.1.1)"},
	ruleClosedStream:      {codeStreamClosed, protocolError, "a frame on a stream that is closed (RFC 9113 section 5.1)"},
	ruleClosedReset:       {codeStreamClosed, protocolError, "a frame on a stream that its sender has reset (RFC 9113 section 5.1)"},
	ruleHalfClosed:        {codeStreamClosed, protocolError, "a frame behind the end of its stream (RFC 9113 section 5.1)"},
	ruleSelfDependency:    {codeProtocol, protocolError, "a stream that depends on itself (RFC 7540 section 5.3.1)"},
	ruleStreams:           {codeRefusedStream, protocols.ReasonOverflow, "more streams at a time than we allow (RFC 9113 section 5.1.2)"},
	ruleWindowConn:        {codeFlowControl, protocolError, "more data than the connection's window allows (RFC 9113 section 6.9)"},
	ruleWindowStream:      {codeFlowControl, protocolError, "more data than the stream's window allows (RFC 9113 section 6.9)"},
	ruleUpdateZero:        {codeProtocol, protocolError, "WINDOW_UPDATE by zero (RFC 9113 section 6.9)"},
	ruleUpdateOverflow:    {codeFlowControl, protocolError, "WINDOW_UPDATE makes a window larger than 2^31-1 (RFC 9113 section 6.9.1)"},
	ruleSettingsAck:       {codeFrameSize, protocolError, "a SETTINGS acknowledgement with a payload (RFC 9113 section 6.5)"},
	ruleSettingsSize:      {codeFrameSize, protocolError, "a SETTINGS frame that is not made of entries of 6 bytes (RFC 9113 section 6.5)"},
	ruleSettingsEntries:   {codeEnhanceYourCalm, flood, "more than 32 entries in a SETTINGS frame"},
	ruleSettingsPush:      {codeProtocol, protocolError, "SETTINGS_ENABLE_PUSH is not 0 or 1, or a server's 1 (RFC 9113 section 6.5.2)"},
	ruleSettingsWindow:    {codeFlowControl, protocolError, "SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1 (RFC 9113 section 6.5.2)"},
	ruleSettingsFrame:     {codeProtocol, protocolError, "SETTINGS_MAX_FRAME_SIZE is not between 2^14 and 2^24-1 (RFC 9113 section 6.5.2)"},
	ruleSettingsConnect:   {codeProtocol, protocolError, "SETTINGS_ENABLE_CONNECT_PROTOCOL is not 0 or 1, or taken back (RFC 8441 section 3)"},
	ruleSettingsUnasked:   {codeProtocol, protocolError, "a SETTINGS acknowledgement for nothing (RFC 9113 section 6.5.3)"},
	ruleSettingsTimeout:   {codeSettingsTimeout, protocols.ReasonPeerSilent, "SETTINGS were not acknowledged for 30 s (RFC 9113 section 6.5.3)"},
	ruleSettingsOverflow:  {codeFlowControl, protocolError, "SETTINGS_INITIAL_WINDOW_SIZE makes a stream's window larger than 2^31-1 (RFC 9113 section 6.9.2)"},
	rulePingTimeout:       {codeNone, protocols.ReasonPeerSilent, "a PING was not answered in time"},
	ruleFloodReset:        {codeEnhanceYourCalm, flood, "streams are reset faster than 100 a second (CVE-2023-44487)"},
	ruleFloodFaults:       {codeEnhanceYourCalm, flood, "more than 500 streams had to be reset for the peer's faults (CVE-2025-8671)"},
	ruleFloodPing:         {codeEnhanceYourCalm, flood, "more than 100 PING a second (CVE-2019-9512)"},
	ruleFloodSettings:     {codeEnhanceYourCalm, flood, "more than 50 SETTINGS a second (CVE-2019-9515)"},
	ruleFloodPriority:     {codeEnhanceYourCalm, flood, "more than 100 PRIORITY or unknown frames a second (CVE-2019-9513)"},
	ruleFloodEmpty:        {codeEnhanceYourCalm, flood, "more than 100 empty DATA frames a second (CVE-2019-9518)"},
	ruleFloodUpdate:       {codeEnhanceYourCalm, flood, "more than 10 WINDOW_UPDATE for each DATA frame"},
	ruleFloodLate:         {codeEnhanceYourCalm, flood, "more than 1000 frames a second on closed streams"},
	ruleFloodUnread:       {codeEnhanceYourCalm, flood, "1000 answers to control frames wait, because the peer does not read (CVE-2019-9517)"},
	ruleOwed:              {codeEnhanceYourCalm, protocols.ReasonOverflow, "too much is buffered, and this stream holds most of it"},
	ruleHeadLarge:         {codeEnhanceYourCalm, headTooLarge, "the head is over its limit of bytes or fields"},
	rulePseudoUnknown:     {codeProtocol, protocolError, "a pseudo field that is not defined here (RFC 9113 section 8.3)"},
	rulePseudoTwice:       {codeProtocol, protocolError, "a pseudo field occurs twice (RFC 9113 section 8.3)"},
	rulePseudoLate:        {codeProtocol, protocolError, "a pseudo field behind a regular one (RFC 9113 section 8.3)"},
	rulePseudoTrailer:     {codeProtocol, protocolError, "a pseudo field in trailers (RFC 9113 section 8.1)"},
	rulePseudoMissing:     {codeProtocol, protocolError, "a mandatory pseudo field is missing (RFC 9113 section 8.3)"},
	rulePseudoConnect:     {codeProtocol, protocolError, "CONNECT has :scheme or :path, or :protocol without CONNECT (RFC 9113 section 8.5, RFC 8441 section 4)"},
	ruleMethod:            {codeProtocol, protocolError, ":method is not a token (RFC 9113 section 8.3.1)"},
	ruleScheme:            {codeProtocol, protocolError, ":scheme is neither http nor https (RFC 9113 section 8.3.1)"},
	rulePath:              {codeProtocol, protocolError, ":path is neither an absolute path nor OPTIONS' * (RFC 9113 section 8.3.1)"},
	ruleAuthority:         {codeProtocol, protocolError, ":authority or host is not a valid host and port (RFC 9113 section 8.3.1)"},
	ruleAuthorityMissing:  {codeProtocol, protocolError, "neither :authority nor host (RFC 9113 section 8.3.1)"},
	ruleHostMismatch:      {codeProtocol, protocolError, "host differs from :authority, or from another host (RFC 9113 section 8.3.1)"},
	ruleProtocol:          {codeProtocol, protocolError, ":protocol is not the name of a protocol (RFC 8441 section 4)"},
	ruleStatus:            {codeProtocol, protocolError, ":status is not three digits, 100 or more (RFC 9113 section 8.3.2)"},
	ruleNameByte:          {codeProtocol, protocolError, "a byte in a field name that is upper case or not of a token (RFC 9113 section 8.2.1)"},
	ruleValueByte:         {codeProtocol, protocolError, "a control byte in a field value, or white space around it (RFC 9113 section 8.2.1)"},
	ruleConnectionField:   {codeProtocol, protocolError, "a field of HTTP/1 connections (RFC 9113 section 8.2.2)"},
	ruleExpect:            {codeNone, protocols.ReasonExpectationFailed, "expect is something other than 100-continue (RFC 9110 section 10.1.1)"},
	ruleTE:                {codeProtocol, protocolError, "te is something other than trailers (RFC 9113 section 8.2.2)"},
	ruleLengthDigits:      {codeProtocol, protocolError, "content-length is not a decimal number that can be counted (RFC 9110 section 8.6)"},
	ruleLengthRepeated:    {codeProtocol, protocolError, "two content-length fields that differ (RFC 9110 section 8.6)"},
	ruleLengthSum:         {codeProtocol, protocolError, "content-length differs from the length of the data (RFC 9113 section 8.1.1)"},
	ruleConnectBody:       {codeProtocol, protocolError, "a CONNECT request that announces a body, or ends (RFC 9110 section 9.3.6)"},
	ruleTrailerEnd:        {codeProtocol, protocolError, "trailers that do not end their stream (RFC 9113 section 8.1)"},
	ruleTrailerName:       {codeProtocol, protocolError, "a trailer field that frames, routes or authorises (RFC 9110 section 6.5.1)"},
	ruleTrailerLarge:      {codeEnhanceYourCalm, headTooLarge, "the trailers are over their limit of bytes or fields"},
	ruleInterimEnd:        {codeProtocol, protocolError, "a 1xx answer that ends its stream (RFC 9113 section 8.1)"},
	ruleInterimMany:       {codeEnhanceYourCalm, protocolError, "more than 32 interim answers to one request"},
	ruleSwitching:         {codeProtocol, protocolError, "status 101, which HTTP/2 has not (RFC 9113 section 8.6)"},
	ruleDataFirst:         {codeProtocol, protocolError, "data in front of the answer's head (RFC 9113 section 8.1)"},
	ruleCutFrame:          {codeNone, protocols.ReasonClientGone, "the connection ended within a frame"},
	ruleCutStreams:        {codeNone, protocols.ReasonClientGone, "the connection ended with streams in progress"},
}

// upstreamReason is what a rule's reason is called when an upstream broke it.
func upstreamReason(r rule) protocols.Reason {
	switch ruleTable[r].reason {
	case headTooLarge:
		return protocols.ReasonUpstreamHeadTooLarge
	case protocols.ReasonOverflow:
		return protocols.ReasonOverflow
	case protocols.ReasonPeerSilent:
		return protocols.ReasonUpstreamSilent
	case protocols.ReasonClientGone:
		return protocols.ReasonUpstreamReset
	default:
		return protocols.ReasonUpstreamProtocol
	}
}

var (
	clientFaults   = buildErrors(func(r rule) protocols.Reason { return ruleTable[r].reason })
	upstreamFaults = buildErrors(upstreamReason)
)

func buildErrors(reason func(rule) protocols.Reason) (errs [numRules]*protocols.Error) {
	for r := ruleOK + 1; r < numRules; r++ {
		errs[r] = &protocols.Error{Reason: reason(r), Detail: ruleTable[r].detail}
	}
	return errs
}

// The caller's own mistakes, which Encode reports.
var (
	errStream    = internal("no stream with this id is open here, or its direction is over")
	errHeadTwice = internal("a second final head for one message")
	errHeadFirst = internal("body before the head of its message")
	errKind      = internal("an event of a kind that HTTP/2 can't say")
	errBodyLong  = internal("more body than was announced")
	errBodyShort = internal("less body than was announced")
	errLength    = internal("the content-length to send is malformed, repeated, or differs from Header.ContentLength")
	errStatus    = internal("the status to send is not between 100 and 999")
	errUpgrade   = internal("a 101 for an upgrade that was not asked for")
	errField     = internal("a field to send that holds a byte which HTTP/2 can't carry")
	errRequest   = internal("a method, path, authority or upgrade to send that HTTP/2 can't carry")
	errPhase     = internal("the connection takes no new stream")

	// errNoConnect is the peer's fault, not the caller's: the request can be answered with the reason's status.
	errNoConnect = &protocols.Error{Reason: protocols.ReasonNotImplemented,
		Detail: "http2 encode: the peer does not take extended CONNECT (RFC 8441 section 3)"}
)

func internal(detail string) *protocols.Error {
	return &protocols.Error{Reason: protocols.ReasonInternal, Detail: "http2 encode: " + detail}
}
