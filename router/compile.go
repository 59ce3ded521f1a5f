package router

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sluice/protocols"
)

// Compile makes a Table of cfg, which must not change afterwards. The error joins an *Error for every mistake.
func Compile(cfg *Config) (*Table, error) {
	c := compiler{
		table:     &Table{name: cfg.Name},
		clusters:  make(map[string]int),
		metadata:  make(map[string]int),
		templates: make(map[string]int),
		domains:   make(map[string]string),
	}
	global := c.headerSteps(cfg.Origin, "", &cfg.Headers)
	for i := range cfg.VirtualHosts {
		c.host(&cfg.VirtualHosts[i], global)
	}
	c.table.index.finish()
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	return c.table, nil
}

// compiler is the work in progress.
type compiler struct {
	table     *Table
	clusters  map[string]int
	metadata  map[string]int
	templates map[string]int
	domains   map[string]string // canonical domain to the origin that has it
	errs      []error
}

func (c *compiler) fail(origin, key, format string, args ...any) {
	c.errs = append(c.errs, &Error{Origin: origin, Key: key, Msg: fmt.Sprintf(format, args...)})
}

func (c *compiler) host(vh *VirtualHost, global stepLists) {
	h := &Host{Name: vh.Name, Index: len(c.table.hosts)}
	c.table.hosts = append(c.table.hosts, h)
	if len(vh.Domains) == 0 {
		c.fail(vh.Origin, "domains", `no domain: the virtual host can't be reached; write ["*"] for all hosts`)
	}
	for _, d := range vh.Domains {
		c.domain(vh, h, d)
	}
	steps := c.headerSteps(vh.Origin, "", &vh.Headers).before(global)
	rules := make([]*Route, len(vh.Routes))
	for i := range vh.Routes {
		rules[i] = c.rule(h, &vh.Routes[i], steps)
	}
	h.rules = newRuleIndex(rules)
}

// domain files a domain under its virtual host.
func (c *compiler) domain(vh *VirtualHost, h *Host, text string) {
	d, err := parseDomain(text)
	if err != nil {
		c.fail(vh.Origin, "domains", "%q: %v", text, err)
		return
	}
	if first, ok := c.domains[d.String()]; ok {
		if first != "" {
			first = ": it is also at " + first
		}
		c.fail(vh.Origin, "domains", "%q appears twice%s", text, first)
		return
	}
	c.domains[d.String()] = vh.Origin
	c.table.index.add(d, h)
}

func (c *compiler) rule(h *Host, rule *Rule, outer stepLists) *Route {
	r := &Route{Rule: rule, Host: h, Index: len(c.table.routes)}
	c.table.routes = append(c.table.routes, r)
	c.match(rule, r)
	c.action(rule, r)
	c.rewrite(rule, r)
	r.steps = c.headerSteps(rule.Origin, "route.", &rule.Headers).before(outer)
	c.retry(rule)
	return r
}

func (c *compiler) retry(rule *Rule) {
	p := &rule.Retry
	if p.Tries < 0 {
		c.fail(rule.Origin, "route.retry_policy.num_retries", "%d is negative", p.Tries)
	}
	for _, code := range p.StatusCodes {
		if code < 100 || code > 599 {
			c.fail(rule.Origin, "route.retry_policy.status_codes", "%d is not an HTTP status", code)
		}
	}
	for code := range 32 {
		if p.GRPCStatuses.Has(code) && (code == 0 || code >= grpcCodes) {
			c.fail(rule.Origin, "route.retry_policy.retry_conditions", "%d is not the grpc-status of a failed call", code)
		}
	}
}

// match compiles what a rule looks at. Of several kinds MOSN takes the first in the order prefix, path, regex.
func (c *compiler) match(rule *Rule, r *Route) {
	m := &rule.Match
	switch {
	case m.Prefix != "":
		r.kind = kindPrefix
		r.pattern = c.pathPattern(rule, "match.prefix", m.Prefix, true)
	case m.Path != "":
		r.kind = kindPath
		r.pattern = lower(c.pathPattern(rule, "match.path", m.Path, false))
	case m.Regex != "":
		r.kind = kindRegex
		r.regex = c.regex(rule.Origin, "match.regex", m.Regex)
	default:
		r.kind = kindHeaders
	}
	for i := range m.Headers {
		r.headers = append(r.headers, c.headerTest(rule, r, &m.Headers[i]))
	}
}

// pathPattern brings a prefix or path into the form of NormalPath. The last segment of a prefix is not complete, so it
// is no dot segment: "/." takes every hidden file.
func (c *compiler) pathPattern(rule *Rule, key, text string, prefix bool) string {
	if text[0] != '/' {
		c.fail(rule.Origin, key, "%q can't match: a path starts with /", text)
		return text
	}
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		c.fail(rule.Origin, key, "%q can't match: the path is compared without its query, so leave out %q and what follows",
			text, text[i])
		return text
	}
	complete, tail := text, ""
	if prefix {
		i := strings.LastIndexByte(text, '/') + 1
		complete, tail = text[:i], text[i:]
	}
	normal, form, err := normalPath(nil, []byte(complete))
	if err != nil || form == formResolved || strings.Contains(text, "//") {
		c.fail(rule.Origin, key, "%q can't match: paths are compared with dot segments resolved and slashes merged", text)
		return text
	}
	if tail != "" {
		// A letter in front makes of the tail a segment that is no dot segment.
		t, _, err := normalPath(nil, append([]byte("/x"), tail...))
		if err != nil {
			c.fail(rule.Origin, key, "%q can't match: %s", text, err.Detail)
			return text
		}
		return string(normal) + string(t[2:])
	}
	return string(normal)
}

func (c *compiler) regex(origin, key, text string) *regexp.Regexp {
	re, err := regexp.Compile(text)
	if err != nil {
		c.fail(origin, key, "%v (the syntax is RE2's: no look-around, no back-references)", err)
		return nil
	}
	return re
}

func (c *compiler) headerTest(rule *Rule, r *Route, m *HeaderMatch) headerTest {
	t := headerTest{field: newHeaderName(m.Name), value: m.Value}
	if !isToken(m.Name) {
		hint := ""
		if m.Name == ":method" {
			hint = `; "method" matches the method`
		}
		c.fail(rule.Origin, "match.headers", "%q is no header name%s", m.Name, hint)
	}
	method := t.field.name == "method"
	switch {
	case m.Regex:
		t.kind = testRegex
		if method {
			t.kind = testMethodRegex
		}
		t.regex = c.regex(rule.Origin, "match.headers."+m.Name, m.Value)
	case method:
		t.kind = testMethod
	case r.kind == kindHeaders && len(rule.Match.Headers) == 1 && t.field.id == protocols.NameService && m.Value == ".*":
		// MOSN: an RPC rule whose only header is service with this value takes every request that names a service.
		t.kind = testFilled
	}
	return t
}

// action compiles what a rule does: exactly one of the four.
func (c *compiler) action(rule *Rule, r *Route) {
	n := 0
	if rule.Cluster != "" {
		n++
		r.clusters.targets = []Target{c.target(rule.Cluster, rule.Metadata)}
	}
	if len(rule.Weighted) > 0 {
		n++
		c.weighted(rule, r)
	}
	if rule.Redirect != nil {
		n++
		c.redirect(rule)
	}
	if rule.Direct != nil {
		n++
		if s := rule.Direct.Status; s < 200 || s > 599 {
			c.fail(rule.Origin, "direct_response.status", "%d is not the status of a final response (200 to 599)", s)
		}
	}
	switch n {
	case 0:
		c.fail(rule.Origin, "route", "the rule does nothing: set cluster_name, weighted_clusters, redirect or direct_response")
	case 1:
	default:
		c.fail(rule.Origin, "route", "the rule does several things: keep one of cluster_name, weighted_clusters, redirect and direct_response")
	}
}

func (c *compiler) cluster(name string) int {
	i, ok := c.clusters[name]
	if !ok {
		i = len(c.table.clusters)
		c.clusters[name] = i
		c.table.clusters = append(c.table.clusters, name)
	}
	return i
}

func (c *compiler) target(cluster string, metadata map[string]string) Target {
	t := Target{Cluster: c.cluster(cluster), Metadata: -1}
	if len(metadata) == 0 {
		return t
	}
	key := fmt.Sprintf("%q", metadata) // which sorts the keys
	i, ok := c.metadata[key]
	if !ok {
		i = len(c.table.metadata)
		c.metadata[key] = i
		c.table.metadata = append(c.table.metadata, metadata)
	}
	t.Metadata = i
	return t
}

func (c *compiler) weighted(rule *Rule, r *Route) {
	sum := uint64(0)
	for _, w := range rule.Weighted {
		sum += uint64(w.Weight)
		if w.Cluster == "" {
			origin := w.Origin
			if origin == "" {
				origin = rule.Origin
			}
			c.fail(origin, "route.weighted_clusters.cluster.name", "the name of the cluster is missing")
			continue
		}
		// A cluster of weight zero is listed, too, so that a missing one is found before its weight is raised.
		t := c.target(w.Cluster, w.Metadata)
		if w.Weight > 0 {
			r.clusters.targets = append(r.clusters.targets, t)
			r.clusters.bounds = append(r.clusters.bounds, sum)
		}
	}
	if sum == 0 {
		c.fail(rule.Origin, "route.weighted_clusters", "the weights add up to zero: no cluster could be chosen")
	}
}

// isToken reports whether s is a token as RFC 9110 section 5.6.2 defines it.
func isToken(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if ('a' > c|0x20 || c|0x20 > 'z') && ('0' > c || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}

// lower is strings.ToLower for ASCII only, as requests are folded.
func lower(s string) string { return string(appendLower(nil, []byte(s))) }
