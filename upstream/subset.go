package upstream

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/upstream/balance"
)

// A SubsetConfig divides the hosts of a cluster by their metadata: for every selector, hosts that have all of its keys and
// the same values of them are a subset. A host may be in several, and is one endpoint all the same: its connections and its
// count of requests are those of the cluster.
type SubsetConfig struct {
	Selectors [][]string // each is a set of keys
	Fallback  SubsetFallback
	Default   map[string]string // what hosts of FallbackDefault have
}

// SubsetFallback says where a request goes whose Criteria are those of no subset, or which has none.
type SubsetFallback uint8

// The fallbacks.
const (
	FallbackNone    SubsetFallback = iota // nowhere: it fails
	FallbackAny                           // to any host
	FallbackDefault                       // to a host that has SubsetConfig.Default
)

// Criteria name a subset: its keys, all of them, with its values. They are immutable.
type Criteria struct{ key string }

// NewCriteria returns those that metadata says; nil for none.
func NewCriteria(metadata map[string]string) *Criteria {
	if len(metadata) == 0 {
		return nil
	}
	return &Criteria{key: subsetKey(slices.Sorted(maps.Keys(metadata)), metadata)}
}

// subsetKey tells subsets apart: the values of keys, which are sorted. It is "" when metadata has not got them all.
func subsetKey(keys []string, metadata map[string]string) string {
	var b []byte
	for i, k := range keys {
		v, ok := metadata[k]
		if !ok {
			return ""
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendQuote(b, k)
		b = strconv.AppendQuote(append(b, '='), v)
	}
	return string(b)
}

// Serves reports whether a host is in the subset that metadata, not empty, names. selected says whether a selector has the
// same keys.
func (s *SubsetConfig) Serves(metadata map[string]string, hosts []HostConfig) (selected, serves bool) {
	keys := slices.Sorted(maps.Keys(metadata))
	for _, selector := range s.Selectors {
		selected = selected || slices.Equal(keys, slices.Compact(slices.Sorted(slices.Values(selector))))
	}
	return selected, selected && slices.ContainsFunc(hosts, func(h HostConfig) bool { return HasMetadata(h.Metadata, metadata) })
}

// A subset is some endpoints of a set.
type subset struct {
	selector balance.Selector
	turns    int // its place in Local.turns: turns that others take would make a round robin skip some endpoints for ever
}

// subsets are those of an endpointSet: immutable.
type subsets struct {
	byKey    map[string]*subset
	fallback *subset // nil: none
	count    int     // of selectors
}

// find returns the subset for c, nil when there is none; met is false for the fallback.
func (s *subsets) find(c *Criteria) (sub *subset, met bool) {
	if c != nil {
		if sub = s.byKey[c.key]; sub != nil {
			return sub, true
		}
	}
	return s.fallback, false
}

// newSubsets builds the subsets of eps, whose metadata stand beside them. nil for a cluster without.
func newSubsets(cfg *ClusterConfig, eps []balance.Endpoint, metadata []map[string]string) *subsets {
	if cfg.Subsets == nil || len(cfg.Subsets.Selectors) == 0 {
		return nil
	}
	s := &subsets{byKey: map[string]*subset{}}
	members := map[string][]int{} // in order; not twice, for another selector may have the same keys
	for _, selector := range cfg.Subsets.Selectors {
		keys := slices.Compact(slices.Sorted(slices.Values(selector)))
		for i, m := range metadata {
			key := subsetKey(keys, m)
			if list := members[key]; key != "" && eps[i].Healthy && (len(list) == 0 || list[len(list)-1] < i) {
				members[key] = append(list, i)
			}
		}
	}
	some := make([]balance.Endpoint, len(eps)) // those of a subset, in their places among all
	build := func(list []int) *subset {
		for _, i := range list {
			some[i] = eps[i]
		}
		sub := &subset{selector: cfg.Policy.build(some, cfg.Choices), turns: s.count}
		clear(some)
		s.count++
		return sub
	}
	for key, list := range members {
		s.byKey[key] = build(list)
	}
	var rest []int
	for i, m := range metadata {
		if cfg.Subsets.Fallback == FallbackAny || HasMetadata(m, cfg.Subsets.Default) {
			rest = append(rest, i)
		}
	}
	if cfg.Subsets.Fallback != FallbackNone {
		s.fallback = build(rest)
	}
	return s
}

// HasMetadata reports whether metadata says all that wanted does.
func HasMetadata(metadata, wanted map[string]string) bool {
	for k, v := range wanted {
		if got, ok := metadata[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// Missing says why a cluster has no endpoint for requests with c, in words for the person who has configured it; "" if it
// has none at all.
func (l *Local) Missing(c *Criteria) string {
	if l.set.subsets == nil || len(l.set.endpoints) == 0 {
		return ""
	}
	var b strings.Builder
	if c == nil {
		b.WriteString("the route has no metadata_match")
	} else {
		b.WriteString("no subset of hosts has the metadata " + c.key)
	}
	if l.set.config.Subsets.Fallback == FallbackDefault {
		b.WriteString(", and no host is in the default subset")
	} else {
		b.WriteString(", and the fall_back_policy is 0")
	}
	return b.String()
}
