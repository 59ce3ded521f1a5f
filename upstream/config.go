package upstream

import (
	"net/netip"
	"time"
)

// A ClusterConfig describes a cluster as a configuration front end writes it down.
type ClusterConfig struct {
	Name      string
	Origin    string // file:line:column, for error messages
	Discovery Discovery
	Policy    Policy
	Choices   int // least-request: how many endpoints compete; 0 means 2
	Hosts     []HostConfig
	Subsets   *SubsetConfig // nil: requests go to any of them

	ConnectTimeout time.Duration // 0: 10 s
	IdleTimeout    time.Duration // of a pooled connection; 0: 4 s, less than most servers keep, or 60 s if multiplexed; < 0 none
	Limits         ClusterLimits
	Source         netip.Addr // local address to connect from
	Mark           int        // SO_MARK

	// Protocol is spoken to the endpoints, as configurations name it ("Http2"); "": the listener's or the downstream's. A
	// route may say otherwise.
	Protocol string
	// MaxConnectionAge is how long a connection takes new requests, 10 % more or less; it ends with the last of them. 0: as
	// long as it lasts.
	MaxConnectionAge time.Duration
	Multiplex        MultiplexConfig // of connections that carry many requests at once
	TLS              *TLSConfig      // nil: plaintext

	DNS DNSConfig
}

// MultiplexConfig describes the connections of a multiplexed protocol.
type MultiplexConfig struct {
	MaxStreams   int           // requests in flight on one connection; 0: as many as the endpoint allows
	PingInterval time.Duration // silence after which the endpoint is asked whether it is still there; 0: never
	PingTimeout  time.Duration // for its answer; 0: 20 s
}

// Discovery says how the hosts of a cluster become endpoints.
type Discovery uint8

// The kinds of discovery.
const (
	// Static: hosts are addresses; a host name is resolved like in DNS.
	Static Discovery = iota
	// DNS: every host name stands for all of its addresses, resolved again and again.
	DNS
)

// Policy is a load-balancing policy.
type Policy uint8

// The policies that exist so far.
const (
	RoundRobin Policy = iota
	Random
	WeightedRoundRobin
	LeastRequest
)

func (p Policy) String() string {
	switch p {
	case RoundRobin:
		return "round_robin"
	case Random:
		return "random"
	case WeightedRoundRobin:
		return "weighted_round_robin"
	case LeastRequest:
		return "least_request"
	}
	return "unknown"
}

// A HostConfig is one host of a cluster.
type HostConfig struct {
	Origin   string
	Address  string // "10.0.0.1:80", "[::1]:80", "name:80" or "unix:/path"
	Hostname string // for auto host rewrite and logs; "" means the name in Address
	Weight   uint32 // clamped to 1..128; 0 means 1
	Metadata map[string]string
	// TLSDisable: it is spoken to in plaintext although its cluster has TLS.
	TLSDisable bool
}

// ClusterLimits bounds a cluster, over all loops. Zero means no limit, but for Pending.
type ClusterLimits struct {
	Connections int // max_connections, per endpoint
	Requests    int // max_requests in flight, per cluster
	Retries     int // max_retries in flight, per cluster
	// Pending is max_pending_requests: those in flight that wait for a connection, or for a stream on one, per cluster. 0: 1024
	// on each loop for each endpoint, 8192 where connections are multiplexed.
	Pending int
}

// DNSConfig says how names are resolved. What is zero comes from File, or has resolv.conf's defaults.
type DNSConfig struct {
	Refresh    time.Duration // 0: 5 s
	RespectTTL bool          // look again when the answer's time to live has passed (and 1 s), instead of every Refresh
	IPv6       bool          // prefer V6_ONLY; default V4_ONLY, as MOSN
	Servers    []string      // addresses, each with or without a port
	Search     []string
	Port       string        // of Servers without one; "": 53
	File       string        // resolv.conf, read again when it changes; "": /etc/resolv.conf
	Ndots      int           // a name with fewer dots is tried with Search first; 0: 1
	Timeout    time.Duration // of one query; 0: 5 s
	Attempts   int           // rounds over Servers; 0: 2
}
