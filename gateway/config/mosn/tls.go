package mosn

import (
	"crypto/tls"
	"maps"
	"slices"
	"strings"

	"sluice/gateway/config"
	"sluice/gateway/identity"
	"sluice/upstream"
)

// tlsOn reports whether v is a tls_context that asks for TLS, or is wrong.
func tlsOn(v *node) bool { return v != nil && statusOn(v) }

// listenerTLS reads the tls_context, or the tls_context_set, of a filter chain.
func (r *reader) listenerTLS(chain object, l *config.FilterChain, inspector bool) {
	one, set := chain.node("tls_context"), chain.node("tls_context_set")
	var contexts []*node
	switch {
	case tlsOn(one) && tlsOn(set):
		r.errorf(set, "expected either tls_context or tls_context_set, found both; keep one")
	case tlsOn(one):
		contexts = []*node{one}
	case tlsOn(set):
		for _, n := range r.array(set) {
			if tlsOn(n) {
				contexts = append(contexts, n)
			}
		}
	}
	if len(contexts) == 0 {
		return
	}
	l.TLS = &config.ListenerTLS{Inspector: inspector}
	for _, n := range contexts {
		if c := r.tlsContext(n, l); c != nil {
			l.TLS.Contexts = append(l.TLS.Contexts, *c)
		}
	}
	if len(l.TLS.Contexts) == 0 {
		l.TLS = nil
		return
	}
	if inspector && l.TLS.AsksClients() {
		r.warnf(contexts[0], "clients are to show certificates, and inspector lets those in that show none: plaintext is served, too")
	}
	if l.HTTP != nil && l.HTTP.ClientCert.Forwarding.Tells() && !l.TLS.AsksClients() {
		r.notef(contexts[0], "forward_client_cert_details has nothing to tell: clients are not asked for certificates; see verify_client")
	}
}

// tlsContext reads one context of a listener; nil when there is none.
func (r *reader) tlsContext(n *node, l *config.FilterChain) *config.TLSContext {
	o := r.object(n, listenerTLSSchema)
	if o.n == nil {
		return nil
	}
	o.boolean("status", false)
	c := &config.TLSContext{Origin: r.place(n), CAs: o.str("ca_cert"), FallBack: o.boolean("fall_back", false)}
	if c.FallBack && o.str("cert_chain") == "" && o.str("private_key") == "" {
		r.warnf(o.at("fall_back"), "%s", noCertificate)
	} else {
		c.Certificate.Chain = o.name("cert_chain", "the file of the certificate")
		c.Certificate.Key = o.name("private_key", "the file of the certificate's key")
	}
	if name := o.str("server_name"); name != "" {
		c.Certificate.Names = []string{name}
	}
	r.clientAuth(o, c)
	c.MinVersion, c.MaxVersion = r.tlsVersions(o)
	c.CipherSuites = r.cipherSuites(o)
	for _, curve := range r.curves(o) {
		c.Curves = append(c.Curves, tls.CurveID(curve))
	}
	c.Protocols = r.alpn(o)
	if l.HTTP != nil {
		for _, name := range c.Protocols {
			if p := alpnProtocols[name]; !speaks(l.HTTP, p) {
				r.errorf(o.at("alpn"), "%s means %s, which the listener does not speak; add it to downstream_protocol, or remove it here",
					quote(name), p)
			}
		}
	}
	if c.Certificate.Chain == "" && c.FallBack {
		return nil // there is nothing that could make it count
	}
	return c
}

const noCertificate = "the context has no certificate: it does not count, and the port speaks plaintext if no other has one"

// clientAuth reads what a context wants of clients.
func (r *reader) clientAuth(o object, c *config.TLSContext) {
	verify, require := o.boolean("verify_client", false), o.boolean("require_client_cert", false)
	switch {
	case require:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case verify:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case c.CAs != "":
		r.notef(o.at("ca_cert"), "%q has no effect: clients are not asked for certificates; see verify_client", "ca_cert")
		c.CAs = ""
	}
	if c.CAs == "" && c.ClientAuth != tls.NoClientCert {
		r.errorf(o.n, `"ca_cert" is missing: expected the file of the certificates that sign clients'`)
	}
	switch {
	case !c.FallBack:
	case c.ClientAuth != tls.NoClientCert:
		r.errorf(o.at("fall_back"), "without its certificate the port would let everybody in, and clients are to show certificates; "+
			"remove fall_back, or verify_client and require_client_cert")
	case c.Certificate.Chain != "":
		r.warnf(o.at("fall_back"), "as long as the certificate can't be used the port speaks plaintext, unless another context has one")
	}
	if list := o.node("match_typed_subject_alt_names"); list != nil && !list.inert() {
		c.Clients = r.clientNames(o)
		if c.ClientAuth == tls.NoClientCert {
			r.errorf(list, "clients are not asked for certificates, so nothing would be compared; add verify_client or require_client_cert")
		}
	}
}

// clientNames reads the list of clients that may come in, which has the form that Envoy's validation_context gives it.
func (r *reader) clientNames(o object) (patterns []identity.Pattern) {
	kinds := map[string]identity.Kind{"DNS": identity.DNS, "URI": identity.URI, "EMAIL": identity.Email, "IP_ADDRESS": identity.IP}
	for _, n := range o.array("match_typed_subject_alt_names") {
		s := r.object(n, sanSchema)
		if s.n == nil {
			continue
		}
		kind, ok := kinds[s.choice("san_type", "type of subject alternative name", "DNS", "URI", "EMAIL", "IP_ADDRESS")]
		if v := s.node("san_type"); !ok && (v == nil || v.inert()) {
			r.errorf(n, `"san_type" is missing: expected DNS, URI, EMAIL or IP_ADDRESS`)
		}
		m := s.child("matcher", sanMatcherSchema)
		p := identity.Pattern{Kind: kind, Exact: m.str("exact"), Prefix: m.str("prefix"), Suffix: m.str("suffix")}
		at := n
		if m.n != nil {
			at = m.n
		}
		if err := p.Check(); err != nil && ok {
			r.errorf(at, "%s", err.Error())
			continue
		}
		patterns = append(patterns, p)
	}
	return patterns
}

// clusterTLS reads a tls_context of a cluster, or that of all clusters.
func (r *reader) clusterTLS(n *node) *upstream.TLSConfig {
	if !tlsOn(n) {
		return nil
	}
	o := r.object(n, clusterTLSSchema)
	if o.n == nil {
		return nil
	}
	o.boolean("status", false)
	c := &upstream.TLSConfig{
		Origin: r.place(n), CAs: o.str("ca_cert"), Chain: o.str("cert_chain"), Key: o.str("private_key"),
		ServerName: o.str("server_name"), InsecureSkip: o.boolean("insecure_skip", false), Protocols: r.alpn(o),
		IgnoreUnexpectedEOF: o.boolean("ignore_unexpected_eof", false),
	}
	switch {
	case c.Chain != "" && c.Key == "":
		r.errorf(o.at("cert_chain"), `"private_key" is missing: expected the file of the certificate's key`)
	case c.Chain == "" && c.Key != "":
		r.errorf(o.at("private_key"), `"cert_chain" is missing: expected the file of the key's certificate`)
	}
	if c.InsecureSkip {
		r.warnf(o.at("insecure_skip"), "INSECURE: anybody can pretend to be these hosts, for their certificates are not verified")
	}
	if c.IgnoreUnexpectedEOF {
		r.warnf(o.at("ignore_unexpected_eof"), "anybody on the way can cut answers without a length short, and they pass for whole")
	}
	c.MinVersion, c.MaxVersion = r.tlsVersions(o)
	c.CipherSuites, c.Curves = r.cipherSuites(o), r.curves(o)
	return c
}

// secure settles what TLS a cluster has.
func (r *reader) secure(o object, c *upstream.ClusterConfig) {
	c.TLS = r.clusterTLS(o.node("tls_context"))
	if c.TLS == nil && o.boolean("cluster_manager_tls", false) {
		if c.TLS = r.managerTLS; c.TLS == nil {
			r.errorf(o.at("cluster_manager_tls"), "the cluster manager has no tls_context that is on: requests would leave in plaintext")
		}
	}
	if c.TLS == nil || c.TLS.ServerName != "" || c.TLS.InsecureSkip {
		return
	}
	for i := range c.Hosts {
		h := &c.Hosts[i]
		if strings.HasPrefix(h.Address, "unix:") && h.Hostname == "" && !h.TLSDisable {
			r.errorf(r.places[h.Origin], "a host on a unix socket has no name that its certificate could be for; add server_name to the tls_context")
		}
	}
}

var tlsVersionNames = map[string]uint16{
	"TLS_AUTO": 0, "TLSv1_0": tls.VersionTLS10, "TLSv1_1": tls.VersionTLS11, "TLSv1_2": tls.VersionTLS12, "TLSv1_3": tls.VersionTLS13,
}

func (r *reader) tlsVersions(o object) (from, to uint16) {
	words := slices.Sorted(maps.Keys(tlsVersionNames))
	from = tlsVersionNames[o.choice("min_version", "TLS version", words...)]
	to = tlsVersionNames[o.choice("max_version", "TLS version", words...)]
	lowest := max(from, tls.VersionTLS10)
	if from == 0 {
		lowest = tls.VersionTLS12
	}
	switch {
	case to != 0 && to < lowest && from == 0:
		r.errorf(o.at("max_version"), "no version is left: the lowest is TLSv1_2 where min_version does not say otherwise")
	case to != 0 && to < lowest:
		r.errorf(o.at("max_version"), "no version is left: it is lower than min_version")
	case from != 0 && from < tls.VersionTLS12:
		r.warnf(o.at("min_version"), "versions below TLSv1_2 are not safe")
	}
	return from, to
}

// alpnProtocols are the names that ALPN may have, and what they stand for.
var alpnProtocols = map[string]string{
	config.ALPNHTTP2: protocolHTTP2, config.ALPNHTTP1: protocolHTTP1, config.ALPNBolt: protocolBolt,
}

// alpn reads "h2,http/1.1".
func (r *reader) alpn(o object) []string {
	return words(r, o, "alpn", "application protocol", ",", alpnProtocols, func(name, _ string) string { return name })
}

var curveNames = map[string]uint16{
	"x25519": uint16(tls.X25519), "p256": uint16(tls.CurveP256), "p384": uint16(tls.CurveP384), "p521": uint16(tls.CurveP521),
}

func (r *reader) curves(o object) []uint16 {
	return words(r, o, "ecdh_curves", "curve", ",", curveNames, func(_ string, id uint16) uint16 { return id })
}

// cipherSuites reads a list of suites of TLS 1.2; those of TLS 1.3 can't be chosen.
func (r *reader) cipherSuites(o object) []uint16 {
	known := map[string]uint16{
		"ECDHE-ECDSA-WITH-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		"ECDHE-RSA-WITH-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		"ECDHE-ECDSA-CHACHA20-POLY1305":      tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		"ECDHE-RSA-CHACHA20-POLY1305":        tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		"ECDHE-ECDSA-AES256-GCM-SHA384":      tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		"ECDHE-RSA-AES256-GCM-SHA384":        tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		"ECDHE-ECDSA-AES128-GCM-SHA256":      tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		"ECDHE-RSA-AES128-GCM-SHA256":        tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		"ECDHE-ECDSA-AES256-CBC-SHA":         tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		"ECDHE-RSA-AES256-CBC-SHA":           tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		"ECDHE-ECDSA-AES128-CBC-SHA":         tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
		"ECDHE-RSA-AES128-CBC-SHA":           tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	}
	return words(r, o, "cipher_suites", "cipher suite", ":", known, func(_ string, id uint16) uint16 { return id })
}

// words reads a list of known words with a separator; nil when it is absent.
func words[V, T any](r *reader, o object, key, what, separator string, known map[string]V, to func(string, V) T) []T {
	v := o.node(key)
	if v == nil {
		return nil
	}
	text := r.str(v)
	if text == "" {
		return nil
	}
	var out []T
	all := slices.Sorted(maps.Keys(known))
	for word := range strings.SplitSeq(text, separator) {
		word = strings.TrimSpace(word)
		i := slices.IndexFunc(all, func(s string) bool { return strings.EqualFold(s, word) })
		if i < 0 {
			hint := didYouMean(word, all)
			if hint == "" {
				hint = "; known are " + strings.Join(all, ", ")
			}
			r.errorf(v, "unknown %s %s%s", what, quote(word), hint)
			continue
		}
		out = append(out, to(all[i], known[all[i]]))
	}
	return out
}
