package mosn

import (
	"math"
	"regexp"

	"sluice/router"
)

// rule reads one route: what it matches and what it does.
func (r *reader) rule(n *node) router.Rule {
	o := r.object(n, ruleSchema)
	rule := router.Rule{Origin: r.place(n)}
	if o.n == nil {
		return rule
	}
	rule.Match = r.match(o)
	if v := o.node("redirect"); v != nil && !v.inert() {
		rule.Redirect = r.redirect(r.object(v, redirectSchema))
	}
	if v := o.node("direct_response"); v != nil && !v.inert() {
		rule.Direct = r.direct(r.object(v, directSchema))
	}
	action := o.child("route", routeSchema)
	r.action(action, &rule)
	r.oneAction(o, action, &rule)
	return rule
}

// oneAction reports a rule that does nothing or several things.
func (r *reader) oneAction(o, action object, rule *router.Rule) {
	var does []string
	if rule.Redirect != nil {
		does = append(does, "redirect")
	}
	if rule.Direct != nil {
		does = append(does, "direct_response")
	}
	if action.n != nil && (action.node("cluster_name") != nil || action.node("weighted_clusters") != nil) {
		does = append(does, "route")
	}
	switch {
	case len(does) > 1:
		r.errorf(o.n, "a route does one thing, this one has %s and %s; keep one", does[0], does[1])
	case len(does) == 0 && action.n != nil:
		if action.n.member("cluster_variable") == nil {
			r.errorf(action.n, `"cluster_name" is missing: expected the name of a cluster, or weighted_clusters`)
		}
	case len(does) == 0 && o.node("route") == nil:
		r.errorf(o.n, `"route" is missing: expected route, redirect or direct_response`)
	}
}

func (r *reader) match(rule object) router.Match {
	v := rule.node("match")
	if v == nil {
		r.warnf(rule.n, `a route without "match" takes every request (as in MOSN); {"prefix": "/"} says so`)
		return router.Match{}
	}
	o := r.object(v, matchSchema)
	m := router.Match{Prefix: o.str("prefix"), Path: o.str("path"), Regex: o.str("regex")}
	switch {
	case m.Prefix != "" && (m.Path != "" || m.Regex != ""):
		m.Path, m.Regex = "", ""
		r.warnf(o.n, "of prefix, path and regex only one counts, and that is prefix (as in MOSN); remove the others")
	case m.Path != "" && m.Regex != "":
		m.Regex = ""
		r.warnf(o.n, "of path and regex only path counts (as in MOSN); remove the other")
	}
	if m.Regex != "" {
		r.regexp(o.at("regex"), m.Regex)
	}
	for _, n := range o.array("headers") {
		h := r.object(n, headerMatchSchema)
		if h.n == nil {
			continue
		}
		hm := router.HeaderMatch{
			Name: h.name("name", "the name of a header"), Value: h.str("value"), Regex: h.boolean("regex", false),
		}
		if hm.Name == "" {
			continue
		}
		if hm.Regex {
			r.regexp(h.at("value"), hm.Value)
		}
		m.Headers = append(m.Headers, hm)
	}
	if o.n != nil && len(o.n.members) == 0 {
		r.warnf(o.n, `an empty match takes every request (as in MOSN); {"prefix": "/"} says so`)
	}
	return m
}

// regexp checks a regular expression of Go and returns it compiled, or nil.
func (r *reader) regexp(v *node, text string) *regexp.Regexp {
	re, err := regexp.Compile(text)
	if err != nil {
		r.errorf(v, "%s is not a regular expression: %s", quote(text), regexpMistake(err))
		return nil
	}
	return re
}

func (r *reader) redirect(o object) *router.Redirect {
	d := &router.Redirect{Path: o.str("path_redirect"), Host: o.str("host_redirect"), Scheme: o.str("scheme_redirect")}
	if v := o.node("response_code"); v != nil && !v.inert() {
		code, ok := r.integer(v, 300, 399)
		switch code {
		case 301, 302, 303, 307, 308:
			d.Code = int(code)
		default:
			if ok {
				r.expected(v, "301, 302, 303, 307 or 308", "")
			}
		}
	}
	if v := o.node("scheme_redirect"); d.Scheme != "" && d.Scheme != "http" && d.Scheme != "https" {
		r.expected(v, `"http" or "https"`, "")
	}
	if v := o.node("path_redirect"); d.Path != "" && d.Path[0] != '/' {
		r.expected(v, `a path that starts with "/"`, "")
	}
	for _, key := range []string{"path_redirect", "host_redirect"} {
		r.noControls(o.node(key))
	}
	return d
}

// noControls refuses what would break out of a header line.
func (r *reader) noControls(v *node) {
	if v == nil || v.kind != kindString {
		return
	}
	for i := range len(v.text) {
		if c := v.text[i]; c <= ' ' || c == 0x7f {
			r.expected(v, "text without spaces and control characters", "")
			return
		}
	}
}

func (r *reader) direct(o object) *router.DirectResponse {
	d := &router.DirectResponse{Body: o.str("body")}
	if v := o.node("status"); v != nil {
		status, _ := r.integer(v, 200, 599)
		d.Status = int(status)
	} else if o.n != nil {
		r.errorf(o.n, `"status" is missing: expected a status code such as 200`)
	}
	return d
}

// action reads `route`: where requests go and how.
func (r *reader) action(o object, rule *router.Rule) {
	rule.Headers = r.headerOps(o)
	if v := o.node("cluster_name"); v != nil {
		rule.Cluster = o.name("cluster_name", "the name of a cluster")
		r.refer(refCluster, v, rule.Cluster)
	}
	rule.Metadata = r.metadata(o, "metadata_match")
	r.weighted(o, rule)
	rule.UpstreamProtocol = r.upstreamProtocol(o, "upstream_protocol")
	rule.Timeout, _ = o.duration("timeout", true)
	r.retry(o, &rule.Retry)
	rule.PrefixRewrite = o.str("prefix_rewrite")
	if v := o.node("prefix_rewrite"); rule.PrefixRewrite != "" && rule.PrefixRewrite[0] != '/' {
		r.expected(v, `a path that starts with "/"`, "")
	}
	rule.HostRewrite = o.str("host_rewrite")
	for _, key := range []string{"prefix_rewrite", "host_rewrite"} {
		r.noControls(o.node(key))
	}
	rule.AutoHostRewrite = o.boolean("auto_host_rewrite", false)
	rule.AutoHostRewriteHeader = o.str("auto_host_rewrite_header")
	if v := o.node("regex_rewrite"); v != nil && !v.inert() {
		rule.RegexRewrite = r.regexRewrite(r.object(v, regexRewriteSchema))
		if rule.RegexRewrite != nil && rule.PrefixRewrite != "" {
			rule.RegexRewrite = nil
			r.warnf(v, "of prefix_rewrite and regex_rewrite only prefix_rewrite counts (as in MOSN); remove one")
		}
	}
}

func (r *reader) weighted(o object, rule *router.Rule) {
	var sum int64
	items := o.array("weighted_clusters")
	for _, n := range items {
		item := r.object(n, weightedSchema)
		c := item.child("cluster", weightedClusterSchema)
		if c.n == nil {
			if item.n != nil && item.node("cluster") == nil {
				r.errorf(n, `"cluster" is missing: expected {"cluster": {"name": ..., "weight": ...}}`)
			}
			continue
		}
		w := router.WeightedCluster{
			Cluster: c.name("name", "the name of a cluster"), Origin: r.place(n), Metadata: r.metadata(c, "metadata_match"),
			Weight: uint32(c.integer("weight", 0, math.MaxInt32)), //nolint:gosec // within range
		}
		r.refer(refCluster, c.node("name"), w.Cluster)
		sum += int64(w.Weight)
		rule.Weighted = append(rule.Weighted, w)
	}
	if len(rule.Metadata) > 0 && len(rule.Weighted) > 0 && rule.Cluster == "" {
		rule.Metadata = nil
		r.warnf(o.at("metadata_match"), "it counts for cluster_name only (as in MOSN); write it at each of the weighted_clusters")
	}
	v := o.node("weighted_clusters")
	switch {
	case len(items) == 0:
	case rule.Cluster != "":
		rule.Weighted = nil
		r.warnf(v, "of cluster_name and weighted_clusters only cluster_name counts (as in MOSN); remove one")
	case sum == 0:
		r.errorf(v, "the weights are all zero: no cluster could be chosen")
	case sum > math.MaxUint32:
		r.errorf(v, "the weights are more than %d together", uint32(math.MaxUint32))
	}
}

func (r *reader) regexRewrite(o object) *router.RegexRewrite {
	pattern := o.child("pattern", patternSchema)
	if pattern.n == nil {
		if o.n != nil && o.node("pattern") == nil {
			r.errorf(o.n, `"pattern" is missing: expected {"regex": ...}`)
		}
		return nil
	}
	w := &router.RegexRewrite{Regex: pattern.name("regex", "a regular expression"), Substitution: o.str("substitution")}
	if w.Regex == "" {
		return nil
	}
	if re := r.regexp(pattern.at("regex"), w.Regex); re != nil {
		if g := highestGroup(w.Substitution); g > re.NumSubexp() {
			r.errorf(o.at("substitution"), "there is no group %d: the regular expression has %d", g, re.NumSubexp())
		}
	}
	return w
}
