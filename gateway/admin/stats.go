package admin

import (
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/bytebufferpool"

	"sluice/gateway/telemetry/metrics"
)

// statistics are in MOSN's form: by type, by labels ("listener.NAME"), by key.
type statistics map[string]map[string]map[string]int64

// at returns the values of one thing, which it makes if need be.
func (s statistics) at(kind, labels string) map[string]int64 {
	if s[kind] == nil {
		s[kind] = map[string]map[string]int64{}
	}
	if s[kind][labels] == nil {
		s[kind][labels] = map[string]int64{}
	}
	return s[kind][labels]
}

// gather reads the registry into MOSN's form.
func (a *api) gather() statistics {
	s := statistics{}
	state, _ := a.Gateway.State()
	s.at("meta", "mosn.info")["mosn_state_code"] = int64(state)
	s.at("meta", "mosn.info")["version:"+a.Version] = 1
	s.at("meta", "mosn.info")["go_version:"+runtime.Version()] = 1
	for _, one := range a.Registry.Snapshot() {
		if a.Keep != nil && !a.Keep(&one) {
			continue
		}
		s.add(&one)
	}
	if a.Keep == nil {
		s.fill()
	}
	return s
}

// add puts one series where MOSN's users look for it. Families that MOSN does not have go by their own names:
// sluice_TYPE_KEY.
func (s statistics) add(one *metrics.Series) {
	thing, rest, _ := strings.Cut(strings.TrimPrefix(one.Name, "sluice_"), "_")
	name, known := mosnNames[one.Name]
	switch {
	case !known:
		labels := "process.global"
		if len(one.Labels) > 0 {
			labels = labelText(one, len(one.Labels))
		}
		put(s.at(thing, labels), rest, one)
	case thing == "downstream":
		for _, labels := range []string{labelText(one, 1), globalLabels} {
			name(s.at("downstream", labels), one)
		}
	case thing == "cluster":
		name(s.at("upstream", labelText(one, 1)), one)
	case thing == "endpoint":
		name(s.at("upstream", "cluster."+one.Values[0]+hostLabel+one.Values[1]), one)
	}
}

const (
	globalLabels = "proxy.global"
	hostLabel    = ".host."
)

// fill adds the keys that MOSN shows from the start and that have not counted yet.
func (s statistics) fill() {
	for _, m := range s["downstream"] {
		zero(m, downstreamZeros)
	}
	for labels, m := range s["upstream"] {
		zero(m, upstreamZeros)
		if !strings.Contains(labels, hostLabel) {
			zero(m, clusterZeros)
		}
	}
}

// labelText is MOSN's form of the first n labels.
func labelText(one *metrics.Series, n int) string {
	parts := make([]string, 0, 2*n)
	for i := range n {
		parts = append(parts, one.Labels[i], one.Values[i])
	}
	return strings.Join(parts, ".")
}

func zero(m map[string]int64, keys []string) {
	for _, k := range keys {
		if _, ok := m[k]; !ok {
			m[k] = 0
		}
	}
}

// put adds a series under a key: a number as it is, a histogram as MOSN shows it, in nanoseconds.
func put(m map[string]int64, key string, one *metrics.Series) {
	if one.Kind != metrics.KindHistogram {
		m[key] += int64(one.Value)
		return
	}
	if one.Count == 0 {
		return
	}
	if shortest, ok := m[key+"_min"]; !ok || int64(one.Min) < shortest {
		m[key+"_min"] = int64(one.Min)
	}
	m[key+"_max"] = max(m[key+"_max"], int64(one.Max))
	m[key+"_total"] += int64(one.Sum)
}

func (a *api) stats(w http.ResponseWriter, r *http.Request) {
	s := a.gather()
	if query := r.URL.Query(); query.Has("key") {
		key := query.Get("key")
		if s = s.only(key); len(s) == 0 {
			text(w, http.StatusOK, "no metrics key: "+key)
			return
		}
	}
	out := map[string]map[string]map[string]string{}
	for kind, byLabels := range s {
		out[kind] = map[string]map[string]string{}
		for labels, byKey := range byLabels {
			out[kind][labels] = map[string]string{}
			for key, value := range byKey {
				out[kind][labels][key] = strconv.FormatInt(value, 10)
			}
		}
	}
	_ = writeJSON(w, http.StatusOK, layout{indent: "\t", html: true}, out) // strings always render
}

// only returns the values of one key.
func (s statistics) only(key string) statistics {
	out := statistics{}
	for kind, byLabels := range s {
		for labels, byKey := range byLabels {
			if v, ok := byKey[key]; ok {
				out.at(kind, labels)[key] = v
			}
		}
	}
	return out
}

// statsGlob shows the sums over all listeners.
func (a *api) statsGlob(w http.ResponseWriter, _ *http.Request) {
	all := a.gather()["downstream"][globalLabels]
	b := bytebufferpool.Get()
	defer bytebufferpool.Put(b)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(b, "%s:%d\n", key, all[key])
	}
	text(w, http.StatusOK, b.B)
}
