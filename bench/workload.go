package main

import (
	"fmt"
	"slices"
	"strconv"
)

// kind is how a workload is measured.
type kind int

const (
	closedLoop kind = iota // every connection (or stream) sends its next request when it has its answer: capacity, CPU per request
	openLoop               // requests arrive on a fixed schedule: latency
	idleHold               // connections that have served a request do nothing: memory
)

func (k kind) String() string {
	return [...]string{"closed loop", "open loop", "idle"}[k]
}

// wire is what one side of a proxy speaks.
type wire int

const (
	http1 wire = iota
	http2      // with prior knowledge
	grpc       // HTTP/2 that carries gRPC
	tcp        // bytes; the load is HTTP/1, which the proxy does not look at
	bolt       // SOFABolt, both versions
)

func (w wire) String() string { return [...]string{"http1", "http2", "grpc", "tcp", "bolt"}[w] }

// A link is what a proxy speaks on both sides.
type link struct{ down, up wire }

// A workload is one kind of work. To add one, add it to workloads().
type workload struct {
	name, about string
	kind        kind
	link        link
	connections int
	streams     int     // HTTP/2 and Bolt: requests in flight on each connection
	path        string  // of the backend
	answer      int     // bytes of body in every answer
	body        int     // bytes of body in every request; 0: GET
	fields      int     // header fields in every request, beside the usual ones
	workers     int     // of the proxy; 0: one
	scale       bool    // measured in the same rounds as its neighbours that scale, each with proxies of its own
	routes      int     // how many the proxy chooses from; 0: one for everything
	held        int     // connections that stay idle beside those that work
	paths       int     // HTTP/2: how many are asked for, path and six digits, beside more header fields; 0: the path itself
	fresh       bool    // a new connection for every request
	tls         string  // the version of TLS that clients speak; "": none
	storm       int     // full handshakes a second beside the requests
	handshake   bool    // a request is a connection: a handshake, and its end
	resume      bool    // ... that resumes the session of the one before
	streaming   bool    // gRPC: a request is a message on a long stream, and its answer the echo
	websocket   bool    // a request is a message of body bytes, and its answer the echo
	mixed       bool    // Bolt: every second call is of version 2, with a CRC32
	load        float64 // open loop: the offered rate, as a part of a peer's saturation ...
	under       string  // ... under this workload ...
	own         bool    // ... of each peer's own; otherwise of the standard's
	quick       bool    // part of --quick
	bulk        bool    // what counts is bytes: the report says how many a second of CPU moves
	rivals      []string
}

const (
	tiny          = "tiny"
	scaleApart    = "scale-apart"    // two processes that have one worker each and share nothing
	scaleTogether = "scale-together" // one process that has two workers
	idle          = "idle"
)

// The HTTP/2 workloads. Their names are those of the links, with what differs from 32 connections x 32 streams.
const (
	h2h1, h2h1One, h2h1Bulk = "h2-h1", "h2-h1-one", "h2-h1-1m"
	h2h2, h2h2One, h2h2Bulk = "h2-h2", "h2-h2-one", "h2-h2-1m"
	grpcUnary, grpcStream   = "grpc", "grpc-stream"
	h2h1Paths, h2Idle       = "h2-h1-paths", "idle-h2"
)

// The Bolt workloads.
const (
	boltOne, boltMany, boltMixed = "bolt", "bolt-16", "bolt-16-mixed"
	boltOpen, boltIdle           = "bolt-open", "idle-bolt"
)

// The workloads over TLS: P-256 ECDSA, AES-128-GCM, X25519; TLS 1.3 unless their name says otherwise.
const (
	https, httpsBulk, httpsUpload = "https", "https-1m", "https-post1m"
	httpsH2                       = "https-h2"
	tls13Full, tls13Resumed       = "tls13-full", "tls13-resumed"
	tls12Full, tls12Resumed       = "tls12-full", "tls12-resumed"
	tlsIdle, tlsIdleUpload        = "idle-tls", "idle-tls-upload"
)

// workloads are all that can be run, in this order. Neighbours that agree in what the proxies are configured for share them.
func workloads() []workload {
	return slices.Concat(http1Workloads(), openWorkloads(), specialWorkloads(), http2Workloads(), boltWorkloads(), tlsWorkloads(), stormWorkloads())
}

func http1Workloads() []workload {
	base := workload{kind: closedLoop, connections: 64, path: "/tiny", answer: 64, rivals: []string{rival, "haproxy"}}
	all := make([]workload, 0, 9)
	add := func(name, about string, set func(w *workload)) {
		w := base
		w.name, w.about = name, about
		set(&w)
		all = append(all, w)
	}
	add(tiny, "GET, answers of 200 bytes", func(w *workload) { w.quick = true })
	add("1k", "GET, answers of 1 KiB", func(w *workload) { w.path, w.answer = "/1k", 1<<10 })
	add("16k", "GET, answers of 16 KiB", func(w *workload) { w.path, w.answer = "/16k", 16<<10 })
	add("1m", "GET, answers of 1 MiB", func(w *workload) { w.path, w.answer, w.connections, w.bulk = "/1m", 1<<20, 16, true })
	add("post4k", "POST of 4 KiB, answers of 200 bytes", func(w *workload) { w.body = 4 << 10 })
	add("post1m", "POST of 1 MiB, answers of 200 bytes", func(w *workload) { w.body, w.connections, w.bulk = 1<<20, 16, true })
	add("fields50", "GET with 50 more header fields", func(w *workload) { w.fields = 50 })
	add("new", "GET, a new connection for each", func(w *workload) { w.fresh = true })
	return all
}

// openWorkloads offer requests on a schedule: one the same rate to all, the others to each peer a part of what it can do.
func openWorkloads() []workload {
	base := workload{
		name: "open", about: "GET at a fixed rate, answers of 200 bytes", kind: openLoop, connections: 64, path: "/tiny", answer: 64,
		load: 0.5, under: tiny, rivals: []string{rival},
	}
	all := []workload{base}
	for _, part := range []int{25, 50, 75, 90} {
		w := base
		w.name, w.about = fmt.Sprintf("load%d", part), fmt.Sprintf("GET at %d %% of each peer's own saturation, answers of 200 bytes", part)
		w.own, w.load, w.quick = true, float64(part)/100, part == 50
		all = append(all, w)
	}
	return all
}

// specialWorkloads need proxies of their own.
func specialWorkloads() []workload {
	base := workload{kind: closedLoop, connections: 64, path: "/tiny", answer: 64, rivals: []string{rival, "haproxy"}}
	apart, two, crowd, routes, sockets, bytes, held := base, base, base, base, base, base, base
	apart.name, apart.about, apart.scale = scaleApart, "GET, answers of 200 bytes, two processes with one worker each, 64 connections to each", true
	two.name, two.about, two.scale, two.workers = scaleTogether, "GET, answers of 200 bytes, one process with two workers, twice 64 connections", true, 2
	crowd.name, crowd.about, crowd.held = "crowd", "GET beside 8000 idle connections", 8000
	routes.name, routes.about, routes.routes, routes.path = "routes100k", "GET, 100 000 routes by path", 100000, "/r/"
	sockets.name, sockets.about, sockets.websocket, sockets.body = "websocket", "WebSocket, echo of messages of 100 bytes", true, 100
	bytes.name, bytes.about, bytes.link, bytes.rivals = "tcp", "TCP, 250 bytes there and 200 back", link{tcp, tcp}, []string{"haproxy"}
	held.name, held.about = idle, "keep-alive connections that have served one request each"
	held.kind, held.connections, held.quick = idleHold, 8000, true
	return []workload{apart, two, crowd, routes, sockets, bytes, held}
}

// http2Workloads are the same three against both kinds of backend, and gRPC.
func http2Workloads() []workload {
	var all []workload
	for _, side := range []struct {
		up             wire
		about          string
		many, one, big string
		rivals         []string
	}{
		{http1, "HTTP/2 to HTTP/1", h2h1, h2h1One, h2h1Bulk, []string{"nghttpx", "haproxy", rival}},
		{http2, "HTTP/2 to HTTP/2", h2h2, h2h2One, h2h2Bulk, []string{"nghttpx", "haproxy"}},
	} {
		base := workload{kind: closedLoop, link: link{http2, side.up}, path: "/128", answer: 128, rivals: side.rivals}
		many, one, big := base, base, base
		many.name, many.about, many.connections, many.streams = side.many, side.about+", GET, answers of 128 bytes", 32, 32
		one.name, one.about, one.connections, one.streams = side.one, side.about+", GET, answers of 128 bytes", 1, 100
		big.name, big.about, big.connections, big.streams = side.big, side.about+", GET, answers of 1 MiB", 8, 4
		many.quick = true
		big.path, big.answer, big.bulk = "/1m", 1<<20, true
		all = append(all, many, one, big)
	}
	paths, held := all[0], all[0]
	paths.name, paths.about, paths.quick = h2h1Paths, "HTTP/2 to HTTP/1, GET of 1000 paths, with a cookie and what browsers send, answers of 64 bytes", false
	paths.paths, paths.path, paths.answer = 1000, "/r/", 64
	held.name, held.about, held.quick = h2Idle, "HTTP/2 connections that have served one request each", false
	held.kind, held.connections, held.streams = idleHold, 8000, 0
	call := workload{
		name: grpcUnary, about: "gRPC, unary calls, messages of 64 bytes there and 128 back", kind: closedLoop, link: link{http2, grpc},
		connections: 32, streams: 32, path: "/bench.Bench/Call", answer: 128, body: 64, rivals: []string{"nghttpx", "haproxy", rival},
	}
	stream := call
	stream.name, stream.about, stream.streaming = grpcStream, "gRPC, messages of 128 bytes and their echoes on streams that stay", true
	stream.path, stream.body = "/bench.Bench/Stream", 128
	return append(all, paths, held, call, stream)
}

// boltWorkloads compare with moving the bytes of connections one to one; a gateway shares one upstream connection.
func boltWorkloads() []workload {
	base := workload{
		kind: closedLoop, link: link{bolt, bolt}, connections: 64, streams: 1, body: 128, answer: 128, rivals: []string{"haproxy", "mosn"},
	}
	one, many, mixed, open, held := base, base, base, base, base
	one.name, one.about, one.quick = boltOne, "Bolt, version 1, content of 128 bytes both ways", true
	many.name, many.about, many.streams = boltMany, one.about, 16
	mixed.name, mixed.about, mixed.streams, mixed.mixed = boltMixed, "Bolt, every second call of version 2 with a CRC32", 16, true
	open.name, open.about, open.kind = boltOpen, "Bolt at a fixed rate, version 1, content of 128 bytes both ways", openLoop
	open.streams, open.load, open.under = 16, 0.5, boltOne
	held.name, held.about, held.kind, held.connections = boltIdle, "Bolt connections that have served one call each", idleHold, 8000
	return []workload{one, many, mixed, open, held}
}

// tlsWorkloads are HTTP/1 and HTTP/2 over TLS, and handshakes alone.
func tlsWorkloads() []workload {
	base := workload{kind: closedLoop, tls: tls13, connections: 64, path: "/tiny", answer: 64, rivals: []string{rival, "haproxy"}}
	one, big, upload := base, base, base
	one.name, one.about, one.quick = https, "HTTPS/1 to HTTP/1, GET, answers of 200 bytes", true
	big.name, big.about, big.path, big.answer, big.connections, big.bulk = httpsBulk, "HTTPS/1 to HTTP/1, GET, answers of 1 MiB", "/1m", 1<<20, 16, true
	upload.name, upload.about, upload.body, upload.connections, upload.bulk = httpsUpload, "HTTPS/1 to HTTP/1, POST of 1 MiB, answers of 200 bytes", 1<<20, 16, true
	all := []workload{one, big, upload}
	for _, h := range []struct {
		name, about, version string
		resume               bool
	}{
		{tls13Full, "full handshakes of TLS 1.3", tls13, false}, {tls13Resumed, "resumed handshakes of TLS 1.3", tls13, true},
		{tls12Full, "full handshakes of TLS 1.2", tls12, false}, {tls12Resumed, "resumed handshakes of TLS 1.2", tls12, true},
	} {
		w := base
		w.name, w.about, w.tls, w.handshake, w.resume, w.connections, w.answer = h.name, h.about, h.version, true, h.resume, 64, 0
		all = append(all, w)
	}
	held, many := base, base
	held.name, held.about, held.kind, held.connections = tlsIdle, "HTTPS/1 connections that have served one request each", idleHold, 8000
	heldUpload := held
	heldUpload.name, heldUpload.about, heldUpload.body = tlsIdleUpload, "HTTPS/1 connections that have taken one upload of 16 KiB each", 16<<10
	many.name, many.about, many.link, many.quick = httpsH2, "HTTPS/2 to HTTP/1, GET, answers of 128 bytes", link{http2, http1}, true
	many.connections, many.streams, many.path, many.answer, many.rivals = 32, 32, "/128", 128, []string{"nghttpx", "haproxy", rival}
	return append(all, held, heldUpload, many)
}

// standard is the peer whose saturation and latencies are the measure of others: the rival, where it can do the workload.
func (w workload) standard() string {
	if slices.Contains(w.rivals, rival) {
		return rival
	}
	return floor
}

// shape is how many connections, and streams on them, a workload has.
func (w workload) shape() string {
	switch {
	case w.handshake:
		return fmt.Sprintf("%d at a time", w.connections)
	case w.link.down == bolt && w.kind != idleHold:
		return fmt.Sprintf("%d connections x %d calls", w.connections, w.streams)
	case w.link.down != bolt && w.streams > 0:
		return fmt.Sprintf("%d x %d streams", w.connections, w.streams)
	}
	return fmt.Sprintf("%d connections", w.connections)
}

// inFlight is how many requests a closed loop keeps in flight.
func (w workload) inFlight() int { return w.connections * max(1, w.streams) }

// bases are the peers that the report gives ratios to.
func (w workload) bases() []string { return append([]string{floor}, w.rivals...) }

// args are the load generator's options for a workload.
func (w workload) args(port int) []string {
	args := []string{
		"--gate", "--port", strconv.Itoa(port), "--connections", strconv.Itoa(w.connections),
		"--answer", strconv.Itoa(w.answer), "--body", strconv.Itoa(w.body),
	}
	if w.link.down == bolt {
		args = append(args, "--calls", strconv.Itoa(w.streams))
	} else {
		args = append(args, "--path", w.path)
	}
	if w.mixed {
		args = append(args, "--mixed")
	}
	if w.fields > 0 {
		args = append(args, "--fields", strconv.Itoa(w.fields))
	}
	if w.routes > 0 {
		args = append(args, "--routes", strconv.Itoa(w.routes))
	}
	if w.websocket {
		args = append(args, "--websocket")
	}
	if w.fresh {
		args = append(args, "--fresh")
	}
	if w.kind == idleHold {
		args = append(args, "--hold")
	}
	return args
}

// holding is the load that only keeps a workload's idle connections open.
func (w workload) holding() workload {
	return workload{name: w.name, kind: idleHold, connections: w.held, path: "/tiny", answer: 64}
}

// byH2load tells whether the load comes from h2load.
func (w workload) byH2load() bool { return w.link.down == http2 && !w.streaming }

// moved is how many bytes of bodies a request moves.
func (w workload) moved() int { return w.answer + w.body }
