package mosn

import (
	"maps"
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
		if !r.room() {
			r.dropped++
			r.failed = true
			continue
		}
		all := slices.Sorted(maps.Keys(exist))
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

// conflicts reports addresses that are bound twice; every address of a machine takes in each of them. Port 0 is a new one
// each time.
func (r *reader) conflicts() {
	for i, p := range r.ports {
		for _, first := range r.ports[:i] {
			if clash(first.addr, p.addr) {
				r.errorf(p.at, "%s can't be listened on: %s at %s already has %s", p.addr, first.what, first.at.origin(), first.addr)
				break
			}
		}
	}
}

func clash(a, b loop.Addr) bool {
	if a.Path != "" || b.Path != "" {
		return a.Path == b.Path
	}
	if a.AddrPort.Port() == 0 || a.AddrPort.Port() != b.AddrPort.Port() {
		return false
	}
	ip, other := a.AddrPort.Addr(), b.AddrPort.Addr()
	return ip == other || takesIn(ip, other) || takesIn(other, ip)
}

// takesIn reports whether a socket on ip gets what is sent to other: [::] takes IPv4 as well.
func takesIn(ip, other netip.Addr) bool {
	return ip.IsUnspecified() && (ip.Is6() || other.Is4())
}
