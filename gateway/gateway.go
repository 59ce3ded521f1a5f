package gateway

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sluice/gateway/admin"
	"sluice/gateway/config"
	"sluice/gateway/telemetry/accesslog"
	"sluice/gateway/telemetry/logging"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/protocols"
	"sluice/upstream"
)

// Options are what a Gateway is told beside its configuration.
type Options struct {
	Version string
	// LogLevel caps the level of every log, if it is not nil.
	LogLevel       *slog.Level
	Stdout, Stderr io.Writer // where logs to "stdout" and "stderr" go; nil means the process's
	// CertificateInterval is how often the files of certificates are looked at; 0: every second.
	CertificateInterval time.Duration
}

// A BoundListener is an address that the gateway accepts on.
type BoundListener struct{ Name, Address string }

// A Gateway is a running configuration. Its methods are safe on any goroutine that is not a loop's.
type Gateway struct {
	cfg       *config.Config
	options   Options
	log       *slog.Logger
	logs      *logging.Manager
	access    *accesslog.Manager
	registry  *metrics.Registry
	counters  *metrics.Set
	protocols map[string]*protocols.Protocol
	group     *loop.Group
	tls       *transport // nil without TLS
	workers   []*worker
	clusters  *upstream.Manager
	listeners []*listener
	servers   []io.Closer
	adminAddr string
	dump      *admin.ConfigDump
	state     atomic.Int32 // a State
	mu        sync.Mutex   // guards what Start makes and Stop ends: sockets, servers, adminAddr, dump
	drained   drainWatch
	stop      sync.Once
}

// New compiles cfg, opens the logs and starts the loops; nothing is bound yet. A Gateway that New returned must be
// stopped even if Start fails.
func New(cfg *config.Config, o Options) (*Gateway, error) {
	g, err := newGateway(cfg, o)
	if err != nil {
		return nil, err
	}
	g.group, err = loop.NewGroup(loop.Options{Loops: cfg.Loops, Logger: g.log})
	if err != nil {
		g.Stop()
		return nil, fmt.Errorf("starting the event loops: %w", err)
	}
	if err := g.build(g.group.Loops()); err != nil {
		g.Stop()
		return nil, err
	}
	return g, nil
}

// newGateway makes the parts that need no loop.
func newGateway(cfg *config.Config, o Options) (*Gateway, error) {
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	g := &Gateway{cfg: cfg, options: o, registry: metrics.NewRegistry(), protocols: map[string]*protocols.Protocol{}}
	g.state.Store(int32(StateInit))
	g.counters = metrics.NewSet(g.registry)
	for _, p := range codecs() {
		g.protocols[p.Name] = p
	}
	var errs []error
	for i := range cfg.Listeners {
		errs = append(errs, checkListener(&cfg.Listeners[i], cfg, g.protocols))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := g.openLogs(); err != nil {
		return nil, err
	}
	return g, nil
}

// build makes the workers of loops and gives them the configuration.
func (g *Gateway) build(loops []loop.Loop) error {
	share := sharesOf(memoryLimit(), len(loops))
	for _, l := range loops {
		g.workers = append(g.workers, newWorker(g, l, share))
	}
	var err error
	if g.tls, err = newTransport(g.cfg, g.workers, g.log, g.options.CertificateInterval); err != nil {
		return err
	}
	g.clusters = upstream.NewManager(loops, g.hooks())
	g.clusters.Update(g.cfg.Clusters)
	tables := map[string]*table{}
	var errs []error
	for i := range g.cfg.Routers {
		t, err := g.compileTable(&g.cfg.Routers[i])
		errs = append(errs, err)
		tables[g.cfg.Routers[i].Name] = t
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range g.cfg.Listeners {
		l, err := g.newListener(&g.cfg.Listeners[i], tables)
		if err != nil {
			return err
		}
		g.listeners = append(g.listeners, l)
	}
	for _, w := range g.workers {
		w.loop.Post(w.shard.Grow)
	}
	return nil
}

// Start binds the listeners and the admin server, and serves. On an error nothing stays bound after Stop.
func (g *Gateway) Start() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.state.CompareAndSwap(int32(StateInit), int32(StateStarting)) {
		return fmt.Errorf("the gateway is %s: it can be started once", State(g.state.Load()))
	}
	setMemoryPolicy(g.log)
	g.declareLoopMetrics()
	g.declareLobbyMetrics()
	g.declareCodecMetrics()
	g.declareTLSMetrics()
	for _, l := range g.listeners {
		if err := g.bind(l); err != nil {
			return err
		}
	}
	if err := g.serveAdmin(); err != nil {
		return err
	}
	g.state.CompareAndSwap(int32(StateStarting), int32(StateRunning))
	return nil
}

// bind opens a listener's sockets.
func (g *Gateway) bind(l *listener) error {
	if !l.cfg.Bind {
		g.log.Info("listener is not bound: bind_port is false", "listener", l.cfg.Name, "address", l.cfg.Address.String())
		return nil
	}
	socket, err := g.group.Listen(loop.ListenOptions{Name: l.cfg.Name, Addr: l.cfg.Address, MaxConns: max(l.maxConns(), 0),
		KeepAlive: keepAlive}, l)
	if err != nil {
		return err // it names the listener and the address
	}
	l.socket = socket
	if why := l.cfg.Unserved; why != "" && len(l.cfg.Chains) == 0 {
		g.log.Warn("listener accepts connections and closes them, for it has nothing to do with them",
			"listener", l.cfg.Name, "address", socket.Addr().String(), "why", why)
		return nil
	}
	g.log.Info("listening", "listener", l.cfg.Name, "address", socket.Addr().String())
	return nil
}

// keepAlive is how long a connection is silent before the system asks whether its peer is still there: one that vanished
// without a word would otherwise hold a tunnel without an idle limit for ever.
const keepAlive = 30 * time.Second

// maxConns is the limit on connections; negative for none.
func (l *listener) maxConns() int {
	if l.cfg.MaxConns == 0 {
		return 10_000
	}
	return l.cfg.MaxConns
}

// Listeners returns what is bound.
func (g *Gateway) Listeners() []BoundListener {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []BoundListener
	for _, l := range g.listeners {
		if l.socket != nil {
			out = append(out, BoundListener{Name: l.cfg.Name, Address: l.socket.Addr().String()})
		}
	}
	return out
}

// AdminAddr is the address of the admin server; "" when there is none.
func (g *Gateway) AdminAddr() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.adminAddr
}

// Stop ends everything at once: connections are closed, buffered log lines written. It may be called more than once.
func (g *Gateway) Stop() {
	g.stop.Do(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.state.Store(int32(StateStopping))
		for _, s := range g.servers {
			_ = s.Close()
		}
		if g.clusters != nil {
			g.clusters.Close()
		}
		if g.group != nil {
			g.group.Stop()
		}
		if g.tls != nil {
			g.tls.close()
		}
		_ = g.access.Close(time.Second)
		g.state.Store(int32(StateStopped))
		g.logs.Close(time.Second)
	})
}
