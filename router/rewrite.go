package router

import (
	"strings"

	"sluice/protocols"
)

// originalPath is the field that tells the upstream which path the client sent, as MOSN calls it.
const originalPath = "x-mosn-original-path"

// RewritePath does the route's prefix_rewrite or regex_rewrite, at most once per request. It looks at in.Header alone.
//
// A prefix that the path starts with literally is replaced where it stands: what follows, escapes included, stays as the
// client sent it. When the prefix was found only by decoding, or the path had dot segments, the normal path is what is
// rewritten, escaped again; so is the path that a regex_rewrite sees. The query stays.
//
// It refuses, and leaves the header as it is, when the new path would have dot segments that the old one had not: with
// prefix "/img" and prefix_rewrite "/files/", "/img../x" must not become "/files/../x". Answer that with 400.
func (r *Route) RewritePath(in *Input) (refused *protocols.Error) {
	if r.prefixRewrite == "" && r.regexRewrite == nil {
		return nil
	}
	h := in.Header
	if path := h.Path(); len(path) == 0 || path[0] != '/' {
		return nil // CONNECT and OPTIONS * have no path
	}
	form, refused := in.normalise()
	if refused != nil {
		return refused
	}
	target := h.Path()
	end := pathEnd(target)
	out := r.appendRewritten(in.lower[:0], in.path, target[:end], form)
	in.lower = out[:0]
	if string(out) == string(target[:end]) {
		return nil
	}
	if _, form, err := normalPath(out[len(out):], out); err != nil || form == formResolved {
		return errRewrittenDots
	}
	out = append(out, target[end:]...)
	in.lower = out[:0]
	h.Set(originalPath, target[:end])
	h.SetPath(out)
	return nil
}

// appendRewritten appends the new path, escaped.
func (r *Route) appendRewritten(dst, normal, raw []byte, form pathForm) []byte {
	if r.prefixRewrite == "" {
		path := r.regexRewrite.ReplaceAll(normal, r.substitution)
		if len(path) == 0 || path[0] != '/' {
			dst = append(dst, '/')
		}
		return appendEscaped(dst, path)
	}
	dst = append(dst, r.prefixRewrite...)
	if r.kind == kindPath {
		return dst
	}
	literal := form != formResolved && len(raw) >= len(r.pattern) && string(raw[:len(r.pattern)]) == r.pattern
	tail := normal[min(len(normal), len(r.pattern)):]
	if literal {
		tail = raw[len(r.pattern):]
	}
	// prefix "/a" and prefix_rewrite "/" make "/x" of "/a/x", not "//x".
	if len(tail) > 0 && tail[0] == '/' && dst[len(dst)-1] == '/' {
		tail = tail[1:]
	}
	if literal {
		return append(dst, tail...)
	}
	return appendEscaped(dst, tail)
}

// RewriteHost sets the authority that the upstream gets: host_rewrite, or the value of auto_host_rewrite_header, or
// with auto_host_rewrite the host name of the chosen endpoint. Call it again when a retry goes to another endpoint.
func (r *Route) RewriteHost(h *protocols.Header, endpoint string) {
	rule := r.Rule
	if rule.HostRewrite != "" {
		h.SetAuthorityString(rule.HostRewrite)
		return
	}
	if rule.AutoHostRewriteHeader != "" {
		if v := h.Lookup(rule.AutoHostRewriteHeader); validAuthority(v) {
			h.SetAuthority(v)
			return
		}
	}
	if rule.AutoHostRewrite && endpoint != "" {
		h.SetAuthorityString(endpoint)
	}
}

// validAuthority reports whether b may be sent as a host: RFC 3986 host and port, without user information.
func validAuthority(b []byte) bool {
	if len(b) == 0 || len(b) > maxHostLen+6 {
		return false
	}
	for _, c := range b {
		if !pathSafe[c] && c != '[' && c != ']' && c != '%' || c == '/' || c == '@' || c == ',' {
			return false
		}
	}
	return true
}

// rewrite compiles the rewrites of a rule.
func (c *compiler) rewrite(rule *Rule, r *Route) {
	if p := rule.PrefixRewrite; p != "" {
		switch {
		case r.kind != kindPrefix && r.kind != kindPath:
			c.fail(rule.Origin, "route.prefix_rewrite", "it replaces what match.prefix or match.path matched, but the rule has neither")
		case p[0] != '/':
			c.fail(rule.Origin, "route.prefix_rewrite", "%q must start with /", p)
		case strings.ContainsAny(p, "?#"):
			c.fail(rule.Origin, "route.prefix_rewrite", "%q holds a query or fragment, which a path can't", p)
		case hasDotSegments(p):
			c.fail(rule.Origin, "route.prefix_rewrite", "%q has dot segments: write the path that they lead to", p)
		}
		r.prefixRewrite = escapeConfigured(p)
	} else if rw := rule.RegexRewrite; rw != nil {
		c.regexRewrite(rule, r)
	}
	if hr := rule.HostRewrite; hr != "" && !validAuthority([]byte(hr)) {
		c.fail(rule.Origin, "route.host_rewrite", "%q is no host", hr)
	}
	if name := rule.AutoHostRewriteHeader; name != "" && !isToken(name) {
		c.fail(rule.Origin, "route.auto_host_rewrite_header", "%q is no header name", name)
	}
}

func hasDotSegments(path string) bool {
	_, form, err := normalPath(nil, []byte(path))
	return err != nil || form == formResolved
}

func (c *compiler) regexRewrite(rule *Rule, r *Route) {
	rw := rule.RegexRewrite
	if rw.Regex == "" {
		c.fail(rule.Origin, "route.regex_rewrite.pattern.regex", "the expression is missing")
		return
	}
	r.regexRewrite = c.regex(rule.Origin, "route.regex_rewrite.pattern.regex", rw.Regex)
	if r.regexRewrite == nil {
		return
	}
	var group int
	r.substitution, group = parseSubstitution(rw.Substitution)
	if n := r.regexRewrite.NumSubexp(); group > n {
		c.fail(rule.Origin, "route.regex_rewrite.substitution", "%q names group %d, but the expression has %d",
			rw.Substitution, group, n)
	}
}

// parseSubstitution turns \1 and $1 into the ${1} of package regexp, in which "$1x" would be a group called 1x.
// It also returns the highest group that is named by number.
func parseSubstitution(s string) (template []byte, group int) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		j := i + 1
		for j < len(s) && '0' <= s[j] && s[j] <= '9' {
			j++
		}
		switch {
		case (c == '\\' || c == '$') && j > i+1:
			n := 0
			for _, d := range []byte(s[i+1 : j]) {
				n = min(n*10+int(d-'0'), 1<<20)
			}
			group = max(group, n)
			template = append(template, "${"+s[i+1:j]+"}"...)
			i = j - 1
		case c == '\\' && i+1 < len(s):
			i++
			template = append(template, s[i])
			if s[i] == '$' {
				template = append(template, '$')
			}
		default:
			template = append(template, c)
		}
	}
	return template, group
}

// escapeConfigured escapes what a path can't hold and keeps the escapes that a person wrote.
func escapeConfigured(path string) string {
	var dst []byte
	for i, piece := range strings.Split(path, "%") {
		if i > 0 {
			if len(piece) >= 2 && unhex(piece[0]) >= 0 && unhex(piece[1]) >= 0 {
				dst = append(dst, '%')
			} else {
				dst = append(dst, "%25"...)
			}
		}
		dst = appendEscaped(dst, piece)
	}
	return string(dst)
}
