package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/loop"
	"sluice/router"
)

// Validate reports what is wrong with a configuration whatever front end made it: names that nothing has, names and
// addresses that are there twice, listeners that serve two things, and what the router does not compile. The Path of a
// problem is relative to what stands at its position; it is empty for that itself. A front end that knows where its names
// stand reports the same closer.
func Validate(c *Config) Problems {
	v := validator{c: c, clusters: make(map[string]string), routers: make(map[string]string)}
	for i := range c.Clusters {
		v.define(v.clusters, "cluster", c.Clusters[i].Name, c.Clusters[i].Origin)
	}
	for i := range c.Routers {
		v.define(v.routers, "router configuration", c.Routers[i].Name, c.Routers[i].Origin)
	}
	for i := range c.Routers {
		v.router(i)
		v.compile(&c.Routers[i])
	}
	v.listeners()
	v.problems.Sort()
	return v.problems
}

type validator struct {
	c                 *Config
	clusters, routers map[string]string // name to origin
	problems          Problems
}

func (v *validator) errorf(origin, format string, args ...any) {
	p := Problem{Severity: Error, Message: fmt.Sprintf(format, args...)}
	p.File, p.Line, p.Column = splitOrigin(origin)
	v.problems = append(v.problems, p)
}

// splitOrigin undoes "file:line:column".
func splitOrigin(origin string) (file string, line, column int) {
	rest, col, ok := cutLast(origin)
	if !ok {
		return origin, 0, 0
	}
	file, ln, ok := cutLast(rest)
	if !ok {
		return origin, 0, 0
	}
	return file, ln, col
}

func cutLast(s string) (before string, n int, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, 0, false
	}
	n, err := strconv.Atoi(s[i+1:])
	return s[:i], n, err == nil
}

func (v *validator) define(names map[string]string, what, name, origin string) {
	switch first, taken := names[name]; {
	case name == "":
		v.errorf(origin, "the %s has no name", what)
	case taken:
		v.errorf(origin, "there is already a %s named %q at %s", what, name, first)
	default:
		names[name] = origin
	}
}

func (v *validator) cluster(name, origin string) {
	if _, ok := v.clusters[name]; !ok {
		v.errorf(origin, "there is no cluster named %q", name)
	}
}

func (v *validator) router(i int) {
	for _, vh := range v.c.Routers[i].VirtualHosts {
		for _, rule := range vh.Routes {
			if rule.Cluster != "" {
				v.cluster(rule.Cluster, rule.Origin)
				v.subset(rule.Cluster, rule.Metadata, rule.Origin, "route.metadata_match")
			}
			for _, w := range rule.Weighted {
				v.cluster(w.Cluster, w.Origin)
				v.subset(w.Cluster, w.Metadata, w.Origin, "cluster.metadata_match")
			}
		}
	}
}

// subset warns of a choice of hosts that never is one.
func (v *validator) subset(cluster string, metadata map[string]string, origin, path string) {
	c := v.c.Cluster(cluster)
	if c == nil || len(metadata) == 0 {
		return
	}
	message := fmt.Sprintf("the cluster %q has no lb_subset_config: requests go to any of its hosts", cluster)
	if c.Subsets != nil {
		keys := strings.Join(slices.Sorted(maps.Keys(metadata)), ", ")
		switch selected, serves := c.Subsets.Serves(metadata, c.Hosts); {
		case serves:
			return
		case selected:
			message = fmt.Sprintf("no host of the cluster %q has this metadata: fall_back_policy says where requests go", cluster)
		default:
			message = fmt.Sprintf("no subset_selectors of the cluster %q is [%s]: fall_back_policy says where requests go", cluster, keys)
		}
	}
	p := Problem{Severity: Warning, Path: path, Message: message}
	p.File, p.Line, p.Column = splitOrigin(origin)
	v.problems = append(v.problems, p)
}

// compile reports what the router's compiler finds.
func (v *validator) compile(c *router.Config) {
	_, err := router.Compile(c)
	v.compileError(err, c.Origin)
}

func (v *validator) compileError(err error, origin string) {
	var joined interface{ Unwrap() []error }
	if err == nil {
		return
	}
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			v.compileError(e, origin)
		}
		return
	}
	p := Problem{Severity: Error, Message: err.Error()}
	var mistake *router.Error
	if errors.As(err, &mistake) {
		p.Message, p.Path = mistake.Msg, mistake.Key
		if mistake.Origin != "" {
			origin = mistake.Origin
		}
	}
	p.File, p.Line, p.Column = splitOrigin(origin)
	v.problems = append(v.problems, p)
}

func (v *validator) listeners() {
	names := make(map[string]string)
	bound := make(map[loop.Addr]string)
	for i := range v.c.Listeners {
		l := &v.c.Listeners[i]
		v.define(names, "listener", l.Name, l.Origin)
		if l.Bind {
			v.bind(bound, l.Address, l.Origin)
		}
		l.All(func(c *FilterChain) { v.chain(l, c) })
		v.chains(l)
	}
}

// chain checks what a chain of l serves.
func (v *validator) chain(l *Listener, c *FilterChain) {
	origin := cmp.Or(c.Origin, l.Origin)
	if c.HTTP != nil && c.TCP != nil && !c.HTTP.Fallback {
		v.errorf(origin, "the listener %q serves both a protocol and plain bytes", l.Name)
	}
	if c.HTTP != nil {
		if len(c.HTTP.Protocols) == 0 {
			v.errorf(origin, "the listener %q has no protocol", l.Name)
		}
		if _, ok := v.routers[c.HTTP.Router]; !ok {
			v.errorf(origin, "there is no router configuration named %q", c.HTTP.Router)
		}
	}
	if c.TCP != nil {
		v.tcp(origin, c.TCP)
	}
}

// chains checks that no connection fits two chains of l equally well.
func (v *validator) chains(l *Listener) {
	type criteria struct {
		name, protocol string
		transport      Transport
	}
	taken := map[criteria]string{{}: l.Origin} // FilterChain is for everything
	for i := range l.Chains {
		c := &l.Chains[i]
		c.Match.each(func(name string, t Transport, protocol string) {
			key := criteria{name, protocol, t}
			first, ok := taken[key]
			if !ok {
				taken[key] = c.Origin
				return
			}
			m := ChainMatch{Transport: t}
			if name != "" {
				m.ServerNames = []string{name}
			}
			if protocol != "" {
				m.Protocols = []string{protocol}
			}
			v.errorf(c.Origin, "the chain at %s is already for %s", first, m.String())
			v.problems[len(v.problems)-1].Path = "filter_chain_match"
		})
	}
}

func (v *validator) tcp(origin string, t *TCPProxy) {
	if t.Cluster != "" || len(t.Routes) == 0 {
		v.cluster(t.Cluster, origin)
	}
	for _, r := range t.Routes {
		v.cluster(r.Cluster, origin)
	}
}

func (v *validator) bind(bound map[loop.Addr]string, addr loop.Addr, origin string) {
	switch first, taken := bound[addr]; {
	case addr.Path == "" && !addr.AddrPort.IsValid():
		v.errorf(origin, "the listener has no address")
	case taken && (addr.Path != "" || addr.AddrPort.Port() != 0):
		v.errorf(origin, "%s is already the address of the listener at %s", addr, first)
	default:
		bound[addr] = origin
	}
}
