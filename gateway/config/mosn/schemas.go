package mosn

// The table of keys: what MOSN's configuration can say, and what this version does about it. docs/mosn-compatibility.md
// is made from it (see TestCompatibilityPage).

const (
	noSDS    = "certificates come from files here; name them in cert_chain and private_key"
	noVerify = "peers would be let in that it refuses"

	alwaysStreams = "bodies are always streamed, and small ones are kept for a retry all the same"
)

var documentSchema = newSchema("the configuration",
	reads("servers", "cluster_manager", "admin", "metrics", "pprof", "pid"),
	ignores("there is no hot upgrade yet, so there is nothing to turn off", "disable_upgrade"),
	ignores("a stop by SIGTERM is always graceful", "close_graceful"),
	ignores("there is no hot upgrade yet", "inherit_old_mosnconfig", "uds_dir"),
	ignores("it describes this process to an xDS server, and xDS is not in use", "node"),
	ignores("the plug-in processes that it is for do not exist here", "plugin"),
	lacksIf(enableOn, "requests are proxied without spans", "tracing"),
	lacks("the filters that would use the modules are refused one by one", "wasm_global_plugins"),
	refuses("listeners, routes and clusters would be missing", "dynamic_resources", "static_resources"),
	refusesIf(codecsOn, "its protocols would not be spoken", "third_part_codec"),
	reads("extends"),
)

var serverSchema = newSchema("a server",
	reads("default_log_path", "default_log_level", "graceful_timeout", "processor", "listeners", "routers"),
	ignores("every process is one server", "mosn_server_name"),
	ignores("the event loop is the only mode", "use_netpoll_mode"),
	lacks("files are not rolled: use logrotate and SIGUSR1", "global_log_roller"),
)

var listenerSchema = newSchema("a listener",
	reads("name", "address", "bind_port", "network", "access_logs", "filter_chains", "stream_filters", "listener_filters",
		"connection_idle_timeout", "max_connections", "inspector"),
	ignores("it only labels", "type"),
	ignores("MOSN does not read it either; see access_logs and default_log_path", "log_path"),
	ignores("it is for UDP; TCP listeners share their port among the loops by themselves", "reuseport"),
	ignores("buffers are sized by the loop", "default_read_buffer_size"),
	refuses("connections would go to the listener's own routes instead of where they were going", "use_original_dst"),
)

var accessLogSchema = newSchema("an access log", reads("log_path", "log_format"))

var filterChainSchema = newSchema("a filter chain",
	reads("name", "filters", "filter_chain_match", "tls_context", "tls_context_set"),
	ignores("MOSN does not use it either; see filter_chain_match", "match"),
)

var chainMatchSchema = strict(newSchema("a filter_chain_match",
	reads("server_names", "transport_protocol", "application_protocols"),
	refuses("the chain would take connections that it is not for", "destination_port", "prefix_ranges", "address_suffix",
		"suffix_len", "direct_source_prefix_ranges", "source_type", "source_prefix_ranges", "source_ports"),
))

var listenerTLSSchema = newSchema("the tls_context of a listener",
	reads("status", "server_name", "ca_cert", "cert_chain", "private_key", "verify_client", "require_client_cert", "cipher_suites",
		"ecdh_curves", "min_version", "max_version", "alpn", "match_typed_subject_alt_names", "fall_back"),
	ignores("MOSN does not use it either", "ticket"),
	refuses("peers would be let in that it refuses; see match_typed_subject_alt_names", "type", "extend_verify", "callbacks"),
	refuses("any certificate of a client would do; leave verify_client out if none is needed", "insecure_skip"),
	refuses(noSDS, "sds_source"),
)

var sanSchema = strict(newSchema("a match_typed_subject_alt_names", reads("san_type", "matcher"),
	refuses("clients would be let in that it refuses", "oid")))

var sanMatcherSchema = strict(newSchema("a matcher", reads("exact", "prefix", "suffix"),
	refuses("clients would be let in that it refuses", "contains", "safe_regex", "ignore_case", "custom")))

var clusterTLSSchema = newSchema("the tls_context of a cluster",
	reads("status", "server_name", "ca_cert", "cert_chain", "private_key", "insecure_skip", "cipher_suites", "ecdh_curves",
		"min_version", "max_version", "alpn", "ignore_unexpected_eof"),
	ignores("MOSN does not use it either", "ticket"),
	ignores("it belongs to listeners", "verify_client", "require_client_cert"),
	refuses(noVerify, "type", "extend_verify", "callbacks"),
	refuses("requests would leave in plaintext when the certificate is bad", "fall_back"),
	refuses(noSDS, "sds_source"),
)

var filterSchema = newSchema("a filter",
	reads("type", "config"),
	refuses("the plug-in's filter would not run", "go_plugin_config"),
)

var proxySchema = newSchema("the config of a proxy filter",
	reads("downstream_protocol", "upstream_protocol", "router_config_name", "extend_config", "forwarded", "timeouts", "limits",
		"http2", "bolt", "fallback_for_unknown_protocol", "forward_client_cert_details", "set_current_client_cert_details"),
	ignores("it only labels", "name"),
	ignores("MOSN does not use it either; unknown clusters are always an error", "validate_clusters"),
	ignores("the loops are the workers", "concurrency_num"),
	refuses("requests would be routed by the ordinary handler", "router_handler_name"),
)

var extendSchema = newSchema("extend_config",
	reads("Http1", "Http2", "bolt", "boltv2", "enable_bolt_goaway", "max_header_size", "max_request_body_size", "sub_protocol"),
	ignores(alwaysStreams, "http2_use_stream"),
	ignores("the protocol is not spoken by this listener", "dubbo"),
)

var http1Schema = newSchema("the Http1 part of extend_config", reads("max_header_size", "max_request_body_size"))

var http2ExtendSchema = newSchema("the Http2 part of extend_config", ignores(alwaysStreams, "http2_use_stream"))

var boltExtendSchema = newSchema("the bolt part of extend_config", reads("enable_bolt_goaway"))

var boltSchema = newSchema("bolt", reads("class_bytes", "content_bytes", "max_concurrent_calls", "collect_bytes",
	"max_connection_age"))

var http2boltSchema = newSchema("the config of a http2bolt filter", reads("simple", "class", "coding", "method", "path"))

var http2Schema = newSchema("http2", reads("max_concurrent_streams", "initial_stream_window", "max_stream_window",
	"ping_interval", "ping_timeout", "max_connection_age"))

var transcoderSchema = newSchema("the config of a transcoder filter",
	reads("type"),
	ignores("requests are converted when they leave", "trans"),
	refuses("the requests that they choose would not be converted; give their route an upstream_protocol", "rules"),
)

var grpcWebSchema = newSchema("the config of a grpc_web filter")

var forwardedSchema = newSchema("forwarded",
	reads("via", "via_name", "x_forwarded_for", "x_forwarded_proto", "x_forwarded_host", "x_request_id", "trusted_networks"))

var clientCertSchema = newSchema("set_current_client_cert_details", reads("subject", "cert", "chain", "dns", "uri"))

var timeoutsSchema = newSchema("timeouts", reads("head", "progress", "stream_idle", "tunnel_idle"))

var limitsSchema = newSchema("limits", reads("head_bytes", "head_fields", "request_line", "body"))

var tcpProxySchema = newSchema("the config of a tcp_proxy filter",
	reads("cluster", "idle_timeout", "routes"),
	ignores("MOSN does not use it either", "stat_prefix", "max_connect_attempts"),
)

var tcpRouteSchema = newSchema("a route of a tcp_proxy filter",
	reads("cluster", "source_addrs", "SourceAddrs", "destination_addrs", "DestinationAddrs", "source_port", "SourcePort",
		"destination_port", "DestinationPort"))

var cidrSchema = newSchema("a range of addresses", reads("address", "length"))

var headerOpKeys = reads("request_headers_to_add", "request_headers_to_remove", "response_headers_to_add",
	"response_headers_to_remove")

var routerConfigSchema = newSchema("a router configuration",
	reads("router_config_name", "virtual_hosts", "router_configs"), headerOpKeys)

var virtualHostSchema = newSchema("a virtual host",
	reads("name", "domains", "routers"), headerOpKeys,
	refusesIf(requiresTLS, "requests in plaintext would be answered; MOSN does not enforce it either", "require_tls"),
	refuses("a filter's settings for these requests would not apply", "per_filter_config"),
)

var ruleSchema = newSchema("a route",
	reads("match", "route", "redirect", "direct_response"),
	ignores("nothing here reads a route's metadata; hosts are chosen by route.metadata_match", "metadata"),
	refuses("a filter's settings for these requests would not apply", "per_filter_config"),
	refuses("the copies would not be sent", "request_mirror_policies"),
)

var matchSchema = newSchema("a match",
	reads("prefix", "path", "regex", "headers"),
	refuses("the rule would match requests that it should not", "variables", "dsl_expressions"),
)

var headerMatchSchema = newSchema("a header match", reads("name", "value", "regex"))

var routeSchema = newSchema("the action of a route",
	reads("cluster_name", "weighted_clusters", "upstream_protocol", "timeout", "retry_policy", "prefix_rewrite",
		"regex_rewrite", "host_rewrite", "auto_host_rewrite", "auto_host_rewrite_header", "metadata_match"), headerOpKeys,
	ignores("MOSN does not use it either", "cluster_header"),
	ignores("only hashing policies use it, and none is available", "hash_policy"),
	refuses("the cluster could not be chosen", "cluster_variable"),
)

var weightedSchema = newSchema("an item of weighted_clusters", reads("cluster"))

var weightedClusterSchema = newSchema("a weighted cluster",
	reads("name", "weight", "metadata_match"),
)

var retrySchema = newSchema("a retry policy", reads("retry_on", "retry_timeout", "num_retries", "status_codes",
	"retry_conditions"))

var regexRewriteSchema = newSchema("regex_rewrite", reads("pattern", "substitution"))

var patternSchema = newSchema("a pattern",
	reads("regex"),
	ignores("Go's regular expressions always run in linear time", "google_re2"),
)

var redirectSchema = newSchema("a redirect", reads("response_code", "path_redirect", "host_redirect", "scheme_redirect"))

var directSchema = newSchema("a direct response", reads("status", "body"))

var headerOptionSchema = newSchema("a header to add", reads("header", "append"))

var headerSchema = newSchema("a header", reads("key", "value"))

var managerSchema = newSchema("the cluster manager",
	reads("clusters", "clusters_configs", "tls_context"),
	ignores("every cluster has pools of its own", "cluster_pool_enable"),
)

var clusterSchema = newSchema("a cluster",
	reads("name", "type", "lb_type", "hosts", "mark", "circuit_breakers", "connect_timeout", "idle_timeout", "lbconfig",
		"dns_refresh_rate", "respect_dns_ttl", "dns_lookup_family", "dns_resolvers", "dns_resolver_file", "dns_resolver_port",
		"source_address", "protocol", "keepalive", "max_concurrent_streams", "max_connection_age",
		"tls_context", "cluster_manager_tls", "lb_subset_config"),
	ignores("MOSN does not use it either", "sub_type", "max_request_per_conn", "conn_buffer_limit_bytes"),
	ignores("every cluster has pools of its own", "cluster_pool_enable"),
	ignores("it belongs to lb_type LB_ORIGINAL_DST", "original_dst_lb_config"),
	lacksIf(healthCheckOn, "endpoints are not probed: a host that fails is found out by requests", "health_check"),
	lacks("new hosts get their whole share at once", "slow_start"),
	lacks("nothing subscribes, so only the hosts that stand here are used", "spec"),
)

var subsetSchema = newSchema("lb_subset_config", reads("fall_back_policy", "default_subset", "subset_selectors"))

var metadataSchema = newSchema("metadata", reads("filter_metadata"))

var filterMetadataSchema = newSchema("filter_metadata", reads("mosn.lb"))

var keepaliveSchema = newSchema("keepalive", reads("interval", "timeout"))

var hostSchema = newSchema("a host",
	reads("address", "hostname", "weight", "metadata", "tls_disable"),
)

var breakerSchema = newSchema("a circuit breaker",
	reads("max_connections", "max_requests", "max_retries", "max_pending_requests"),
)

var lbConfigSchema = newSchema("lbconfig",
	reads("choice_count"),
	lacks("hosts compete by the requests that they have in flight", "active_request_bias", "client_error_bias",
		"server_error_bias"),
)

var resolversSchema = newSchema("dns_resolvers",
	reads("servers", "search", "port"),
	lacks("the resolver has its own", "ndots", "timeout", "attempts"),
)

var adminSchema = newSchema("the admin server", reads("address"))

var adminAddressSchema = newSchema("an address", reads("socket_address"))

var socketAddressSchema = newSchema("a socket address", reads("address", "port_value"))

var pprofSchema = newSchema("pprof", reads("debug", "port_value", "endpoint"))

var metricsSchema = newSchema("metrics",
	reads("sinks", "stats_matcher"),
	ignores("metrics are counted per loop and summed when they are asked for", "shm_zone", "shm_size", "flush_mosn", "lazy_flush"),
	ignores("histograms have real buckets instead of samples", "sample", "ewma"),
)

var matcherSchema = newSchema("a stats matcher", reads("reject_all", "exclusion_labels", "exclusion_keys"))

var prometheusSchema = newSchema("the config of a prometheus sink",
	reads("port", "endpoint", "disable_collect_process", "disable_collect_go"),
	ignores("histograms have real buckets: compute quantiles from them", "percentiles"),
	lacks("metrics are served, not pushed", "export_url"),
)

// allSchemas lists the table in the order of the compatibility page.
func allSchemas() []*schema {
	return []*schema{
		documentSchema, serverSchema, listenerSchema, accessLogSchema, filterChainSchema, chainMatchSchema, listenerTLSSchema, sanSchema, sanMatcherSchema, filterSchema, proxySchema,
		extendSchema, http1Schema, http2ExtendSchema, boltExtendSchema, http2Schema, boltSchema, forwardedSchema, clientCertSchema, timeoutsSchema, limitsSchema,
		transcoderSchema, http2boltSchema, grpcWebSchema, tcpProxySchema, tcpRouteSchema, cidrSchema,
		routerConfigSchema, virtualHostSchema, ruleSchema, matchSchema, headerMatchSchema, routeSchema, weightedSchema,
		weightedClusterSchema, retrySchema, regexRewriteSchema, patternSchema, redirectSchema, directSchema,
		headerOptionSchema, headerSchema, managerSchema, clusterSchema, subsetSchema, clusterTLSSchema, keepaliveSchema, hostSchema, metadataSchema, filterMetadataSchema, breakerSchema, lbConfigSchema,
		resolversSchema, adminSchema, adminAddressSchema, socketAddressSchema, pprofSchema, metricsSchema, matcherSchema,
		prometheusSchema,
	}
}

// codecsOn: third-party codecs are on one by one.
func codecsOn(v *node) bool {
	codecs := v.member("codecs")
	if codecs == nil || codecs.kind != kindArray {
		return false
	}
	for _, c := range codecs.items {
		if enableOn(c) {
			return true
		}
	}
	return false
}

// requiresTLS: Envoy's spelling of "no" is NONE.
func requiresTLS(v *node) bool { return v.kind != kindString || v.text != "NONE" }

// healthCheckOn: MOSN checks a cluster only when a service name is there.
func healthCheckOn(v *node) bool {
	if v.kind != kindObject {
		return true
	}
	name := v.member("service_name")
	return name != nil && !name.inert()
}
