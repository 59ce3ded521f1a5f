// Command bench compares Sluice with other proxies, and with the least that moving bytes can cost, on one machine.
//
// # Usage
//
//	make bench                                  # everything: 40 minutes with five peers, 100 with nine
//	go run ./bench --quick                      # the main rows in two minutes, less certain
//	go run ./bench --workload tiny --peer sluice,forwarder,nginx
//	go run ./bench --save                       # also writes bench/results/<date>.{json,md}
//	go run ./bench --workload tiny --peer sluice --profile cpu.pprof
//	go run ./bench --workload h2-h1,h2-h2       # HTTP/2 in front of both kinds of backend
//	go run ./bench --workload bolt,bolt-16      # Bolt against moving the bytes of its connections one to one
//	go run ./bench --workload https,https-h2,tls13-full # TLS; a request of tls13-full is a connection and its handshake
//	go run ./bench --workload tls-calm,tls-storm --rounds 3 --seconds 20 # what 500 handshakes a second do to other requests
//	make bench-guard                            # a minute: allocations, system calls and CPU ratios against guard.json
//	make bench-peers                            # install the other proxies, those that can be had
//
// # Method
//
// The proxy under measurement is alone on one CPU; the load generator, the backend and this program share another.
// Rounds are interleaved (A B C A B C ...), and what is reported is the median over rounds, of the ratios as well: each
// ratio is taken within one round, because rates drift over minutes and ratios do not.
//
// CPU per request is the kernel's own account of the proxy's processes: the scheduler's run time, in nanoseconds, of all
// threads alive and ended (clock_gettime on the process's CPU clock, what /proc/PID/schedstat shows per thread). The load
// generator stops at a gate before and after each measurement, with nothing in flight, so the account is read for
// exactly the requests that were counted. The split into user and system time is the kernel's sampling at each tick
// (4 ms at 250 Hz) scaled to that total; it is only as good as the number of ticks, so user time is summed over all rounds.
//
// HTTP/2 load comes from h2load, which has no gate: the books are read before it starts and after it has ended, and it makes a
// fixed number of requests. Its answers are checked by status, number and bytes. Messages on gRPC streams come from streamload, which
// has a gate.
//
// Over TLS everybody speaks AES-128-GCM-SHA256 with a P-256 ECDSA certificate that a run makes for itself, and verifies it.
// In the workloads of handshakes a request is a connection: handshake, close_notify, FIN, and the server's end of it. That
// each of them was full, or resumed, is what the server has said; anything else is a wrong answer.
//
// Bolt's open loop is at half of what the forwarder does under the closed one, and HAProxy takes part in Bolt as a TCP proxy.
//
// Every other answer's status, length and bytes are checked. Time that others spent on the proxy's CPU is measured and shown: a
// run on a busy machine says so itself.
//
// # Code map
//
// forwarder/, backend/, http2backend/, load/, streamload/, handshake/, boltbackend/ and boltload/ are C, compiled at run time, with
// what they share in common/. peers/ has the configurations. peers.go and workload.go are the two tables to extend; runner.go goes through them; account.go reads the kernel's books; summary.go and
// targets.go judge; report.go prints; page.go and plots.go draw; guard.go compares with what the tree holds.
package main
