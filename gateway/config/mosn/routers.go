package mosn

import (
	"strings"

	"sluice/router"
)

// router reads one router configuration and returns its name.
func (r *reader) router(o object) string {
	if o.n == nil {
		return ""
	}
	c := router.Config{
		Name: o.name("router_config_name", "a name for the router configuration"), Origin: r.place(o.n),
		Headers: r.headerOps(o),
	}
	domains := make(names)
	hosts, dir := o.node("virtual_hosts"), o.node("router_configs")
	switch {
	case dir != nil && !dir.inert():
		if hosts != nil && !hosts.inert() {
			r.errorf(dir, "expected either router_configs or virtual_hosts, found both; keep one")
		}
		r.directory(dir, func(root *node) {
			c.VirtualHosts = append(c.VirtualHosts, r.virtualHost(root, domains))
		})
	case hosts == nil:
		r.errorf(o.n, `"virtual_hosts" is missing: expected an array of virtual hosts`)
	default:
		for _, n := range r.array(hosts) {
			c.VirtualHosts = append(c.VirtualHosts, r.virtualHost(n, domains))
		}
	}
	if c.Name != "" {
		r.define(r.routers, "a router configuration", c.Name, o.at("router_config_name"))
	}
	r.cfg.Routers = append(r.cfg.Routers, c)
	return c.Name
}

// virtualHost reads one virtual host; domains are those of the whole router configuration.
func (r *reader) virtualHost(n *node, domains names) router.VirtualHost {
	o := r.object(n, virtualHostSchema)
	vh := router.VirtualHost{Origin: r.place(n)}
	if o.n == nil {
		return vh
	}
	vh.Name = o.str("name")
	for _, d := range o.array("domains") {
		if s := r.domain(d); s != "" {
			r.define(domains, "a domain", strings.ToLower(s), d)
			vh.Domains = append(vh.Domains, s)
		}
	}
	if v := o.node("domains"); v == nil {
		r.errorf(n, `"domains" is missing: expected an array such as ["www.example.com", "*.example.com"] or ["*"]`)
	} else if v.inert() {
		r.expected(v, `at least one domain, such as "*"`, "")
	}
	vh.Headers = r.headerOps(o)
	for _, rule := range o.array("routers") {
		vh.Routes = append(vh.Routes, r.rule(rule))
	}
	if v := o.node("routers"); v == nil || v.inert() {
		r.warnf(o.at("routers"), "the virtual host %s has no routes: its requests get 404", quote(vh.Name))
	}
	return vh
}

// domain checks one domain: a name, "*" or "*.suffix", with ":port" or ":*" behind it or not.
func (r *reader) domain(v *node) string {
	s := r.str(v)
	if s == "" {
		if v.kind == kindString {
			r.expected(v, `a domain such as "www.example.com"`, "")
		}
		return ""
	}
	rest := strings.TrimPrefix(s, "*")
	switch {
	case strings.Contains(rest, "*") && !strings.HasSuffix(rest, ":*"), strings.Contains(strings.TrimSuffix(rest, ":*"), "*"):
		r.expected(v, `a domain with "*" only as its first label or as its port`, "")
		return ""
	case strings.Contains(s, "://"):
		r.expected(v, "a domain", "it has no scheme")
		return ""
	case strings.ContainsAny(s, "/ \t\r\n\x00"):
		r.expected(v, "a domain", "paths belong into routers[].match")
		return ""
	}
	return s
}

// headerOps reads the four lists of headers to add and remove.
func (r *reader) headerOps(o object) router.HeaderOps {
	return router.HeaderOps{
		RequestAdd:     r.headersToAdd(o, "request_headers_to_add"),
		RequestRemove:  r.headersToRemove(o, "request_headers_to_remove"),
		ResponseAdd:    r.headersToAdd(o, "response_headers_to_add"),
		ResponseRemove: r.headersToRemove(o, "response_headers_to_remove"),
	}
}

func (r *reader) headersToAdd(o object, key string) []router.HeaderOp {
	var ops []router.HeaderOp
	for _, n := range o.array(key) {
		option := r.object(n, headerOptionSchema)
		h := option.child("header", headerSchema)
		if h.n == nil {
			if option.n != nil && option.node("header") == nil {
				r.errorf(option.n, `"header" is missing: expected {"key": ..., "value": ...}`)
			}
			continue
		}
		op := router.HeaderOp{Name: h.name("key", "the name of a header"), Value: h.str("value")}
		op.Append = option.boolean("append", true)
		if op.Name == "" || !r.fieldName(h.at("key"), op.Name) {
			continue
		}
		// "Field values containing CR, LF, or NUL characters are invalid and dangerous" (RFC 9110, section 5.5).
		if strings.ContainsAny(op.Value, "\r\n\x00") {
			r.errorf(h.at("value"), "a header's value must not contain line breaks or NUL")
			continue
		}
		ops = append(ops, op)
	}
	return ops
}

func (r *reader) headersToRemove(o object, key string) []string {
	var names []string
	for _, v := range o.array(key) {
		if s := r.str(v); s != "" && r.fieldName(v, s) {
			names = append(names, s)
		}
	}
	return names
}

// fieldName checks the name of a header that a configuration adds or removes. The fields that frame a message or name its
// receiver belong to the gateway: a second content-length is how requests are smuggled.
func (r *reader) fieldName(v *node, name string) bool {
	if !isToken(name) {
		r.errorf(v, "%s is not the name of a header: it consists of letters, digits and -_.!#$%%&'*+^`|~", quote(name))
		return false
	}
	switch strings.ToLower(name) {
	case "content-length", "transfer-encoding", "connection", "upgrade", "trailer", "te", "keep-alive", "proxy-connection":
		r.errorf(v, "the header %s belongs to the connection; the gateway sets it itself", quote(name))
		return false
	case "host":
		r.errorf(v, "the Host header is changed by host_rewrite or auto_host_rewrite")
		return false
	}
	return true
}

// isToken: "token = 1*tchar" (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			continue
		}
		return false
	}
	return s != ""
}
