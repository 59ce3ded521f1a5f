package router

import (
	"regexp"

	"sluice/protocols"
)

// A Table is a compiled Config. It is immutable: every loop may use it at the same time.
type Table struct {
	name      string
	hosts     []*Host
	routes    []*Route
	clusters  []string
	metadata  []map[string]string
	templates []Template
	index     hostIndex
}

// A Host is a compiled VirtualHost.
type Host struct {
	Name  string
	Index int // its place in Table.Hosts
	rules ruleIndex
}

// A Route is a compiled Rule. It is immutable.
type Route struct {
	Rule  *Rule // nobody changes it
	Host  *Host
	Index int // its place in Table.Routes: the gateway keeps what it knows about routes in a slice of its own

	kind    ruleKind
	pattern string // the prefix or the path (in lower case) in normal form
	regex   *regexp.Regexp
	headers []headerTest

	clusters      clusterChoice
	prefixRewrite string // escaped, ready to be sent
	regexRewrite  *regexp.Regexp
	substitution  []byte
	steps         stepLists
}

// ruleKind is what a rule looks at first.
type ruleKind uint8

const (
	kindPrefix ruleKind = iota
	kindPath
	kindRegex
	kindHeaders
)

// Name is the name of the router configuration.
func (t *Table) Name() string { return t.name }

// Hosts are the virtual hosts in the order of the configuration. The caller must not change the slice.
func (t *Table) Hosts() []*Host { return t.hosts }

// Routes are all routes, virtual host by virtual host, in the order of the configuration. The caller must not change
// the slice.
func (t *Table) Routes() []*Route { return t.routes }

// Clusters are the distinct names of clusters that routes name. The caller must not change the slice.
func (t *Table) Clusters() []string { return t.clusters }

// Metadata are those that routes ask of hosts. The caller must not change it.
func (t *Table) Metadata() []map[string]string { return t.metadata }

// Templates are the distinct header values with a %variable% in them; see Values. The caller must not change the slice.
func (t *Table) Templates() []Template { return t.templates }

// Match finds the route of a request: the virtual host by the authority, then the first rule of its list that matches.
// Exactly one of route and refused is nil. refused says why there is no route: no_route, or protocol_error for a path
// that must be answered with 400. host is nil when no virtual host serves the authority.
//
// It allocates nothing and writes nothing but in.
func (t *Table) Match(in *Input) (route *Route, host *Host, refused *protocols.Error) {
	if host = t.index.find(in.Header.Authority()); host == nil {
		in.path = nil
		return nil, nil, errNoHost
	}
	if _, refused = in.normalise(); refused != nil {
		return nil, host, refused
	}
	if route = host.rules.match(in); route == nil {
		return nil, host, errNoRule
	}
	return route, host, nil
}
