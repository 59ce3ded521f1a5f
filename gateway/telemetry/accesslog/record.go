package accesslog

import (
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// A Record is everything that a line may tell about one exchange. The stream that ends fills it; slices and headers are
// borrowed for the call that formats it. A zero field is written as "-", a number as 0.
type Record struct {
	Start time.Time // wall clock, when the first byte of the request was seen

	// Since Start; zero when it did not come to that.
	RequestReceived  time.Duration // the whole request has been received
	RequestFinished  time.Duration // the whole request has been sent upstream
	ResponseReceived time.Duration // the head of the response has been received
	Duration         time.Duration // the exchange has ended
	// Process is the part of Duration that this process was busy or waiting for itself: without the upstream's time.
	Process time.Duration

	BytesReceived uint64 // of the request's body
	BytesSent     uint64 // of the response's body

	Protocol     string            // the downstream's: "Http1"
	Request      *protocols.Header // as it was sent upstream; nil when none was decoded
	OriginalPath []byte            // the path before rewrites; nil when it is Request's
	Response     *protocols.Header // nil when there was none
	ResponseCode int
	Reason       protocols.Reason

	Listener     string
	ServerName   string // that the client asked for by TLS; "" for none
	ListenerType string // "ingress", "egress" or ""
	VirtualHost  string
	Cluster      string
	UpstreamHost string // the endpoint's host name; "" when it has none

	DownstreamLocal  loop.Addr
	DownstreamRemote loop.Addr
	UpstreamLocal    loop.Addr
	UpstreamRemote   loop.Addr

	ConnectionID         uint64
	UpstreamConnectionID uint64
	StreamID             protocols.StreamID
	RequestID            []byte // X-Request-Id
	TraceID              []byte // of the trace; nil: RequestID stands in for it
	Attempts             int    // tries upstream: 2 after one retry
}
