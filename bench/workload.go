package main

import "strconv"

// kind is how a workload is measured.
type kind int

const (
	closedLoop kind = iota // every connection sends its next request when it has its answer: capacity, CPU per request
	openLoop               // requests arrive on a fixed schedule: latency
	idleHold               // connections that have served a request do nothing: memory
)

func (k kind) String() string {
	return [...]string{"closed loop", "open loop", "idle"}[k]
}

// A workload is one kind of work. To add one, add it to workloads().
type workload struct {
	name, about string
	kind        kind
	connections int
	path        string  // of the backend
	answer      int     // bytes of body in every answer
	body        int     // bytes of body in every request; 0: GET
	load        float64 // open loop: the offered rate, as a part of the rival's saturation under the tiny workload
}

const tiny = "tiny"

// workloads are all that can be run, in this order.
func workloads() []workload {
	return []workload{
		{name: tiny, about: "GET, answers of 200 bytes", kind: closedLoop, connections: 64, path: "/tiny", answer: 64},
		{name: "16k", about: "GET, answers of 16 KiB", kind: closedLoop, connections: 64, path: "/16k", answer: 16 << 10},
		{name: "post4k", about: "POST of 4 KiB, answers of 200 bytes", kind: closedLoop, connections: 64, path: "/tiny", answer: 64, body: 4 << 10},
		{name: "open", about: "GET at a fixed rate, answers of 200 bytes", kind: openLoop, connections: 64, path: "/tiny", answer: 64, load: 0.5},
		{name: "idle", about: "keep-alive connections that have served one request each", kind: idleHold, connections: 8000, path: "/tiny", answer: 64},
	}
}

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
