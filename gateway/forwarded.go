package gateway

import (
	"net/netip"

	"sluice/gateway/config"
	"sluice/protocols"
)

// forwarded is a listener's policy on what upstreams are told about the client.
type forwarded struct {
	config.Forwarded
	viaHTTP10, viaHTTP11, viaHTTP2 string
}

func newForwarded(cfg config.Forwarded) forwarded {
	name := cfg.ViaName
	if name == "" {
		name = "sluice"
	}
	return forwarded{Forwarded: cfg, viaHTTP10: "1.0 " + name, viaHTTP11: "1.1 " + name, viaHTTP2: "2.0 " + name}
}

// trusts reports whether what the peer says about the client is believed.
func (f *forwarded) trusts(peer netip.Addr) bool {
	for _, p := range f.Trusted {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}

// via is the value of the Via field for the message that h heads.
// RFC 9110 section 7.6.3: "A proxy MUST send an appropriate Via header field ... in each message that it forwards."
func (f *forwarded) via(h *protocols.Header) string {
	switch {
	case h.Proto == protocols.ProtocolHTTP2:
		return f.viaHTTP2
	case h.Proto == protocols.ProtocolHTTP1 && h.Minor == 0:
		return f.viaHTTP10
	}
	return f.viaHTTP11
}

// editForwarded tells the upstream who the client is. What an untrusted client says about itself is replaced.
func (st *stream) editForwarded() {
	f := &st.s.l.forwarded
	h := &st.req
	peer := st.s.conn.RemoteAddr().AddrPort.Addr()
	trusted := len(f.Trusted) > 0 && f.trusts(peer)
	b := st.w.scratch[:0]
	if st.s.secure && len(h.Scheme()) == 0 {
		b = append(b, st.s.scheme()...) // HTTP/1 does not say; HTTP/2 must
		h.SetScheme(b)
		b = b[:0]
	}
	if !f.NoXFF {
		if trusted {
			b = appendList(b, h, protocols.NameXForwardedFor)
		}
		if peer.IsValid() {
			b = peer.AppendTo(b)
		} else {
			b = append(b, "unknown"...) // a unix socket
		}
		h.Put(protocols.NameXForwardedFor, b)
	}
	if !f.NoXFProto && !(trusted && keepLast(h, protocols.NameXForwardedProto)) {
		h.PutString(protocols.NameXForwardedProto, st.s.scheme())
	}
	if !f.NoXFHost && !(trusted && keepLast(h, protocols.NameXForwardedHost)) {
		b = append(b[:0], h.Authority()...)
		h.Put(protocols.NameXForwardedHost, b)
	}
	if len(f.Trusted) > 0 && !trusted {
		h.Del(protocols.NameForwarded) // vouch has, where nobody is trusted
	}
	if !f.NoRequestID && !(trusted && keepLast(h, protocols.NameXRequestID)) {
		b = st.w.appendRequestID(b[:0])
		h.Put(protocols.NameXRequestID, b)
	}
	if !f.NoVia {
		protocols.AddTo(h, protocols.NameVia, f.via(h))
	}
	st.w.scratch = b[:0]
}

// appendList appends the values of all fields called id, each with ", " behind it: several fields are one list
// (RFC 9110 section 5.3), and the last entry is the one that the trusted peer vouches for.
func appendList(dst []byte, h *protocols.Header, id protocols.NameID) []byte {
	for i := range h.Len() {
		if f, _, value, ok := h.Field(i); ok && f == id && len(value) > 0 {
			dst = append(append(dst, value...), ", "...)
		}
	}
	return dst
}

// keepLast deletes all fields called id but the last, which is the one that the trusted peer has added. It reports
// whether there is one.
func keepLast(h *protocols.Header, id protocols.NameID) bool {
	last := -1
	for i := range h.Len() {
		if f, _, _, ok := h.Field(i); ok && f == id {
			if last >= 0 {
				h.Delete(last)
			}
			last = i
		}
	}
	return last >= 0
}

// vouched are the fields by which HTTP servers are told who the client is.
var vouched = protocols.NameSetOf(protocols.NameXForwardedFor, protocols.NameXForwardedProto, protocols.NameXForwardedHost,
	protocols.NameForwarded)

// dropForwarded deletes what a client of a protocol that has no such fields says about itself to a server of HTTP, which would
// believe us.
func (st *stream) dropForwarded() {
	st.req.Del(protocols.NameXForwardedClientCert)
	if !st.s.l.forwarded.trusts(st.s.conn.RemoteAddr().AddrPort.Addr()) {
		st.req.DelSet(vouched)
	}
}
