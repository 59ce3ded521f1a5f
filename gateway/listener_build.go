package gateway

import (
	"fmt"

	"sluice/gateway/config"
	"sluice/gateway/filter"
	"sluice/gateway/telemetry/accesslog"
	"sluice/protocols"
)

// newListener makes a listener with its part on every loop.
func (g *Gateway) newListener(cfg *config.Listener, tables map[string]*table) (*listener, error) {
	l := &listener{cfg: cfg, counters: g.counters.Listener(cfg.Name)}
	var err error
	if l.logs, err = g.openAccessLogs(cfg); err != nil {
		return nil, err
	}
	var chains [][]*localListener // each on all loops; the listener's own is the last
	cfg.All(func(c *config.FilterChain) {
		if err != nil {
			return
		}
		var locals []*localListener
		locals, err = g.newChain(l, c, tables)
		chains = append(chains, locals)
	})
	if err != nil {
		return nil, err
	}
	l.locals = chains[len(chains)-1]
	if len(chains) == 1 && (cfg.TLS == nil || !cfg.TLS.Inspector) {
		return l, nil
	}
	table := newChainTable(cfg)
	introduce(table, chains)
	for i, local := range l.locals {
		local.chains = &localChains{table: table}
		for _, c := range chains {
			local.chains.all = append(local.chains.all, c[i])
		}
	}
	return l, nil
}

// introduce tells the chains' TLS of one another.
func introduce(table *chainTable, chains [][]*localListener) {
	asks := make([]bool, len(chains))
	for i, c := range chains {
		asks[i] = c[0].tls != nil && c[0].tls.server.asks
	}
	for i, c := range chains {
		if c[0].tls != nil {
			c[0].tls.server.siblings = &tlsSiblings{table: table, asks: asks, own: i}
		}
	}
}

// newChain makes a chain of l, on every loop.
func (g *Gateway) newChain(l *listener, c *config.FilterChain, tables map[string]*table) (locals []*localListener, err error) {
	settings := g.settings(l.cfg, c, tables)
	settings.limits.OwedOnLoop = g.workers[0].holds.most // which is the same on every loop
	var filters func() *filter.Chain
	if c.HTTP != nil {
		if filters, err = compileFilters(g.filtersOf(c.HTTP)); err != nil {
			return nil, err
		}
	}
	var server *tlsServer
	if c.TLS != nil {
		name := l.cfg.Name
		if c.Label != "" {
			name += ", " + c.Label
		}
		if server, err = g.tls.server(name, c.TLS, settings.protocols); err != nil {
			return nil, err
		}
	}
	for i, w := range g.workers {
		local := &localListener{w: w, counters: l.counters, listenerSettings: settings, env: protocols.NewEnv(settings.limits)}
		local.env.Announce = settings.announce
		if server != nil {
			local.tls = &localTLS{l: local, engine: g.tls.down[i], server: server, inspector: c.TLS.Inspector}
		}
		if filters != nil {
			local.chain = filters()
		}
		for _, log := range l.logs {
			local.logs = append(local.logs, localLog{format: log.format, buffer: w.buffers.Buffer(log.file)})
		}
		if c.HTTP != nil && c.HTTP.Fallback && c.TCP != nil {
			local.fallback = &localListener{w: w, counters: l.counters, listenerSettings: g.tcpSettings(l.cfg, c.TCP),
				env: protocols.NewEnv(protocols.Limits{}), logs: local.logs}
		}
		locals = append(locals, local)
	}
	return locals, nil
}

// openAccessLogs opens the access logs of a listener.
func (g *Gateway) openAccessLogs(cfg *config.Listener) (logs []openLog, err error) {
	for _, a := range cfg.AccessLogs {
		format, warnings := accesslog.Compile(a.Format)
		for _, warning := range warnings {
			g.log.Warn("access log format", "listener", cfg.Name, "path", a.Path, "problem", warning)
		}
		file, err := g.access.Open(a.Path)
		if err != nil {
			return nil, fmt.Errorf("listener %q: %w", cfg.Name, err)
		}
		logs = append(logs, openLog{format, file})
	}
	return logs, nil
}
