package gateway

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"sluice/gateway/certificates"
	"sluice/gateway/config"
	"sluice/loop/secure"
	"sluice/protocols"
	"sluice/upstream"
)

// ticketLife is how long a key makes session tickets; the two before it are still accepted.
const ticketLife = time.Hour

// transport is what a gateway has of TLS, if a listener or a cluster has any.
type transport struct {
	log      *slog.Logger
	workers  *secure.Workers
	down, up []*secure.Engine // by loop: those of listeners and of clusters
	tickets  *secure.TicketKeys
	clients  map[*upstream.TLSConfig]clusterTLS
	every    time.Duration // how often files are looked at; 0: as certificates has it
	files    []certificateFiles
	servers  []*tlsServer
	stops    []func()
}

// clusterTLS is what a cluster's endpoints have in common.
type clusterTLS struct {
	base  *tls.Config         // but for RootCAs
	roots *certificates.Roots // nil: the system's
	own   *certificates.Store // nil: none
}

// certificateFiles are files that are watched for a listener or a cluster: a Store, or Roots.
type certificateFiles struct {
	owner string
	watched
}

type watched interface {
	Status() []certificates.Status
	Watch(interval time.Duration) (stop func())
}

// newTransport makes what cfg needs of TLS; nil when that is nothing. Files are looked at at every interval; 0 is the usual one.
func newTransport(cfg *config.Config, workers []*worker, log *slog.Logger, every time.Duration) (*transport, error) {
	used := false
	for i := range cfg.Listeners {
		cfg.Listeners[i].All(func(c *config.FilterChain) { used = used || c.TLS != nil })
	}
	for i := range cfg.Clusters {
		used = used || cfg.Clusters[i].TLS != nil
	}
	if !used {
		return nil, nil
	}
	t := &transport{log: log, tickets: secure.NewTicketKeys(), every: every, clients: map[*upstream.TLSConfig]clusterTLS{}}
	for i := range cfg.Clusters {
		c := &cfg.Clusters[i]
		if c.TLS == nil {
			continue
		}
		if t.clients[c.TLS].base != nil {
			continue
		}
		client, err := t.client(c.Name, c.TLS)
		if err != nil {
			t.close()
			return nil, fmt.Errorf("%s: cluster %q: %w", c.TLS.Origin, c.Name, err)
		}
		t.clients[c.TLS] = client
	}
	t.workers = secure.NewWorkers(secure.WorkersOptions{})
	for _, w := range workers {
		o := secure.EngineOptions{Executor: t.workers, Lobby: &w.lobby}
		t.down, t.up = append(t.down, secure.NewEngine(w.loop, o)), append(t.up, secure.NewEngine(w.loop, o))
	}
	t.stops = append(t.stops, t.tickets.RotateEvery(ticketLife))
	return t, nil
}

// RotateTickets makes a new key for TLS session tickets now, as happens every hour; tickets of the two keys before it are still
// accepted. Without TLS it does nothing.
func (g *Gateway) RotateTickets() {
	if g.tls != nil {
		g.tls.tickets.Rotate()
	}
}

// close ends what runs beside the loops, which have stopped.
func (t *transport) close() {
	for _, stop := range t.stops {
		stop()
	}
	if t.workers != nil {
		t.workers.Close()
	}
}

// open reads certificates and watches them.
func (t *transport) open(owner string, sources []certificates.Source) (*certificates.Store, error) {
	store, err := certificates.Open(sources, certificates.Options{Logger: t.log.With("owner", owner)})
	if err != nil {
		return nil, err
	}
	t.watch(owner, store)
	return store, nil
}

// openRoots reads the CA certificates at where, a path or PEM text, and watches them.
func (t *transport) openRoots(owner, where string) (*certificates.Roots, error) {
	roots, err := certificates.OpenRoots(where, certificates.Options{Logger: t.log.With("owner", owner)})
	if err != nil {
		return nil, err
	}
	t.watch(owner, roots)
	return roots, nil
}

func (t *transport) watch(owner string, w watched) {
	t.stops = append(t.stops, w.Watch(t.every))
	t.files = append(t.files, certificateFiles{owner, w})
}

// offered are the names that protocols have in ALPN, most wanted first. Only HTTP's are known to its clients.
func offered(spoken []*protocols.Protocol) (names []string) {
	for _, name := range []string{config.ALPNHTTP2, config.ALPNHTTP1} {
		if speaking(spoken, name) != nil {
			names = append(names, name)
		}
	}
	return names
}

// speaking returns the protocol that name stands for in ALPN, if it is among spoken.
func speaking(spoken []*protocols.Protocol, name string) *protocols.Protocol {
	id := map[string]protocols.ProtocolID{
		config.ALPNHTTP1: protocols.ProtocolHTTP1, config.ALPNHTTP2: protocols.ProtocolHTTP2, config.ALPNBolt: protocols.ProtocolBolt,
	}[name]
	for _, p := range spoken {
		if p.ID == id && id != protocols.ProtocolUnknown {
			return p
		}
	}
	return nil
}

// client makes what a cluster's endpoints have in common.
func (t *transport) client(name string, cfg *upstream.TLSConfig) (client clusterTLS, err error) {
	c := &tls.Config{
		ServerName: cfg.ServerName, InsecureSkipVerify: cfg.InsecureSkip, //nolint:gosec // it is asked for, and logged
		MinVersion: cfg.MinVersion, MaxVersion: cfg.MaxVersion, CipherSuites: cfg.CipherSuites, NextProtos: cfg.Protocols,
		DynamicRecordSizingDisabled: true,
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	for _, id := range cfg.Curves {
		c.CurvePreferences = append(c.CurvePreferences, tls.CurveID(id))
	}
	client.base = c
	if cfg.CAs != "" {
		if client.roots, err = t.openRoots("cluster "+name, cfg.CAs); err != nil {
			return client, err
		}
	}
	if cfg.Chain != "" {
		client.own, err = t.open("cluster "+name, []certificates.Source{{Chain: cfg.Chain, Key: cfg.Key}})
		if err != nil {
			return client, err
		}
		c.GetClientCertificate = client.own.GetClientCertificate
	}
	return client, nil
}
