package config

import (
	"log/slog"
	"net/netip"
	"time"

	"sluice/gateway/identity"
	"sluice/loop"
	"sluice/router"
	"sluice/upstream"
)

// A Config is everything that a gateway is told.
type Config struct {
	Source    string // the file it came from, or "embedded default"
	Loops     int    // 0: as many as the CPUs that the process may use
	Log       Log
	Listeners []Listener
	Routers   []router.Config
	Clusters  []upstream.ClusterConfig
	Admin     *Admin        // nil: no admin server
	Metrics   Metrics       // further places to serve metrics
	Pprof     *loop.Addr    // a listener of its own for pprof, beside admin; nil: none
	Graceful  time.Duration // how long a drain may take; 0: the command decides
	PidFile   string
	// Document is the configuration as the user wrote it, JSON, with secrets redacted: the admin's config_dump.
	Document []byte
}

// Router returns the router configuration with that name, or nil.
func (c *Config) Router(name string) *router.Config {
	for i := range c.Routers {
		if c.Routers[i].Name == name {
			return &c.Routers[i]
		}
	}
	return nil
}

// Cluster returns the cluster with that name, or nil.
func (c *Config) Cluster(name string) *upstream.ClusterConfig {
	for i := range c.Clusters {
		if c.Clusters[i].Name == name {
			return &c.Clusters[i]
		}
	}
	return nil
}

// Levels of the log beside slog's own four.
const (
	LevelTrace = slog.LevelDebug - 4
	LevelFatal = slog.LevelError + 4
)

// Log is the process's own log.
type Log struct {
	Path  string     // "stdout", "stderr" or a file
	Level slog.Level // LevelTrace to LevelFatal
}

// A Listener is one address that accepts connections.
type Listener struct {
	Name    string
	Origin  string
	Address loop.Addr
	// Bind is false for a listener that is known but not opened (bind_port: false).
	Bind        bool
	IdleTimeout time.Duration // of a keep-alive connection; 0: 75 s; < 0: none
	AccessLogs  []AccessLog
	MaxConns    int // 0: 10 000; < 0: none
	// Chains take the connections that their Match is for.
	Chains []FilterChain
	// FilterChain, whose Match is empty, takes all others.
	FilterChain
}

// AutoProtocol among a listener's protocols stands for all that the first bytes of a connection tell apart.
const AutoProtocol = "Auto"

// HTTPProxy is MOSN's `proxy` network filter: it decodes a protocol and routes its requests.
type HTTPProxy struct {
	Protocols []string // "Http1" ...; several, or "Auto", are told apart by the first bytes
	// What is spoken to an upstream is the first that is set of: its route's UpstreamProtocol, its cluster's Protocol,
	// Transcode, UpstreamProtocol, and what the downstream speaks.
	UpstreamProtocol string
	Transcode        string // the protocol that a transcoder filter converts to
	Router           string // the name of a router configuration
	Forwarded        Forwarded
	ClientCert       ClientCert
	Limits           RequestLimits
	Timeouts         RequestTimeouts
	HTTP2            HTTP2Options
	Bolt             BoltOptions
	// Fallback lets the listener's TCP take the connections that none of Protocols recognises.
	Fallback bool
	Filters  []Filter // in the order in which a request meets them
}

// HTTP2Options describes a listener's HTTP/2 connections; zero means the default.
type HTTP2Options struct {
	Streams          int           // that a client may have open at once: 128
	Window           int           // bytes of one stream on the way before it is read, at first: 64 KiB
	WindowMax        int           // to which that grows while the stream is drained: 2 MiB, or Window
	PingInterval     time.Duration // silence after which the client is asked whether it is still there: never
	PingTimeout      time.Duration // for its answer: 20 s
	MaxConnectionAge time.Duration // after which the client is asked to take another connection: never
}

// BoltOptions describes a listener's Bolt connections; zero means the default.
type BoltOptions struct {
	ClassBytes       int           // of a class name: 4 KiB
	ContentBytes     int           // of the content of a frame: 16 MiB
	Calls            int           // in progress on one connection, a client's or to an upstream: 1024
	GoAway           bool          // tell clients with MOSN's goaway that a connection takes no more calls
	MaxConnectionAge time.Duration // after which a client is asked to take another connection: never
	CollectBytes     int           // of a body without an announced length that is to become a frame: 1 MiB
}

// FilterHTTP2Bolt is the Type of the filter that converts between HTTP and Bolt. A gateway in which both are spoken has it
// without being told; telling it sets its options.
const FilterHTTP2Bolt = "http2bolt"

// FilterGRPCWeb is the Type of the filter that lets browsers call gRPC services.
const FilterGRPCWeb = "grpc_web"

// A Filter sees the exchanges of a listener.
type Filter struct {
	Type   string // FilterGRPCWeb ...
	Origin string // file:line:column
	// Options is the filter's config as the document has it: nil, bool, int64, float64, string, []any and map[string]any.
	Options map[string]any
}

// Forwarded says what the gateway tells upstreams about the client. The zero value tells everything and trusts nobody.
type Forwarded struct {
	NoVia       bool
	NoXFF       bool // X-Forwarded-For
	NoXFProto   bool
	NoXFHost    bool
	Trusted     []netip.Prefix // peers whose X-Forwarded-*, Forwarded and X-Request-Id are kept
	NoRequestID bool           // do not add X-Request-Id
	ViaName     string         // pseudonym in Via; "" means "sluice"
}

// ClientCert says what upstreams are told of a client's certificate (X-Forwarded-Client-Cert). The zero value tells nothing, and
// lets nobody else tell anything.
type ClientCert struct {
	Forwarding identity.Forwarding
	Details    identity.Details
}

// RequestLimits bounds one request; zero means the default, negative none.
type RequestLimits struct {
	HeadBytes, HeadFields, RequestLine int
	Body                               int64
}

// RequestTimeouts bounds the phases of one request; zero means the default, negative none.
type RequestTimeouts struct {
	Head       time.Duration // to receive a head: 30 s
	Progress   time.Duration // body or reader without a byte moved: 60 s
	StreamIdle time.Duration // an exchange without any event: 300 s
	TunnelIdle time.Duration // an upgraded or CONNECT connection without a byte: 3600 s
}

// TCPProxy is MOSN's `tcp_proxy` network filter: bytes both ways.
type TCPProxy struct {
	Cluster     string
	IdleTimeout time.Duration // 0: none
	Routes      []TCPRoute    // the first that matches wins; none: Cluster
}

// A TCPRoute chooses a cluster by addresses.
type TCPRoute struct {
	Cluster          string
	Sources          []netip.Prefix
	Destinations     []netip.Prefix
	SourcePorts      []PortRange
	DestinationPorts []PortRange
}

// A PortRange holds both ends.
type PortRange struct{ From, To uint16 }

// An AccessLog is one destination of access log lines.
type AccessLog struct {
	Path   string // "stdout", "stderr" or a file
	Format string // MOSN's %variable% text; "" means the default; "json" means one JSON object a line
}

// Admin is the admin server.
type Admin struct {
	Address netip.AddrPort
}

// Metrics says where metrics are served, beside the admin server.
type Metrics struct {
	Sinks []PrometheusSink
	// Exclusions of MOSN's stats_matcher.
	RejectAll      bool
	ExcludedLabels []string
	ExcludedKeys   []string
}

// A PrometheusSink serves the metrics on a port of their own.
type PrometheusSink struct {
	Port            int
	Endpoint        string // "" means /metrics
	NoProcess, NoGo bool
}
