package hpack

import "sluice/protocols"

// A Policy says what the encoder may do with a field beside writing it.
type Policy uint8

// The policies.
const (
	// PolicyIndex puts the field into the dynamic table at once: for values that most messages repeat.
	PolicyIndex Policy = iota
	// PolicyRepeat puts the field into the dynamic table when it is seen for the second time within a while, or when no
	// table has its name: for values that may be all different, and must not push out the others then.
	PolicyRepeat
	// PolicyNoIndex writes a literal without looking for the value: for values that are never the same. The first field
	// of a well-known name that no table has goes into the table all the same, so that the name costs a byte or two
	// from then on.
	PolicyNoIndex
	// PolicyNever writes a literal that no intermediary may index either: for secrets that are short enough to be
	// guessed (RFC 7541 section 7.1.3).
	PolicyNever
)

// guessable is the length in bytes below which a cookie is short enough to be guessed.
const guessable = 20

// DefaultPolicy is the policy for a field of a gateway's traffic: what clients, servers and gateways say about themselves
// is repeated with every message; what belongs to one message is not.
func DefaultPolicy(id protocols.NameID) Policy {
	if int(id) < len(defaultPolicies) {
		return defaultPolicies[id]
	}
	return PolicyRepeat
}

var defaultPolicies = [...]Policy{
	protocols.NameOther:              PolicyRepeat,
	protocols.NameHost:               PolicyIndex,
	protocols.NameTE:                 PolicyIndex,
	protocols.NameTrailer:            PolicyRepeat,
	protocols.NameContentLength:      PolicyNoIndex,
	protocols.NameContentType:        PolicyIndex,
	protocols.NameContentEncoding:    PolicyIndex,
	protocols.NameExpect:             PolicyIndex,
	protocols.NameVia:                PolicyIndex,
	protocols.NameForwarded:          PolicyRepeat,
	protocols.NameXForwardedFor:      PolicyRepeat,
	protocols.NameXForwardedProto:    PolicyIndex,
	protocols.NameXForwardedHost:     PolicyRepeat,
	protocols.NameXRequestID:         PolicyNoIndex,
	protocols.NameAccept:             PolicyIndex,
	protocols.NameAcceptEncoding:     PolicyIndex,
	protocols.NameUserAgent:          PolicyIndex,
	protocols.NameReferer:            PolicyRepeat,
	protocols.NameOrigin:             PolicyRepeat,
	protocols.NameCookie:             PolicyNoIndex,
	protocols.NameSetCookie:          PolicyNoIndex,
	protocols.NameAuthorization:      PolicyNever,
	protocols.NameProxyAuthorization: PolicyNever,
	protocols.NameProxyAuthenticate:  PolicyRepeat,
	protocols.NameWWWAuthenticate:    PolicyRepeat,
	protocols.NameDate:               PolicyNoIndex,
	protocols.NameServer:             PolicyIndex,
	protocols.NameLocation:           PolicyNoIndex,
	protocols.NameVary:               PolicyIndex,
	protocols.NameETag:               PolicyNoIndex,
	protocols.NameCacheControl:       PolicyIndex,
	protocols.NamePriority:           PolicyIndex,
	protocols.NameRetryAfter:         PolicyRepeat,
	protocols.NameGRPCTimeout:        PolicyNoIndex,
	protocols.NameGRPCStatus:         PolicyIndex,
	protocols.NameGRPCMessage:        PolicyRepeat,
	protocols.NameTraceparent:        PolicyNoIndex,
	protocols.NameTracestate:         PolicyRepeat,
	protocols.NameService:            PolicyRepeat,
}
