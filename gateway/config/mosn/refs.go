package mosn

import (
	"net/netip"
	"slices"

	"sluice/loop"
)

// names are the things of one kind that exist, with where.
type names map[string]*node

// define adds a name; it reports one that exists already.
func (r *reader) define(ns names, what, name string, at *node) {
	if first, ok := ns[name]; ok {
		r.errorf(at, "there is already %s named %s at %s", what, quote(name), first.origin())
		return
	}
	ns[name] = at
}

// A reference is a name that something must have.
type reference struct {
	at   *node
	kind refKind
	name string
}

type refKind uint8

const (
	refCluster refKind = iota
	refRouter
)

// refer remembers that at names something; an absent or empty name is the caller's to report.
func (r *reader) refer(k refKind, at *node, name string) {
	if at != nil && name != "" {
		r.refs = append(r.refs, reference{at, k, name})
	}
}

// resolve reports the references to what does not exist.
func (r *reader) resolve() {
	for _, ref := range r.refs {
		exist, what, where := r.clusters, "cluster", "cluster_manager.clusters"
		if ref.kind == refRouter {
			exist, what, where = r.routers, "router configuration", "servers[0].routers"
		}
		if _, ok := exist[ref.name]; ok {
			continue
		}
		all := make([]string, 0, len(exist))
		for name := range exist {
			all = append(all, name)
		}
		slices.Sort(all)
		hint := didYouMean(ref.name, all)
		if len(all) == 0 {
			hint = "; " + where + " is empty"
		}
		r.errorf(ref.at, "there is no %s named %s%s", what, quote(ref.name), hint)
	}
}

// A boundPort is an address that the process will listen on.
type boundPort struct {
	addr loop.Addr
	what string
	at   *node
}

// listens remembers an address that will be bound.
func (r *reader) listens(addr loop.Addr, what string, at *node) {
	r.ports = append(r.ports, boundPort{addr, what, at})
}

// conflicts reports addresses that are bound twice. Port 0 is a new one each time.
func (r *reader) conflicts() {
	type place struct {
		addr netip.AddrPort
		path string
	}
	first := make(map[place]boundPort)
	for _, p := range r.ports {
		if p.addr.Path == "" && p.addr.AddrPort.Port() == 0 {
			continue
		}
		key := place{p.addr.AddrPort, p.addr.Path}
		if f, taken := first[key]; taken {
			r.errorf(p.at, "%s is already the address of %s at %s", p.addr, f.what, f.at.origin())
			continue
		}
		first[key] = p
	}
}
