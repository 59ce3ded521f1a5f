package router

import "time"

// A Config is one named set of virtual hosts, as a configuration front end writes it down; Compile makes a Table of it.
type Config struct {
	Name         string
	Origin       string // file:line:column, for error messages
	Headers      HeaderOps
	VirtualHosts []VirtualHost
}

// A VirtualHost groups the routes of some domains.
type VirtualHost struct {
	Name    string
	Origin  string
	Domains []string // "a.com", "a.com:80", "a.com:*", "*.a.com", "*.a.com:80", "*.a.com:*", "*"
	Headers HeaderOps
	Routes  []Rule
}

// A Rule is one route: what it matches and what it does. Exactly one of Cluster, Weighted, Redirect and Direct is set.
type Rule struct {
	Origin string
	Match  Match

	Cluster          string
	Metadata         map[string]string // that hosts of Cluster must have; see upstream.SubsetConfig
	Weighted         []WeightedCluster
	Redirect         *Redirect
	Direct           *DirectResponse
	UpstreamProtocol string // as configurations name it: "Http2"; "": the cluster's, the listener's or the downstream's

	Timeout       time.Duration // from the end of the request to the end of the answer; 0: 60 s, to its head only; < 0 none
	Retry         RetryPolicy
	PrefixRewrite string
	RegexRewrite  *RegexRewrite
	HostRewrite   string
	// AutoHostRewrite sends the endpoint's host name as the authority; AutoHostRewriteHeader names a request header
	// whose value is sent.
	AutoHostRewrite       bool
	AutoHostRewriteHeader string
	Headers               HeaderOps
	MaxBody               int64 // request body limit in bytes; 0 none
}

// A Match says which requests a Rule takes. At most one of Prefix, Path and Regex is set; Headers are ANDed to it. With
// none of the three the rule is an RPC rule: all Headers must match.
type Match struct {
	Prefix  string
	Path    string // the whole path, compared without case, as MOSN does
	Regex   string // unanchored
	Headers []HeaderMatch
}

// A HeaderMatch matches one header; the name "method" means the method of an HTTP request.
type HeaderMatch struct {
	Name  string
	Value string
	Regex bool
}

// A WeightedCluster is one choice among several; a weight of zero is never chosen.
type WeightedCluster struct {
	Cluster  string
	Metadata map[string]string // that its hosts must have; the rule's does not count here
	Weight   uint32
	Origin   string
}

// A Redirect answers with a Location.
type Redirect struct {
	Code   int // 301, 302, 303, 307 or 308; 0 means 301
	Path   string
	Host   string
	Scheme string
}

// A DirectResponse answers from the configuration.
type DirectResponse struct {
	Status int
	Body   string
}

// A RegexRewrite replaces what Regex finds in the path by Substitution ("$1" and "\1" name groups).
type RegexRewrite struct {
	Regex        string
	Substitution string
}

// HeaderOps adds to and removes from a message's header, in this order.
type HeaderOps struct {
	RequestAdd     []HeaderOp
	RequestRemove  []string
	ResponseAdd    []HeaderOp
	ResponseRemove []string
}

// A HeaderOp sets a field, or appends to it as "old,new".
type HeaderOp struct {
	Name   string
	Value  string // "%variable%" is replaced by the variable's value
	Append bool
}
