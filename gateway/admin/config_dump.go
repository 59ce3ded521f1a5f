package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

const configDumpUsage = "GET /api/v1/config_dump[?mosnconfig | ?allrouters | ?allclusters | ?alllisteners | ?router=NAME | " +
	"?cluster=NAME | ?listener=NAME]"

// A ConfigDump is a configuration in MOSN's form, whole and in parts, with secrets redacted.
type ConfigDump struct {
	Document  json.RawMessage            `json:"mosn_config"`
	Listeners map[string]json.RawMessage `json:"listener"`
	Clusters  map[string]json.RawMessage `json:"cluster"`
	Routers   map[string]json.RawMessage `json:"routers"`
	Extends   []json.RawMessage          `json:"extends"`
}

// NewConfigDump finds the parts of a MOSN document (config.Config.Document). Keys are recognised in any case, as in
// MOSN. Listeners without a name go by their address.
func NewConfigDump(document []byte) (*ConfigDump, error) {
	var doc struct {
		Servers []struct {
			Listeners []json.RawMessage `json:"listeners"`
			Routers   []json.RawMessage `json:"routers"`
		} `json:"servers"`
		ClusterManager struct {
			Clusters []json.RawMessage `json:"clusters"`
		} `json:"cluster_manager"`
		Extends []json.RawMessage `json:"extends"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("the configuration can't be shown: %w", err)
	}
	d := &ConfigDump{Document: document, Listeners: map[string]json.RawMessage{}, Clusters: map[string]json.RawMessage{},
		Routers: map[string]json.RawMessage{}, Extends: append([]json.RawMessage{}, doc.Extends...)}
	for _, s := range doc.Servers {
		collect(d.Listeners, s.Listeners)
		collect(d.Routers, s.Routers)
	}
	collect(d.Clusters, doc.ClusterManager.Clusters)
	return d, nil
}

// collect adds parts by the name that each gives itself.
func collect(to map[string]json.RawMessage, parts []json.RawMessage) {
	for _, part := range parts {
		var named struct {
			Name    string `json:"name"`
			Router  string `json:"router_config_name"`
			Address string `json:"address"`
		}
		// A part that is no object has no name; the validation of the configuration has said so already.
		_ = json.Unmarshal(part, &named)
		name := named.Name
		if name == "" {
			name = named.Router
		}
		if name == "" {
			name = named.Address
		}
		to[name] = part
	}
}

func (a *api) configDump(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if len(query) > 1 {
		failJSON(w, http.StatusBadRequest, "only support one parameter", configDumpUsage)
		return
	}
	d := a.Gateway.Config()
	var shown any = d
	for key, values := range query {
		switch key {
		case "mosnconfig":
			shown = d.Document
		case "allrouters":
			shown = d.Routers
		case "allclusters":
			shown = d.Clusters
		case "alllisteners":
			shown = d.Listeners
		case "router", "cluster", "listener":
			all := map[string]map[string]json.RawMessage{"router": d.Routers, "cluster": d.Clusters, "listener": d.Listeners}[key]
			part, ok := all[values[0]]
			if !ok {
				failJSON(w, http.StatusNotFound, fmt.Sprintf("there is no %s %s", key, quote(values[0])),
					fmt.Sprintf("there are: %q", slices.Sorted(maps.Keys(all))))
				return
			}
			shown = part
		default:
			failJSON(w, http.StatusBadRequest, "there is no parameter "+quote(key), configDumpUsage)
			return
		}
	}
	if err := writeJSON(w, http.StatusOK, layout{indent: " ", line: true}, shown); err != nil {
		a.Log.Error("the configuration can't be shown", "error", err)
	}
}
