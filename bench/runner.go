package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A bench is one run of the harness.
type bench struct {
	options     options
	shop        *workshop
	launch      *launcher
	loadBinary  string
	backendPort int // of the HTTP/1 backend
	// The same for Bolt.
	boltLoadBinary string
	boltPort       int
	// What proxies show to clients that speak TLS, and the generators that do.
	identity                       *identity
	tlsLoadBinary, handshakeBinary string
	streamLoadBinary               string
	// The HTTP/2 load generator, and its backends by the size of their answers.
	h2loadBinary string
	http2Ports   map[http2Answer]int
	rates        map[rateKey]float64   // what h2load found out so far
	probed       map[rateKey][]float64 // rates under closed loops, of peers that they were not run for
	report       *report
	skipped      []string // by the guard
	// Progress: measurements done and to do, and since when.
	done, all int
	began     time.Time
}

// A contestant is a peer of this run, with its binary.
type contestant struct {
	peer
	binary string
	under  []string // a command that runs it (strace and its options); usually none
}

// command is the contestant's command line.
func (c contestant) command(s setup) *exec.Cmd {
	line := append(slices.Clone(c.under), c.binary)
	line = append(line, c.args(s)...)
	return exec.Command(line[0], line[1:]...)
}

// A proxy is a running contestant.
type proxy struct {
	contestant
	setup   setup
	process *process
	family  []int // its processes
	// A second process of the same peer, which shares the work; nil for all but the workload that compares it with a second worker.
	twin *proxy
}

// A sample is what one peer did in one round of one workload.
type sample struct {
	Peer     string     `json:"peer"`
	Workload string     `json:"workload"`
	Round    int        `json:"round"`
	Rate     float64    `json:"offered_rate,omitempty"`
	CPU      float64    `json:"cpu_us"` // per request; microseconds
	User     float64    `json:"user_us"`
	System   float64    `json:"system_us"`
	PerSec   float64    `json:"requests_per_second"`
	Switches float64    `json:"sleeps_per_request"`
	Busy     float64    `json:"proxy_cpu_busy"`   // part of the time that the proxy worked
	Foreign  float64    `json:"proxy_cpu_others"` // part of the time that others had the proxy's CPU
	Memory   memory     `json:"memory"`
	Load     loadResult `json:"load"`
}

// run measures everything that the options ask for.
func (b *bench) run(ctx context.Context) error {
	contestants, err := b.findPeers(ctx)
	if err != nil {
		return err
	}
	if err := b.startBackend(ctx); err != nil {
		return err
	}
	if err := errors.Join(b.prepareHTTP2(ctx), b.prepareStreams(ctx), b.prepareBolt(ctx), b.prepareTLS(ctx)); err != nil {
		return err
	}
	// From here on this program must not disturb the proxy. (What it has built so far, it built on all CPUs.)
	if err := pinSelf(b.options.loadCPU); err != nil {
		return err
	}
	b.plan(contestants)
	if err := b.rounds(ctx, contestants); err != nil {
		return err
	}
	for _, w := range b.options.workloads {
		if w.kind == idleHold {
			if err := b.holdAll(ctx, thatDo(contestants, b.deploymentFor(w)), w); err != nil {
				return err
			}
		}
	}
	return b.syscalls(ctx, thatDo(contestants, deployment{}))
}

// findPeers locates, installs or builds the chosen peers. Only those of others may be missing.
func (b *bench) findPeers(ctx context.Context) ([]contestant, error) {
	var found []contestant
	for _, p := range b.options.peers {
		binary, err := p.find(ctx, b)
		if errors.Is(err, errSkip) {
			b.report.Skipped = append(b.report.Skipped, p.name+": "+err.Error())
			b.shop.progress("%s %v", p.name, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w (leave it out with --peer)", p.name, err)
		}
		found = append(found, contestant{peer: p, binary: binary})
		b.report.Peers = append(b.report.Peers, peerInfo{Name: p.name, About: p.about, Version: p.versionOf(ctx, binary)})
	}
	if len(found) == 0 {
		return nil, errors.New("no peer to measure")
	}
	return found, nil
}

// plan counts the measurements, for the progress shown.
func (b *bench) plan(contestants []contestant) {
	b.began = time.Now()
	for _, w := range b.options.workloads {
		able := len(thatDo(contestants, b.deploymentFor(w)))
		switch {
		case w.kind == idleHold:
			b.all += able
		case w.name == tiny: // and its system calls
			b.all += (b.options.rounds + 1) * able
		default:
			b.all += b.options.rounds * able
		}
	}
}

// thatDo are the contestants that can do a workload.
func thatDo(contestants []contestant, d deployment) []contestant {
	return slices.DeleteFunc(slices.Clone(contestants), func(c contestant) bool { return !c.does(d) })
}

func (b *bench) step(format string, args ...any) {
	const width = 20
	b.done++
	done := min(b.done, b.all)
	bar := strings.Repeat("#", width*done/max(1, b.all))
	left := time.Duration(float64(time.Since(b.began)) / float64(b.done) * float64(b.all-done)).Round(time.Second)
	b.shop.progress("[%-*s] %d/%d, %v left: %s", width, bar, done, b.all, left, fmt.Sprintf(format, args...))
}

// A deployment is what a proxy is configured for. Workloads that agree in it share their proxies.
type deployment struct {
	link        link
	backend     int  // the port of the backend
	workers     int  // 0: one
	scale       bool // for the comparison of one worker with two
	routes      int  // that it chooses from
	tls         bool // clients speak TLS
	websocket   bool
	streaming   bool
	held        int // idle connections beside those that work
	connections int // that it must be able to hold, at most
}

// shares tells whether two workloads can have the same proxies.
func (d deployment) shares(e deployment) bool {
	d.connections, e.connections = 0, 0
	return d == e
}

// deploymentFor a workload; its backend runs already.
func (b *bench) deploymentFor(w workload) deployment {
	d := deployment{
		link: w.link, backend: b.backendPort, workers: w.workers, scale: w.scale, routes: w.routes, websocket: w.websocket, streaming: w.streaming, held: w.held,
		tls:         w.tls != "",
		connections: w.inFlight() + w.held,
	}
	switch w.link.up {
	case http1, tcp: // both answered by the HTTP/1 backend
	case bolt:
		d.backend = b.boltPort
	case http2, grpc:
		d.backend = b.http2Ports[w.http2Answer()]
	}
	return d
}

// startProxy starts a contestant on the proxy's CPU and returns when it answers.
func (b *bench) startProxy(ctx context.Context, c contestant, d deployment) (*proxy, error) {
	listen, errListen := freePort()
	admin, errAdmin := freePort()
	if err := errors.Join(errListen, errAdmin); err != nil {
		return nil, err
	}
	s := setup{
		Listen: listen, Backend: d.backend, Admin: admin, Workers: max(1, d.workers), Down: d.link.down.String(), Up: d.link.up.String(), Routes: d.routes,
		WebSocket: d.websocket, Streaming: d.streaming,
		Connections: d.connections + spareConnections, Files: filesFor(d.connections), Buffer: "24k",
	}
	if d.tls {
		s.TLS, s.Certificate, s.Key, s.Both = true, b.identity.certificate, b.identity.key, b.identity.both
	}
	if d.link.up == grpc {
		s.Up, s.GRPC = http2.String(), true
	}
	s, err := c.prepare(b.shop, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	cpus := b.options.proxyCPUs(s.Workers)
	if d.scale {
		cpus = b.options.proxyCPUs(2)
	}
	p, err := b.launch.startOn(c.name, cpus, s.Dir+"/output", c.command(s))
	if err != nil {
		return nil, err
	}
	path := "/tiny" // which Bolt has no use for
	if d.routes > 0 {
		path = fmt.Sprintf("/r/%06d", d.routes-1)
	}
	speaks := d.link.down
	if d.link.up == grpc {
		speaks = grpc
	}
	asks := asking{port: listen, speaks: speaks, path: path}
	if d.tls {
		asks.roots = b.identity.roots
	}
	if err := answers(ctx, p, asks); err != nil {
		b.launch.stop(p)
		return nil, err
	}
	family, err := familyOf(p.pid)
	return &proxy{contestant: c, setup: s, process: p, family: family}, err
}

const spareConnections = 512

// filesFor is how many descriptors a proxy needs: a client and an upstream connection each, and some of its own.
func filesFor(connections int) int { return 2*connections + 2*spareConnections }

// rounds measures all workloads that come in rounds: A B C A B C ... per workload.
func (b *bench) rounds(ctx context.Context, contestants []contestant) error {
	var left []workload
	for _, w := range b.options.workloads {
		if w.kind != idleHold {
			left = append(left, w)
		}
	}
	for len(left) > 0 {
		n, most := 1, b.deploymentFor(left[0])
		for left[0].scale && n < len(left) && left[n].scale {
			n++
		}
		if left[0].scale {
			if err := b.scaled(ctx, contestants, left[:n]); err != nil {
				return err
			}
			left = left[n:]
			continue
		}
		for ; n < len(left); n++ {
			d := b.deploymentFor(left[n])
			if !d.shares(most) {
				break
			}
			most.connections = max(most.connections, d.connections)
		}
		if err := b.deployed(ctx, thatDo(contestants, most), most, left[:n]); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}

// deployed runs workloads that share their proxies.
func (b *bench) deployed(ctx context.Context, contestants []contestant, d deployment, ws []workload) error {
	proxies, err := b.startProxies(ctx, contestants, d, ws)
	defer b.stopProxies(proxies)
	if err != nil {
		return err
	}
	for _, w := range ws {
		if err := b.workload(ctx, proxies, w); err != nil {
			return err
		}
	}
	return nil
}

// startProxies starts those that can be started. The caller stops them, even after an error.
func (b *bench) startProxies(ctx context.Context, contestants []contestant, d deployment, ws []workload) ([]*proxy, error) {
	var proxies []*proxy
	for _, c := range contestants {
		p, err := b.startProxy(ctx, c, d)
		if ctx.Err() != nil {
			return proxies, context.Cause(ctx)
		}
		if err != nil { // an hour of measurements is not lost for one peer
			b.report.Skipped = append(b.report.Skipped, fmt.Sprintf("%s under %s: %v", c.name, namesOf(ws, workloadName), err))
			b.shop.progress("%v", err)
			continue
		}
		proxies = append(proxies, p)
	}
	return proxies, nil
}

func (b *bench) stopProxies(proxies []*proxy) {
	for _, p := range proxies {
		b.launch.stop(p.process)
	}
}

func (b *bench) workload(ctx context.Context, proxies []*proxy, w workload) error {
	rates, err := b.offeredRates(ctx, proxies, w)
	if err != nil {
		return err
	}
	release, err := b.holdIdle(ctx, proxies, w)
	defer release()
	if err != nil {
		return err
	}
	for round := range b.options.rounds {
		for _, p := range proxies {
			if err := b.once(ctx, p, w, round, rates[p.name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// once adds the sample of one peer in one round to the report.
func (b *bench) once(ctx context.Context, p *proxy, w workload, round int, rate float64) error {
	finishProfile, err := b.profile(ctx, p, w, round)
	if err != nil {
		return err
	}
	s, err := b.measure(ctx, p, w, round, rate)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		b.report.Wrong = append(b.report.Wrong, err.Error())
		b.shop.progress("%v", err)
	}
	if err := finishProfile(); err != nil || s.Load.Requests == 0 {
		return err
	}
	b.report.Samples = append(b.report.Samples, s)
	b.step("%s round %d/%d %s: %.1f us/request, %.0f requests/s, mean latency %s", w.name, round+1, b.options.rounds, p.name,
		s.CPU, s.PerSec, time.Duration(s.Load.Latency.Mean).Round(time.Microsecond))
	return nil
}

// measure runs one workload once against one proxy.
func (b *bench) measure(ctx context.Context, p *proxy, w workload, round int, rate float64) (sample, error) {
	s := sample{Peer: p.name, Workload: w.name, Round: round, Rate: rate}
	limit := b.options.warmup + b.options.seconds + 60
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(limit*float64(time.Second)),
		fmt.Errorf("%s under %s took longer than %.0f s", p.name, w.name, limit))
	defer cancel()
	work, done, err := b.arm(ctx, p, w, rate)
	if err != nil {
		return s, fmt.Errorf("%s under %s: %w: %s", p.name, w.name, err, p.process.lastWords())
	}
	defer done()
	used, busy, wall, err := b.account(p.pids(), func() error {
		s.Load, err = work()
		return err
	})
	if err != nil {
		return s, fmt.Errorf("%s under %s: %w", p.name, w.name, err)
	}
	if err := s.Load.failed(); err != nil {
		b.report.Wrong = append(b.report.Wrong, fmt.Sprintf("%s under %s, round %d: %v", p.name, w.name, round+1, err))
	}
	if s.Memory, err = memoryOf(p.pids()); err != nil {
		return s, err
	}
	used = used.scaled()
	perRequest := func(d time.Duration) float64 {
		return float64(d) / float64(time.Microsecond) / float64(max(1, s.Load.Requests))
	}
	s.CPU, s.User, s.System = perRequest(used.CPU), perRequest(used.User), perRequest(used.System)
	s.PerSec = float64(s.Load.Requests) / s.Load.Seconds
	s.Switches = float64(used.Switches) / float64(max(1, s.Load.Requests))
	s.Busy = float64(used.CPU) / float64(wall)
	s.Foreign = max(0, float64(busy-used.CPU)/float64(wall))
	return s, nil
}

// arm warms a proxy up and returns what runs the measurement itself, and what ends it: between the two the books are read.
func (b *bench) arm(ctx context.Context, p *proxy, w workload, rate float64) (work func() (loadResult, error), done func(), err error) {
	if w.byH2load() {
		n, err := b.warmUp(ctx, p, w)
		return func() (loadResult, error) {
			r, err := b.runH2load(ctx, p, w, n)
			return r.load(), err
		}, func() {}, err
	}
	args := []string{"--seconds", fmt.Sprint(b.options.seconds), "--warmup", fmt.Sprint(b.options.warmup)}
	if rate > 0 {
		args = append(args, "--rate", fmt.Sprint(rate))
	}
	if w.scale {
		return b.armTwo(ctx, p, w, args)
	}
	run, err := b.startWorkload(ctx, w, p.setup.Listen, args...)
	if err != nil {
		return nil, nil, err
	}
	work, done = func() (loadResult, error) { return b.finish(ctx, run) }, func() { b.closeLoad(run) }
	if w.storm > 0 {
		return b.withStorm(ctx, p, w, work, done)
	}
	return work, done, nil
}

// account reads the books before and after some work.
func (b *bench) account(pids []int, work func() error) (used usage, busy, wall time.Duration, err error) {
	busyBefore, errBusy := busyOf(b.options.proxyCPU)
	before, errUsage := usageOf(pids)
	if err := errors.Join(errBusy, errUsage); err != nil {
		return used, 0, 0, err
	}
	start := time.Now()
	if err := work(); err != nil {
		return used, 0, 0, err
	}
	wall = time.Since(start)
	after, errUsage := usageOf(pids)
	busyAfter, errBusy := busyOf(b.options.proxyCPU)
	return after.minus(before), busyAfter - busyBefore, wall, errors.Join(errBusy, errUsage)
}
