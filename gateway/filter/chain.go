package filter

import "sluice/protocols"

// A Chain is the filters of a listener on one loop, in the order in which requests meet them. It belongs to that loop.
//
// The stages of an exchange are kept by whoever owns the exchange, and given to each call; with none of them every call
// returns what it was given. Bytes that a call returns are lent until the next call, of any exchange.
type Chain struct {
	filters []Filter
	buffers [2][]byte // a stage reads from one and writes to the other
	next    int       // the buffer that the last call did not return
}

// maxKept is the largest buffer that a chain keeps: a piece of a body is seldom over 64 KiB.
const maxKept = 256 << 10

// NewChain returns a chain of filters.
func NewChain(filters ...Filter) *Chain { return &Chain{filters: filters} }

// Begin shows the head of a request to the filters and appends the stages of those that have to do with it to stages, which
// an exchange that is reused brings along empty.
func (c *Chain) Begin(stages []Stage, req *protocols.Header) []Stage {
	for _, f := range c.filters {
		if s := f.Begin(req); s != nil {
			stages = append(stages, s)
		}
	}
	return stages
}

// Upstream tells the stages that convert what the request's upstream speaks.
func (c *Chain) Upstream(stages []Stage, req *protocols.Header, to protocols.ProtocolID) *protocols.Error {
	for _, s := range stages {
		if v, ok := s.(Converter); ok {
			if err := v.Upstream(req, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// RequestData passes the next bytes of the request's body through stages. Before trailers it is called without data, with
// end set; what it returns then goes before them.
func (c *Chain) RequestData(stages []Stage, data []byte, end bool) ([]byte, *protocols.Error) {
	for _, s := range stages {
		out, err := s.RequestData(c.take(), data, end)
		if err != nil {
			return nil, err
		}
		data = c.keep(data, out)
	}
	return data, nil
}

// Answer passes the final head of the answer through stages.
func (c *Chain) Answer(stages []Stage, h *protocols.Header, end bool) {
	for i := len(stages) - 1; i >= 0; i-- {
		stages[i].Answer(h, end)
	}
}

// AnswerData passes the next bytes of the answer's body through stages.
func (c *Chain) AnswerData(stages []Stage, data []byte, end bool) []byte {
	for i := len(stages) - 1; i >= 0; i-- {
		data = c.keep(data, stages[i].AnswerData(c.take(), data, end))
	}
	return data
}

// AnswerTrailer passes the trailers of the answer through stages. The data that it returns, if any, is sent before them;
// when replaced is true, in their place, as the end of the answer.
func (c *Chain) AnswerTrailer(stages []Stage, h *protocols.Header) (data []byte, replaced bool) {
	for i := len(stages) - 1; i >= 0; i-- {
		s := stages[i]
		if len(data) > 0 || replaced {
			data = c.keep(data, s.AnswerData(c.take(), data, replaced))
		}
		if replaced {
			continue
		}
		// What this stage makes of the trailers stands behind what the inner ones have made.
		var out []byte
		out, replaced = s.AnswerTrailer(append(c.take(), data...), h)
		data = c.keep(nil, out)
	}
	return data, replaced
}

// End ends stages and returns them empty, for the next exchange.
func (c *Chain) End(stages []Stage) []Stage {
	for i, s := range stages {
		s.End()
		stages[i] = nil
	}
	return stages[:0]
}

// take returns the buffer to write to: not the one that holds what a stage has returned last.
func (c *Chain) take() []byte { return c.buffers[c.next][:0] }

// keep looks at what a stage has made of data: when it is not data itself it is in the buffer that take gave, which may
// have grown, and the next stage is to write to the other.
func (c *Chain) keep(data, out []byte) []byte {
	if len(out) == 0 || len(data) > 0 && &out[0] == &data[0] {
		return out
	}
	if cap(out) <= maxKept {
		c.buffers[c.next] = out[:0]
	}
	c.next ^= 1
	return out
}
