package router

import (
	"bytes"
	"strings"

	"sluice/protocols"
)

// RedirectCode is the status of the route's redirect.
func (r *Route) RedirectCode() int {
	if c := r.Rule.Redirect.Code; c != 0 {
		return c
	}
	return 301
}

// AppendLocation appends the Location of the route's redirect for the request h. scheme is the request's, "http" or
// "https", used when h does not say.
//
// The query is kept unless path_redirect has one of its own. Without scheme_redirect the scheme stays; when it changes,
// the ports 80 and 443 are left out, for the other scheme would not be served there.
func (r *Route) AppendLocation(dst []byte, h *protocols.Header, scheme string) []byte {
	to := r.Rule.Redirect
	target := h.Path()
	if len(target) == 0 || target[0] != '/' {
		target = rootPath
	}
	switch host, port := splitAuthority(h.Authority()); {
	case to.Host == "" && len(host) == 0:
		// HTTP/1.0 without a host: the Location is relative. "//x" would name another host.
		for len(target) > 1 && (target[1] == '/' || target[1] == '\\') {
			target = target[1:]
		}
	default:
		changed := false
		dst, changed = appendScheme(dst, to.Scheme, h.Scheme(), scheme)
		dst = append(dst, "://"...)
		switch {
		case to.Host != "":
			dst = append(dst, to.Host...)
		case changed && (port == 80 || port == 443):
			dst = append(dst, host...)
		default:
			dst = append(dst, h.Authority()...)
		}
	}
	if to.Path == "" {
		return append(dst, target...)
	}
	dst = append(dst, to.Path...)
	if strings.IndexByte(to.Path, '?') < 0 {
		dst = append(dst, target[pathEnd(target):]...)
	}
	return dst
}

func appendScheme(dst []byte, to string, said []byte, scheme string) (out []byte, changed bool) {
	if len(said) > 0 {
		if to == "" || protocols.EqualFold(said, to) {
			return append(dst, said...), false
		}
		return append(dst, to...), true
	}
	if to == "" {
		return append(dst, scheme...), false
	}
	return append(dst, to...), to != scheme
}

// redirect checks and completes the redirect of a rule.
func (c *compiler) redirect(rule *Rule) {
	to := rule.Redirect
	switch to.Code {
	case 0, 301, 302, 303, 307, 308:
	default:
		c.fail(rule.Origin, "redirect.response_code", "%d: must be 301, 302, 303, 307 or 308", to.Code)
	}
	if to.Path == "" && to.Host == "" && to.Scheme == "" {
		c.fail(rule.Origin, "redirect", "it would redirect to itself: set path_redirect, host_redirect or scheme_redirect")
	}
	if p := to.Path; p != "" {
		if p[0] != '/' || strings.HasPrefix(p, "//") {
			c.fail(rule.Origin, "redirect.path_redirect", "%q must start with one /", p)
		}
		if bytes.ContainsFunc([]byte(p), func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			c.fail(rule.Origin, "redirect.path_redirect", "%q holds a space or another byte that a URL can't: escape it (%%20)", p)
		}
	}
	if to.Host != "" && !validAuthority([]byte(to.Host)) {
		c.fail(rule.Origin, "redirect.host_redirect", "%q is no host", to.Host)
	}
	if s := to.Scheme; s != "" && s != "http" && s != "https" {
		if l := lower(s); l == "http" || l == "https" {
			c.fail(rule.Origin, "redirect.scheme_redirect", "%q: write it in lower case", s)
		} else {
			c.fail(rule.Origin, "redirect.scheme_redirect", `%q must be "http" or "https"`, s)
		}
	}
}
