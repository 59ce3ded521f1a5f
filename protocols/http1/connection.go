package http1

import (
	"sluice/protocols"
	"sluice/protocols/syntax"
)

// maxOptions bounds the options of all Connection fields of a message.
const maxOptions = 16

var (
	// hopByHop are the fields of one connection (RFC 9110 section 7.6.1), whether or not Connection names them. They are
	// deleted from every decoded head, and never sent from a Header. TE is not among them: see scanTE.
	// Proxy-Authenticate and Proxy-Authorization pass, as in nginx: a gateway is an origin server to its clients (RFC
	// 9110 section 3.7), so they speak of a proxy behind it.
	hopByHop = protocols.NameSetOf(protocols.NameConnection, protocols.NameKeepAlive, protocols.NameProxyConnection,
		protocols.NameTransferEncoding, protocols.NameUpgrade, protocols.NameHTTP2Settings)

	// framing are the fields that say where a message ends or where it goes. A Connection field that names one asks the
	// next proxy to forget it, which would change the message: refused.
	framing = protocols.NameSetOf(protocols.NameHost, protocols.NameContentLength, protocols.NameTransferEncoding)

	// special are the fields that interpretFields looks at; Host is looked at with the request target.
	special = (hopByHop | framing | protocols.NameSetOf(protocols.NameTE, protocols.NameExpect)) &^
		protocols.NameSetOf(protocols.NameHost)
)

// options is what the Connection fields of a message say.
type options uint8

const (
	optClose options = 1 << iota
	optKeepAlive
	optUpgrade
)

// scanConnection reads the Connection fields of h and deletes the fields that they name.
//
// RFC 9110 section 7.6.1: "Intermediaries MUST parse a received Connection header field before a message is forwarded
// and, for each connection-option in this field, remove any header or trailer field(s) from the message with the same
// name as the connection-option".
func scanConnection(h *protocols.Header) (o options, r rule) {
	left := maxOptions
	for i := range h.Len() {
		id, _, value, ok := h.Field(i)
		if !ok || id != protocols.NameConnection {
			continue
		}
		for token, rest, more := nextElement(value); ; token, rest, more = nextElement(rest) {
			if len(token) > 0 {
				if left--; left < 0 {
					return o, ruleConnectionMany
				}
				if syntax.Token.Scan(token, 0) < len(token) {
					return o, ruleConnectionOption
				}
				if o, r = applyOption(h, token, o); r != ruleOK {
					return o, r
				}
			}
			if !more {
				break
			}
		}
	}
	return o, ruleOK
}

func applyOption(h *protocols.Header, token []byte, o options) (options, rule) {
	switch {
	case protocols.EqualFold(token, "close"):
		return o | optClose, ruleOK
	case protocols.EqualFold(token, "keep-alive"):
		return o | optKeepAlive, ruleOK
	}
	switch id := protocols.LookupName(token); {
	case id == protocols.NameUpgrade:
		return o | optUpgrade, ruleOK
	case framing.Has(id):
		return o, ruleConnectionFraming
	case id == protocols.NameOther:
		for i := range h.Len() {
			if fid, name, _, ok := h.Field(i); ok && fid == protocols.NameOther && syntax.EqualFold(name, token) {
				h.Delete(i)
			}
		}
	default:
		// The other well-known names are end to end, or deleted anyway. RFC 9110 section 7.6.1: "A sender MUST NOT send
		// a connection option corresponding to a field that is intended for all recipients of the content". Deleting
		// X-Forwarded-For or Authorization because a client says so is an attack (on what stands behind us), so such
		// an option is ignored.
	}
	return o, ruleOK
}

// nextElement cuts the first element off a comma-separated list; more says that a comma followed it.
func nextElement(list []byte) (element, rest []byte, more bool) {
	i := 0
	for i < len(list) && list[i] != ',' {
		i++
	}
	from, to := trimOWS(list, 0, i)
	if i == len(list) {
		return list[from:to], nil, false
	}
	return list[from:to], list[i+1:], true
}

// scanTE keeps, of all TE fields, that the sender takes trailers: the only thing in TE that means something to the next
// hop too, since the coding of the hop is ours. What stays is one field whose value is "trailers".
func scanTE(h *protocols.Header) {
	kept := false
	n := h.Len()
	for i := range n {
		id, name, value, ok := h.Field(i)
		if !ok || id != protocols.NameTE {
			continue
		}
		if !kept && protocols.EqualFold(value, "trailers") {
			kept = true
			continue
		}
		h.Delete(i)
		for token, rest, more := nextElement(value); !kept; token, rest, more = nextElement(rest) {
			if protocols.EqualFold(token, "trailers") {
				kept = true
				nameOff, valueOff := h.Offsets(i)
				h.AddSpan(id, nameOff, len(name), valueOff+offset(value, token), len(token), false)
			}
			if !more {
				break
			}
		}
	}
}

// offset returns where part, a slice of whole, starts in it. Both end where whole's capacity ends.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// scanUpgrade makes the first protocol that the Upgrade fields of h name, and that a gateway can pass on, the one of
// h.Upgrade. h2c is not: it would let a client speak past us in frames that nobody checks.
func scanUpgrade(h *protocols.Header) (found bool) {
	for i := range h.Len() {
		id, _, value, ok := h.Field(i)
		if !ok || id != protocols.NameUpgrade {
			continue
		}
		for token, rest, more := nextElement(value); ; token, rest, more = nextElement(rest) {
			if len(token) > 0 && !protocols.EqualFold(token, "h2c") && syntax.IsProtocolName(token) {
				_, off := h.Offsets(i)
				h.SpanUpgrade(off+offset(value, token), len(token))
				return true
			}
			if !more {
				break
			}
		}
	}
	return false
}

func deleteFields(h *protocols.Header, which protocols.NameSet) {
	for i := range h.Len() {
		if id, _, _, ok := h.Field(i); ok && which.Has(id) {
			h.Delete(i)
		}
	}
}

// trimOWS cuts spaces and tabs from both ends of b[i:j] and returns the new ends.
func trimOWS(b []byte, i, j int) (int, int) {
	for i < j && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	for i < j && (b[j-1] == ' ' || b[j-1] == '\t') {
		j--
	}
	return i, j
}
