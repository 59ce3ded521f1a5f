package http2bolt

import (
	"fmt"
	"math"
	"strconv"

	"sluice/gateway/filter"
	"sluice/protocols"
	"sluice/protocols/syntax"
)

// Name is the filter's name in configurations.
const Name = "http2bolt"

// Kind describes the filter to the gateway. Its options are simple, class, coding, method and path; see README.md.
func Kind() filter.Kind {
	return filter.Kind{Name: Name, Compile: func(options map[string]any) (func() filter.Filter, error) {
		s, err := newSettings(options)
		if err != nil {
			return nil, err
		}
		return func() filter.Filter { return &converter{settings: s} }, nil
	}}
}

// settings are what one listener says: immutable.
type settings struct {
	simple bool   // MOSN's http2bolt_simple
	class  []byte // of a request that names none
	coding uint8  // of a message whose content type says nothing; 0: Hessian 2
	method []byte // of the HTTP request that a call becomes
	path   []byte // empty: /service/method
}

func newSettings(options map[string]any) (s settings, err error) {
	s.method = []byte("POST")
	text := func(key string, to *[]byte) {
		if v, ok := options[key].(string); ok {
			*to = []byte(v)
		} else if options[key] != nil {
			err = fmt.Errorf("%s: expected a string", key)
		}
	}
	text("class", &s.class)
	text("method", &s.method)
	text("path", &s.path)
	if v := options["simple"]; v != nil {
		var ok bool
		if s.simple, ok = v.(bool); !ok {
			return s, fmt.Errorf("simple: expected true or false")
		}
	}
	if v := options["coding"]; v != nil {
		n, ok := v.(int64)
		if !ok || n < 1 || n > math.MaxUint8 {
			return s, fmt.Errorf("coding: expected the number of a serialization, from 1 to 255")
		}
		s.coding = uint8(n)
	}
	switch {
	case err != nil:
	case len(s.class) > math.MaxInt16:
		err = fmt.Errorf("class: expected at most %d bytes", math.MaxInt16)
	case !usableMethod(s.method):
		err = fmt.Errorf("method: expected a method of requests that may have a body, such as POST; found %q", s.method)
	case len(s.path) > 0 && !usablePath(s.path):
		err = fmt.Errorf("path: expected a path that starts with / and has no spaces; found %q", s.path)
	}
	return s, err
}

// usableMethod: the answer to HEAD has no body though it says its length, and CONNECT asks for a tunnel.
func usableMethod(b []byte) bool {
	return len(b) > 0 && syntax.Token.All(b) && string(b) != "HEAD" && string(b) != "CONNECT"
}

func usablePath(b []byte) bool {
	return len(b) > 0 && b[0] == '/' && syntax.ScanTarget(b, 0) == len(b)
}

// converter is the filter of one listener on one loop.
type converter struct {
	settings
	free    *exchange // ended exchanges, to be used again
	idle    int       // how many they are
	scratch []byte
}

// maxIdle is how many ended exchanges a filter keeps.
const maxIdle = 1024

// An exchange is one request and its answer.
type exchange struct {
	filter.Pass
	f      *converter
	next   *exchange // free list
	client protocols.ProtocolID
}

// Begin implements filter.Filter. The caller's own timeout counts whatever the request becomes.
func (f *converter) Begin(req *protocols.Header) filter.Stage {
	x := f.free
	if x == nil {
		x = &exchange{}
	} else {
		f.free = x.next
		f.idle--
	}
	*x = exchange{f: f, client: req.Proto}
	if !f.simple && isHTTP(req.Proto) {
		if ms, ok := number(req.Lookup(fieldTimeout), math.MaxInt32); ok && ms > 0 {
			req.Timeout = ms
		}
	}
	return x
}

// End implements filter.Stage.
func (x *exchange) End() {
	f := x.f
	if f.idle < maxIdle {
		x.next = f.free
		f.free = x
		f.idle++
	}
}

// Upstream implements filter.Converter.
func (x *exchange) Upstream(req *protocols.Header, to protocols.ProtocolID) *protocols.Error {
	switch {
	case isHTTP(x.client) && to == protocols.ProtocolBolt:
		return x.f.callOf(req)
	case x.client == protocols.ProtocolBolt && isHTTP(to):
		return x.f.requestOf(req)
	}
	return nil
}

// Answer implements filter.Stage.
func (x *exchange) Answer(h *protocols.Header, _ bool) {
	switch {
	case isHTTP(x.client) && h.Proto == protocols.ProtocolBolt:
		x.f.responseOf(h)
	case x.client == protocols.ProtocolBolt && isHTTP(h.Proto):
		x.f.replyOf(h)
	}
}

func isHTTP(p protocols.ProtocolID) bool {
	return p == protocols.ProtocolHTTP1 || p == protocols.ProtocolHTTP2
}

// number is the decimal number b, at most most; false when it is none.
func number(b []byte, most int64) (int64, bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n <= most
}

// setNumber makes a number the value of a field.
func (f *converter) setNumber(h *protocols.Header, name string, n int64) {
	f.scratch = strconv.AppendInt(f.scratch[:0], n, 10)
	h.Set(name, f.scratch)
}

var (
	_ filter.Stage     = (*exchange)(nil)
	_ filter.Converter = (*exchange)(nil)
)
