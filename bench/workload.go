package main

import (
	"fmt"
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
)

func (w wire) String() string { return [...]string{"http1", "http2"}[w] }

// A link is what a proxy speaks on both sides.
type link struct{ down, up wire }

// A workload is one kind of work. To add one, add it to workloads().
type workload struct {
	name, about string
	kind        kind
	link        link
	connections int
	streams     int     // HTTP/2: requests in flight on each connection
	path        string  // of the backend
	answer      int     // bytes of body in every answer
	body        int     // bytes of body in every request; 0: GET
	load        float64 // open loop: the offered rate, as a part of the rival's saturation under the tiny workload
	bulk        bool    // what counts is bytes: the report says how many a second of CPU moves
	rivals      []string
}

const tiny = "tiny"

// The HTTP/2 workloads. Their names are those of the links, with what differs from 32 connections x 32 streams.
const (
	h2h1, h2h1One, h2h1Bulk = "h2-h1", "h2-h1-one", "h2-h1-1m"
	h2h2, h2h2One, h2h2Bulk = "h2-h2", "h2-h2-one", "h2-h2-1m"
)

// workloads are all that can be run, in this order. Neighbours with the same link share their proxies.
func workloads() []workload {
	all := []workload{
		{name: tiny, about: "GET, answers of 200 bytes", kind: closedLoop, connections: 64, path: "/tiny", answer: 64},
		{name: "16k", about: "GET, answers of 16 KiB", kind: closedLoop, connections: 64, path: "/16k", answer: 16 << 10},
		{name: "post4k", about: "POST of 4 KiB, answers of 200 bytes", kind: closedLoop, connections: 64, path: "/tiny", answer: 64, body: 4 << 10},
		{name: "open", about: "GET at a fixed rate, answers of 200 bytes", kind: openLoop, connections: 64, path: "/tiny", answer: 64, load: 0.5},
		{name: "idle", about: "keep-alive connections that have served one request each", kind: idleHold, connections: 8000, path: "/tiny", answer: 64},
	}
	for i := range all {
		all[i].rivals = []string{rival}
	}
	return append(all, http2Workloads()...)
}

// http2Workloads are the same three against both kinds of backend.
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
		big.path, big.answer, big.bulk = "/1m", 1<<20, true
		all = append(all, many, one, big)
	}
	return all
}

// shape is how many connections, and streams on them, a workload has.
func (w workload) shape() string {
	if w.streams > 0 {
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
		"--gate", "--port", strconv.Itoa(port), "--path", w.path, "--connections", strconv.Itoa(w.connections),
		"--answer", strconv.Itoa(w.answer), "--body", strconv.Itoa(w.body),
	}
	if w.kind == idleHold {
		args = append(args, "--hold")
	}
	return args
}
