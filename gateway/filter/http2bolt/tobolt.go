package http2bolt

import (
	"math"

	"sluice/protocols"
)

// The fields that say in HTTP what a frame has a place for, and the entries of a header map that say what HTTP has one for.
const (
	fieldClass   = "x-bolt-class"
	fieldCoding  = "x-bolt-codec"
	fieldTimeout = "x-bolt-timeout"
	fieldStatus  = "x-bolt-status"

	entryMethod = "x-http-method"
	entryPath   = "x-http-path"
	entryHost   = "host"
	entryStatus = "x-http-status"
)

// Numbers of serializations, as SOFABolt and SOFARPC have them.
const (
	codingHessian2 = 1
	codingProtobuf = 11
	codingJSON     = 12
)

// contentTypes are the serializations in HTTP.
var contentTypes = [...]struct {
	coding uint8
	name   string
}{
	{codingHessian2, "application/x-hessian2"}, {codingProtobuf, "application/x-protobuf"}, {codingJSON, "application/json"},
}

var (
	errClassTooLong = &protocols.Error{Reason: protocols.ReasonHeadTooLarge, Detail: "x-bolt-class: a class name has at most 32767 bytes"}
	errCoding       = &protocols.Error{Reason: protocols.ReasonProtocolError, Detail: "x-bolt-codec: expected a number from 0 to 255"}
)

// callOf makes an HTTP request one that a Bolt frame can hold.
func (f *converter) callOf(h *protocols.Header) *protocols.Error {
	h.Del(protocols.NameExpect)
	h.Del(protocols.NameTE)
	h.Del(protocols.NameTrailer)
	h.Del(protocols.NameHost)
	if f.simple {
		return nil
	}
	if err := f.classify(h, f.class); err != nil {
		return err
	}
	h.DelName(fieldTimeout)
	h.Set(entryMethod, h.MethodBytes())
	h.Set(entryPath, h.Path())
	h.Set(entryHost, h.Authority())
	return nil
}

// classify takes class and serialization from the fields of a message of HTTP.
func (f *converter) classify(h *protocols.Header, class []byte) *protocols.Error {
	if v := h.Lookup(fieldClass); v != nil {
		class = v
	}
	if len(class) > math.MaxInt16 {
		return errClassTooLong
	}
	h.SetClass(class)
	h.DelName(fieldClass)
	h.Coding = f.codingOf(h.Get(protocols.NameContentType))
	if v := h.Lookup(fieldCoding); v != nil {
		n, ok := number(v, math.MaxUint8)
		if !ok {
			return errCoding
		}
		h.Coding = uint8(n)
		h.DelName(fieldCoding)
	}
	return nil
}

// codingOf is the serialization that a content type means.
func (f *converter) codingOf(contentType []byte) uint8 {
	for _, t := range contentTypes {
		if n := len(t.name); len(contentType) >= n && protocols.EqualFold(contentType[:n], t.name) &&
			(len(contentType) == n || contentType[n] == ';' || contentType[n] == ' ') {
			return t.coding
		}
	}
	return f.coding
}

// replyOf makes an HTTP answer one that a Bolt frame can hold. Its status is what the server says in x-bolt-status, or what
// the codec makes of HTTP's.
func (f *converter) replyOf(h *protocols.Header) {
	h.Del(protocols.NameTrailer)
	if err := f.classify(h, nil); err != nil {
		h.DelName(fieldClass) // the answer stands all the same
		h.DelName(fieldCoding)
	}
	if f.simple {
		return
	}
	if v := h.Lookup(fieldStatus); v != nil {
		if code, ok := number(v, math.MaxUint16); ok {
			h.Code = uint16(code)
			h.Status = httpStatus(h.Code)
		}
		h.DelName(fieldStatus)
		return
	}
	f.setNumber(h, entryStatus, int64(h.Status))
}

// httpStatus is HTTP's form of a Bolt status: the table of the codec, by which an answer's own status is known.
func httpStatus(code uint16) int {
	switch code {
	case 0:
		return 200
	case 4:
		return 503
	case 7:
		return 504
	case 16:
		return 502
	}
	return 500
}
