package mosn

import (
	"slices"
	"strings"

	"sluice/upstream"
)

// maxSelectors bounds the subset_selectors of a cluster: with each, every host is in one more subset.
const maxSelectors = 64

// metadata reads {"filter_metadata": {"mosn.lb": {key: value}}}; nil when it says nothing.
func (r *reader) metadata(o object, key string) map[string]string {
	if o.n == nil {
		return nil
	}
	return r.texts(o.child(key, metadataSchema).child("filter_metadata", filterMetadataSchema).node("mosn.lb"))
}

// texts reads an object whose keys are not known, and whose values are strings.
func (r *reader) texts(v *node) map[string]string {
	if v == nil || v.kind == kindNull {
		return nil
	}
	if v.kind != kindObject {
		r.expected(v, `an object such as {"version": "2"}`, "")
		return nil
	}
	m := make(map[string]string, len(v.members))
	for i := range v.members {
		member := &v.members[i]
		if _, twice := m[member.key]; twice {
			r.errorf(member.value, "the key %s is there twice; remove one", quote(member.key))
		}
		m[member.key] = r.str(member.value)
	}
	return m
}

// subsets reads lb_subset_config. The hosts are known.
func (r *reader) subsets(o object, c *upstream.ClusterConfig) {
	s := o.child("lb_subset_config", subsetSchema)
	if s.n == nil {
		return
	}
	cfg := &upstream.SubsetConfig{
		Fallback: upstream.SubsetFallback(s.integer("fall_back_policy", int64(upstream.FallbackNone), int64(upstream.FallbackDefault))), //nolint:gosec // within range
		Default:  r.texts(s.node("default_subset")),
	}
	for _, n := range s.array("subset_selectors") {
		var keys []string
		for _, item := range r.array(n) {
			if key := r.str(item); key != "" {
				keys = append(keys, key)
			} else if item.kind == kindString {
				r.expected(item, "a key of the hosts' metadata", "")
			}
		}
		if slices.Sort(keys); len(keys) > 0 {
			cfg.Selectors = append(cfg.Selectors, slices.Compact(keys))
		}
	}
	switch {
	case len(cfg.Selectors) == 0:
		r.notef(s.n, `"lb_subset_config" has no effect without subset_selectors (as in MOSN)`)
		return
	case len(cfg.Selectors) > maxSelectors:
		r.errorf(s.at("subset_selectors"), "expected %d selectors at most, found %d", maxSelectors, len(cfg.Selectors))
		return
	}
	c.Subsets = cfg
	if cfg.Fallback != upstream.FallbackDefault && len(cfg.Default) > 0 {
		r.warnf(s.at("default_subset"), "it counts with fall_back_policy 2 only")
	}
	if cfg.Fallback == upstream.FallbackDefault && len(c.Hosts) > 0 && !slices.ContainsFunc(c.Hosts, func(h upstream.HostConfig) bool {
		return upstream.HasMetadata(h.Metadata, cfg.Default)
	}) {
		r.warnf(s.at("default_subset"), "no host is in it: requests that fall back fail")
	}
	for _, keys := range cfg.Selectors {
		if len(c.Hosts) > 0 && !slices.ContainsFunc(c.Hosts, func(h upstream.HostConfig) bool {
			return !slices.ContainsFunc(keys, func(k string) bool { _, ok := h.Metadata[k]; return !ok })
		}) {
			r.warnf(s.at("subset_selectors"), "no host has metadata for %s: the selector makes no subset", strings.Join(keys, " and "))
		}
	}
}
