package mosn

import (
	"slices"
	"strconv"

	"sluice/gateway/config"
)

// filterTranscoder is the stream filter that converts requests to another protocol.
const filterTranscoder = "transcoder"

// transcoderBolt is MOSN's own way from HTTP to Bolt.
const transcoderBolt = "http2bolt_simple"

// A transcoder is one type of MOSN's transcoder filter.
type transcoder struct {
	name string
	to   string // the protocol that upstreams are spoken to in
}

func transcoders() []transcoder {
	return []transcoder{
		{"httpTohttp2", protocolHTTP2},
		{"http2Tohttp", protocolHTTP1},
		{transcoderBolt, protocolBolt},
	}
}

// streamFilters reads the filters of a listener's requests. It runs behind filterChains.
func (r *reader) streamFilters(o object, l *config.Listener) {
	var proxies []*config.HTTPProxy
	bytesOnly := false
	l.All(func(c *config.FilterChain) {
		if c.HTTP != nil {
			proxies = append(proxies, c.HTTP)
		}
		bytesOnly = bytesOnly || c.TCP != nil
	})
	if len(proxies) == 0 {
		proxies = append(proxies, &config.HTTPProxy{}) // what the listener lacks is said elsewhere; the filter's own mistakes are said here
	} else {
		bytesOnly = false
	}
	for _, n := range o.array("stream_filters") {
		f := r.object(n, filterSchema)
		v := f.node("type")
		own := v != nil && v.kind == kindString && isOwnFilter(v.text)
		switch {
		case own && bytesOnly:
			r.warnf(v, "%q has no effect: the listener carries plain bytes, and stream filters see requests", v.text)
		case own:
			r.ownFilter(f, v, proxies[0])
		default:
			r.otherFilter(f, "stream filter", streamFilters)
		}
	}
	for _, p := range proxies[1:] {
		p.Filters, p.Transcode = proxies[0].Filters, proxies[0].Transcode
	}
}

// isOwnFilter reports whether this version has the stream filter.
func isOwnFilter(name string) bool {
	p, _ := find(streamFilters, name)
	return p != nil && p.use == used
}

// ownFilter reads a filter that this version has.
func (r *reader) ownFilter(f object, v *node, proxy *config.HTTPProxy) {
	switch v.text {
	case filterTranscoder:
		r.transcoder(f, proxy)
	case config.FilterHTTP2Bolt:
		r.filter(f, http2boltSchema, proxy)
	default:
		r.filter(f, grpcWebSchema, proxy)
	}
}

// filter reads a filter whose config has the keys of s.
func (r *reader) filter(f object, s *schema, p *config.HTTPProxy) {
	v := f.node("type")
	if slices.ContainsFunc(p.Filters, func(o config.Filter) bool { return o.Type == v.text }) {
		r.warnf(v, "the filter %s is there twice; once is enough", v.text)
		return
	}
	options := f.child("config", s)
	out := config.Filter{Type: v.text, Origin: r.place(f.n)}
	if options.n != nil {
		out.Options, _ = options.n.value().(map[string]any)
	}
	p.Filters = append(p.Filters, out)
}

// transcoder reads {"type": "httpTohttp2"} and its like.
func (r *reader) transcoder(f object, p *config.HTTPProxy) {
	o := f.child("config", transcoderSchema)
	if o.n == nil {
		if f.node("config") == nil {
			r.errorf(f.n, `"config" is missing: expected {"type": "httpTohttp2"}, "http2Tohttp" or "http2bolt_simple"`)
		}
		return
	}
	v := o.node("type")
	if v == nil {
		if o.n.member("rules") == nil {
			r.errorf(o.n, `"type" is missing: expected "httpTohttp2", "http2Tohttp" or "http2bolt_simple"`)
		}
		return
	}
	s := r.str(v)
	if s == "" {
		if v.kind == kindString {
			r.expected(v, `"httpTohttp2", "http2Tohttp" or "http2bolt_simple"`, "")
		}
		return
	}
	known := transcoders()
	names := make([]string, len(known))
	for i, t := range known {
		names[i] = t.name
		if t.name == s {
			r.transcode(v, t, p)
			return
		}
	}
	r.errorf(v, "unknown transcoder %s%s", quote(s), didYouMean(s, names))
}

func (r *reader) transcode(v *node, t transcoder, p *config.HTTPProxy) {
	switch {
	case p.Transcode != "" && p.Transcode != t.to:
		r.errorf(v, "another transcoder of this listener converts to %s; keep one", p.Transcode)
	default:
		p.Transcode = t.to
		if t.name == transcoderBolt && !slices.ContainsFunc(p.Filters, isHTTP2Bolt) {
			p.Filters = append(p.Filters, config.Filter{Type: config.FilterHTTP2Bolt, Origin: r.place(v),
				Options: map[string]any{"simple": true}})
		}
		if p.UpstreamProtocol != "" && p.UpstreamProtocol != t.to {
			r.notef(v, "upstreams are spoken to in %s: the transcoder counts more than the proxy's upstream_protocol, %s",
				t.to, p.UpstreamProtocol)
		}
	}
}

func isHTTP2Bolt(f config.Filter) bool { return f.Type == config.FilterHTTP2Bolt }

// value is n as Go's plain types: nil, bool, int64, float64, string, []any, map[string]any.
func (n *node) value() any {
	switch n.kind {
	case kindNull:
	case kindBool:
		return n.text == "true"
	case kindNumber:
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			return i
		}
		f, _ := strconv.ParseFloat(n.text, 64) // a number of JSON; the largest become infinite
		return f
	case kindString:
		return n.text
	case kindArray:
		items := make([]any, len(n.items))
		for i, item := range n.items {
			items[i] = item.value()
		}
		return items
	case kindObject:
		members := make(map[string]any, len(n.members))
		for _, m := range n.members {
			members[m.key] = m.value.value()
		}
		return members
	}
	return nil
}
