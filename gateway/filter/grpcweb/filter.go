package grpcweb

import (
	"encoding/binary"

	"sluice/gateway/filter"
	"sluice/protocols"
)

// Name is the filter's name in configurations.
const Name = "grpc_web"

// Kind describes the filter to the gateway. It has no options.
func Kind() filter.Kind {
	return filter.Kind{Name: Name, Compile: func(map[string]any) (func() filter.Filter, error) {
		return func() filter.Filter { return &web{} }, nil
	}}
}

// web is the filter of one listener on one loop.
type web struct {
	free    *call // ended calls, to be used again
	idle    int   // how many they are
	scratch []byte
}

// maxIdle is how many ended calls a filter keeps.
const maxIdle = 1024

// mode is what one direction of a call is in.
type mode uint8

const (
	modePlain  mode = iota // the bytes are not ours: an answer that is not gRPC
	modeBinary             // messages as in gRPC
	modeText               // in base64
)

// A call is one exchange in gRPC-Web.
type call struct {
	f       *web
	next    *call // free list
	request mode
	wants   mode // of the answer, if it is gRPC
	answer  mode // modePlain until the head of a gRPC answer has come
	decoder decoder
	encoder encoder
}

// Begin implements filter.Filter.
func (f *web) Begin(req *protocols.Header) filter.Stage {
	request, rest := webType(req.Get(protocols.NameContentType))
	if request == modePlain {
		return nil
	}
	c := f.free
	if c == nil {
		c = &call{}
	} else {
		f.free = c.next
		f.idle--
	}
	*c = call{f: f, request: request, wants: answerMode(req, request)}
	f.scratch = append(append(f.scratch[:0], grpcType...), rest...)
	req.Put(protocols.NameContentType, f.scratch)
	// "TE → "te" "trailers" # Used to detect incompatible proxies" (gRPC, doc/PROTOCOL-HTTP2.md, Requests).
	req.PutString(protocols.NameTE, "trailers")
	if request == modeText {
		dropLength(req)
	}
	return c
}

// RequestData implements filter.Stage.
func (c *call) RequestData(dst, data []byte, end bool) ([]byte, *protocols.Error) {
	if c.request != modeText {
		return data, nil
	}
	dst, ok := c.decoder.decode(dst, data)
	switch {
	case !ok:
		return nil, errBase64
	case end && c.decoder.n != 0:
		return nil, errBase64Cut
	}
	return dst, nil
}

// Answer implements filter.Stage. An answer that is not gRPC, such as an error page, passes as it is: clients look at its
// status. One without a body (trailers-only) has its grpc-status at its head, where clients look first.
func (c *call) Answer(h *protocols.Header, end bool) {
	rest, ok := grpcRest(h.Get(protocols.NameContentType))
	if !ok {
		return
	}
	c.answer = c.wants
	kind := webBinary
	if c.answer == modeText {
		kind = webText
	}
	f := c.f
	f.scratch = append(append(f.scratch[:0], kind...), rest...)
	h.Put(protocols.NameContentType, f.scratch)
	h.Del(protocols.NameTrailer) // they become part of the body
	if !end {
		dropLength(h)
	}
}

// AnswerData implements filter.Stage.
func (c *call) AnswerData(dst, data []byte, end bool) []byte {
	if c.answer != modeText {
		return data
	}
	return c.encoder.encode(dst, data, end)
}

// trailerFlag marks the message that holds the trailers: "the 8th (MSB) bit of the 1st gRPC frame byte" (PROTOCOL-WEB.md).
const trailerFlag = 0x80

// AnswerTrailer implements filter.Stage.
func (c *call) AnswerTrailer(dst []byte, h *protocols.Header) (data []byte, replaced bool) {
	switch c.answer {
	case modeBinary:
		return appendTrailer(dst, h), true
	case modeText:
		f := c.f
		f.scratch = appendTrailer(f.scratch[:0], h)
		return c.encoder.encode(dst, f.scratch, true), true
	case modePlain:
	}
	return dst, false
}

// End implements filter.Stage.
func (c *call) End() {
	f := c.f
	if f.idle < maxIdle {
		c.next = f.free
		f.free = c
		f.idle++
	}
}

// appendTrailer appends the message that stands for trailers: "Key-value pairs encoded as a HTTP/1 headers block (without
// the terminating newline)", the names in lower case (PROTOCOL-WEB.md).
func appendTrailer(dst []byte, h *protocols.Header) []byte {
	start := len(dst)
	dst = append(dst, trailerFlag, 0, 0, 0, 0)
	for i := range h.Len() {
		_, name, value, ok := h.Field(i)
		if !ok {
			continue
		}
		dst = appendLower(dst, name)
		dst = append(dst, ": "...)
		dst = append(dst, value...)
		dst = append(dst, "\r\n"...)
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-prefixLen))
	return dst
}

func appendLower(dst, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// dropLength takes back the announced length of a body that is going to change.
func dropLength(h *protocols.Header) {
	h.Del(protocols.NameContentLength)
	h.ContentLength = -1
}

// The refusals, made once; nobody changes them.
var (
	errBase64    = &protocols.Error{Reason: protocols.ReasonProtocolError, Detail: "grpc-web-text: the body is not base64 (RFC 4648 section 4)"}
	errBase64Cut = &protocols.Error{Reason: protocols.ReasonProtocolError, Detail: "grpc-web-text: the body ends within four base64 digits (RFC 4648 section 4)"}
)

var _ filter.Stage = (*call)(nil)
