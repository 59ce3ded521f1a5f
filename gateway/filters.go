package gateway

import (
	"fmt"
	"slices"

	"sluice/gateway/config"
	"sluice/gateway/filter"
	"sluice/gateway/filter/grpcweb"
	"sluice/gateway/filter/http2bolt"
	"sluice/protocols"
)

// filterKinds is the list of the filters that there are. It is the only place of the gateway that names them.
func filterKinds() []filter.Kind { return []filter.Kind{grpcweb.Kind(), http2bolt.Kind()} }

// filtersOf are the filters of a listener. Where HTTP and Bolt meet, there is one that converts, told or not.
func (g *Gateway) filtersOf(h *config.HTTPProxy) []config.Filter {
	for _, f := range h.Filters {
		if f.Type == config.FilterHTTP2Bolt {
			return h.Filters
		}
	}
	spoken := []*protocols.Protocol{g.protocols[h.UpstreamProtocol], g.protocols[h.Transcode]}
	spoken = append(spoken, g.downstreamProtocols(h.Protocols)...)
	for i := range g.cfg.Clusters {
		spoken = append(spoken, g.protocols[g.cfg.Clusters[i].Protocol])
	}
	for _, host := range g.cfg.Router(h.Router).VirtualHosts {
		for _, r := range host.Routes {
			spoken = append(spoken, g.protocols[r.UpstreamProtocol])
		}
	}
	var http, bolt bool
	for _, p := range spoken {
		http = http || p != nil && isHTTP(p.ID)
		bolt = bolt || p != nil && p.ID == protocols.ProtocolBolt
	}
	if !http || !bolt {
		return h.Filters
	}
	return append(slices.Clone(h.Filters), config.Filter{Type: config.FilterHTTP2Bolt, Origin: "built in"})
}

// compileFilters returns what makes the chain of a listener for one loop; nil for a listener without filters.
func compileFilters(list []config.Filter) (func() *filter.Chain, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var makers []func() filter.Filter
	for _, f := range list {
		var found bool
		for _, kind := range filterKinds() {
			if kind.Name != f.Type {
				continue
			}
			found = true
			compiled, err := kind.Compile(f.Options)
			if err != nil {
				return nil, fmt.Errorf("%s: filter %s: %w", f.Origin, f.Type, err)
			}
			makers = append(makers, compiled)
		}
		if !found {
			return nil, fmt.Errorf("%s: there is no filter %q", f.Origin, f.Type)
		}
	}
	return func() *filter.Chain {
		filters := make([]filter.Filter, 0, len(makers))
		for _, m := range makers {
			filters = append(filters, m())
		}
		return filter.NewChain(filters...)
	}, nil
}

// beginFilters shows the request to the listener's filters.
func (st *stream) beginFilters() {
	if c := st.s.l.chain; c != nil && !st.wantsTunnel() {
		st.stages = c.Begin(st.stages, &st.req)
	}
}

// filterRequest makes of ev, a piece of the request, what goes on; what filters send in front of trailers it sends itself.
// It returns nil when nothing is left to be sent.
func (st *stream) filterRequest(ev *protocols.Event) *protocols.Event {
	data, err := st.s.l.chain.RequestData(st.stages, ev.Data, ev.End)
	if err != nil {
		st.detail = err.Detail
		st.fail(err.Reason)
		return nil
	}
	if ev.Kind == protocols.KindTrailer {
		if len(data) > 0 {
			st.w.piece = protocols.Event{Kind: protocols.KindData, Data: data}
			st.sendRequest(&st.w.piece, 0)
		}
		if st.state == upstreamNone {
			return nil
		}
		return ev
	}
	return st.changed(ev, data)
}

// convert makes the request one that its upstream understands. It reports whether the exchange goes on.
func (st *stream) convert() bool {
	if len(st.stages) == 0 {
		return true
	}
	if err := st.s.l.chain.Upstream(st.stages, &st.req, st.protocol.ID); err != nil {
		st.detail = err.Detail
		st.fail(err.Reason)
		return false
	}
	return true
}

// changed is ev with other data, or nil when that is nothing.
func (st *stream) changed(ev *protocols.Event, data []byte) *protocols.Event {
	if len(data) == 0 && !ev.End {
		return nil
	}
	st.w.piece = protocols.Event{Kind: protocols.KindData, End: ev.End, Data: data}
	return &st.w.piece
}

// filterHead makes of the head of the answer what goes on.
func (st *stream) filterHead(end bool) {
	if len(st.stages) > 0 {
		st.s.l.chain.Answer(st.stages, st.resp, end)
	}
}

// filterAnswer is to the answer what filterRequest is to the request.
func (st *stream) filterAnswer(ev *protocols.Event) *protocols.Event {
	chain := st.s.l.chain
	if ev.Kind != protocols.KindTrailer {
		return st.changed(ev, chain.AnswerData(st.stages, ev.Data, ev.End))
	}
	data, replaced := chain.AnswerTrailer(st.stages, ev.Header)
	if replaced {
		return st.changed(ev, data)
	}
	if len(data) > 0 {
		st.w.piece = protocols.Event{Kind: protocols.KindData, Data: data}
		st.sendAnswer(&st.w.piece, 0)
	}
	if st.s == nil {
		return nil // the exchange is over
	}
	return ev
}

// endFilters ends the filters' part in the exchange.
func (st *stream) endFilters() {
	if len(st.stages) > 0 {
		st.stages = st.s.l.chain.End(st.stages)
	}
}
