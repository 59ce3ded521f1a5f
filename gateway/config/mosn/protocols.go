package mosn

import (
	"slices"
	"strings"

	"sluice/gateway/config"
)

// The names of protocols that are more than names here.
const (
	protocolAuto  = "Auto"
	protocolHTTP1 = "Http1"
	protocolHTTP2 = "Http2"
	protocolBolt  = "bolt"
	// protocolBolt2 is the name of version 2 in MOSN. The versions may be mixed on a connection, and so each name means both.
	protocolBolt2 = "boltv2"
	// protocolX means the protocols that extend_config.sub_protocol names.
	protocolX = "X"
)

// spoken lists the protocols that this version speaks, on both sides. It is the place to add one to: its codec goes into
// the gateway's list.
func spoken() []string { return []string{protocolHTTP1, protocolHTTP2, protocolBolt, "dubbo"} }

// protocolNames are the protocols that MOSN names.
func protocolNames() []string {
	return []string{protocolAuto, protocolHTTP1, protocolHTTP2, protocolBolt, protocolBolt2, "dubbo", "dubbo-thrift", "tars", protocolX}
}

// spokenList is the list of spoken for a sentence: "Http1, Http2 and bolt".
func spokenList() string {
	all := spoken()
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " and " + all[last]
}

// protocol returns the canonical name of a protocol that is available, or Auto or X; "" after it reported one that is not.
func (r *reader) protocol(v *node, name string) string {
	all := protocolNames()
	for _, known := range all {
		if !strings.EqualFold(known, name) {
			continue
		}
		if known == protocolBolt2 {
			return protocolBolt
		}
		if known != protocolAuto && known != protocolX && !slices.Contains(spoken(), known) {
			r.errorf(v, "the protocol %s is not available in this version; %s are, and tcp_proxy carries any other unread",
				known, spokenList())
			return ""
		}
		return known
	}
	hint := didYouMean(name, all)
	switch strings.ToLower(name) {
	case "h2", "h2c", "http/2", "http/2.0", "grpc":
		hint = didYouMean(protocolHTTP2, all)
	case "h1", "http", "http/1", "http/1.1":
		hint = didYouMean(protocolHTTP1, all)
	}
	r.errorf(v, "unknown protocol %s%s", quote(name), hint)
	return ""
}

// proxyProtocols reads what a proxy speaks on both sides; extend is the extend_config beside it.
func (r *reader) proxyProtocols(o, extend object, p *config.HTTPProxy) {
	l := protocolList{r: r}
	v := o.node("downstream_protocol")
	if text := o.name("downstream_protocol", `a protocol such as "Http1"`); text != "" {
		l.add(v, text)
	}
	up := o.node("upstream_protocol")
	upX := up != nil && up.kind == kindString && strings.EqualFold(up.text, protocolX)
	sub := extend.n.member("sub_protocol")
	if sub != nil && sub.inert() {
		sub = nil
	}
	switch {
	case l.x && sub == nil:
		r.errorf(v, "X stands for the protocols of extend_config.sub_protocol, which is missing; write the protocol itself, such as %s",
			quote(protocolHTTP1))
	case l.x:
		if names := extend.str("sub_protocol"); names != "" {
			l.add(sub, names)
		}
	case sub != nil && !upX:
		r.notef(sub, "%q is accepted and has no effect: it says what downstream_protocol X stands for", "sub_protocol")
	}
	p.Protocols = l.names
	if slices.Contains(l.names, protocolAuto) {
		rest := "are closed"
		if p.Fallback {
			rest = "go to the filter behind"
		}
		r.notef(v, "Auto recognises %s in this version; connections that speak anything else %s", spokenList(), rest)
		p.Protocols = []string{protocolAuto}
	}
	switch {
	case upX && l.x: // the same as downstream, which is what nothing means
	case upX && sub != nil:
		p.UpstreamProtocol = r.upstreamProtocol(extend, "sub_protocol")
	default:
		p.UpstreamProtocol = r.upstreamProtocol(o, "upstream_protocol")
	}
}

// A protocolList collects the protocols of a downstream_protocol.
type protocolList struct {
	r     *reader
	names []string
	x     bool // X is among them
}

func (l *protocolList) add(v *node, text string) {
	for name := range strings.SplitSeq(text, ",") {
		p := l.r.protocol(v, strings.TrimSpace(name))
		switch {
		case p == "":
		case p == protocolX && !l.x:
			l.x = true
		case p == protocolBolt && slices.Contains(l.names, p): // bolt and boltv2 are two names of one
		case p == protocolX || slices.Contains(l.names, p):
			l.r.warnf(v, "the protocol %s is named twice", p)
		default:
			l.names = append(l.names, p)
		}
	}
}

// upstreamProtocol reads the protocol to speak to an upstream; "" when it is absent, wrong, or Auto: what is spoken then
// is for others to say.
func (r *reader) upstreamProtocol(o object, key string) string {
	v := o.node(key)
	if v == nil {
		return ""
	}
	s := r.str(v)
	switch {
	case s == "":
		return ""
	case strings.Contains(s, ","):
		r.expected(v, "one protocol", "an upstream is spoken to in one")
		return ""
	}
	switch p := r.protocol(v, strings.TrimSpace(s)); p {
	case protocolAuto:
		return ""
	case protocolX:
		r.errorf(v, "X names no protocol; write the one that is meant, such as %s", quote(protocolHTTP2))
		return ""
	default:
		return p
	}
}

// speaks reports whether a client of p may speak the protocol.
func speaks(p *config.HTTPProxy, protocol string) bool {
	return slices.Contains(p.Protocols, protocol) || slices.Contains(p.Protocols, protocolAuto)
}
