package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// object is one object of a configuration file.
type object = map[string]any

// document writes the flags as a configuration file: the file's reader is then the only place that knows what a
// configuration means, and the admin API can show what runs.
func (f *proxyFlags) document() ([]byte, error) {
	if len(f.listen) == 0 || len(f.upstreams) == 0 {
		return nil, errors.New("proxy needs both ends: `sluice proxy --listen :8080 --upstream 127.0.0.1:9000`")
	}
	server := object{"default_log_path": "stderr"}
	filter := object{"type": "tcp_proxy", "config": object{"cluster": "upstream"}}
	if !f.tcp {
		filter = object{"type": "proxy", "config": object{"downstream_protocol": "Http1", "router_config_name": "proxy"}}
		server["routers"] = []any{object{
			"router_config_name": "proxy",
			"virtual_hosts": []any{object{
				"name": "all", "domains": []any{"*"},
				"routers": []any{object{"match": object{"prefix": "/"}, "route": object{"cluster_name": "upstream"}}},
			}},
		}}
	}
	var listeners, hosts []any
	for i, text := range f.listen {
		l, err := listenerObject(text)
		if err != nil {
			return nil, fmt.Errorf("--listen: %w", err)
		}
		l["name"] = "proxy"
		if i > 0 {
			l["name"] = "proxy" + strconv.Itoa(i+1)
		}
		l["filter_chains"] = []any{object{"filters": []any{filter}}}
		if f.accessLog != "" {
			l["access_logs"] = []any{object{"log_path": f.accessLog}}
		}
		listeners = append(listeners, l)
	}
	for _, text := range f.upstreams {
		if err := checkAddress(text, false); err != nil {
			return nil, fmt.Errorf("--upstream: %w", err)
		}
		hosts = append(hosts, object{"address": text})
	}
	server["listeners"] = listeners
	doc := object{
		"servers": []any{server},
		"cluster_manager": object{"clusters": []any{
			object{"name": "upstream", "type": "STRICT_DNS", "lb_type": "LB_ROUNDROBIN", "hosts": hosts},
		}},
	}
	if f.admin != "off" {
		admin, err := adminObject(f.admin)
		if err != nil {
			return nil, fmt.Errorf("--admin: %w", err)
		}
		doc["admin"] = admin
	}
	return json.MarshalIndent(doc, "", "  ")
}

// listenerObject is a listener without a name and filters.
func listenerObject(text string) (object, error) {
	if err := checkAddress(text, true); err != nil {
		return nil, err
	}
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return object{"address": path, "network": "unix", "bind_port": true}, nil
	}
	if strings.HasPrefix(text, ":") {
		text = "0.0.0.0" + text
	}
	return object{"address": text, "bind_port": true}, nil
}

func adminObject(text string) (object, error) {
	if err := checkAddress(text, true); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "0.0.0.0"
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	return object{"address": object{"socket_address": object{"address": host, "port_value": number}}}, nil
}

// checkAddress refuses what is no address, with the flag's words: errors of the file's reader would point into a
// document that nobody wrote. A host may be left out where one listens.
func checkAddress(text string, listen bool) error {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if path == "" {
			return errors.New("unix: needs a path, as in unix:/run/app.sock")
		}
		return nil
	}
	if strings.Contains(text, "://") {
		return fmt.Errorf("%q is a URL; give HOST:PORT", text)
	}
	if _, err := strconv.Atoi(text); err == nil {
		host := "127.0.0.1"
		if listen {
			host = ""
		}
		return fmt.Errorf("%q is a port alone; did you mean %s:%s?", text, host, text)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT, [IPV6]:PORT or unix:/path", text)
	}
	if host == "" && !listen {
		return fmt.Errorf("%q lacks a host, as in 127.0.0.1%s", text, text)
	}
	least := 1
	if listen {
		least = 0 // the system chooses
	}
	if n, err := strconv.Atoi(port); err != nil || n < least || n > 65535 {
		return fmt.Errorf("%q: the port must be a number from %d to 65535", text, least)
	}
	return nil
}
