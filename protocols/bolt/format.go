package bolt

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"sluice/protocols"
	"sluice/protocols/rpc"
)

// reasonKey is the key under which an answer of the gateway's own names its reason.
const reasonKey = "sluice-reason"

// framed are the fields of other protocols that a frame says by itself.
var framed = protocols.NameSetOf(protocols.NameContentLength)

// spec is Bolt for package rpc.
var spec = &rpc.Spec{ID: protocols.ProtocolBolt, Format: format{}}

func newServer(env *protocols.Env) *rpc.Server { return rpc.NewServer(spec, env) }

func newClient(env *protocols.Env) *rpc.Client { return rpc.NewClient(spec, env) }

// format implements rpc.Format. Its marks are what an answer repeats of its request.
type format struct{}

// mark packs version, ver1, ver2, coding and switch.
func (f *frame) mark() rpc.Mark {
	return rpc.Mark(f.version) | rpc.Mark(f.ver1)<<8 | rpc.Mark(f.ver2)<<16 | rpc.Mark(f.coding)<<24 | rpc.Mark(f.toggles)<<32
}

// marked is a frame with the parts that a mark has.
func marked(m rpc.Mark) frame {
	return frame{version: markedVersion(m), ver1: uint8(m >> 8), ver2: uint8(m >> 16), coding: uint8(m >> 24), toggles: uint8(m >> 32)}
}

// markedVersion is 1 on a connection over which nothing has come.
func markedVersion(m rpc.Mark) uint8 { return max(uint8(m), version1) }

// Parse implements rpc.Format.
func (format) Parse(x *rpc.Frame, b []byte, l *protocols.Limits) *rpc.Rule {
	var f frame
	fixed, r := f.parse(b)
	if fixed == 0 || r != nil {
		return r
	}
	x.ID = uint64(f.id)
	x.Mark = f.mark()
	x.Head = fixed + int(f.class) + int(f.block)
	x.Content = f.content
	x.Timeout = f.timeout
	x.Status = f.status
	x.Command = commandOf(&f)
	x.Kind = rpc.Kind(f.kind)
	x.Sum = f.summed()
	if int(f.class) > l.ClassBytes {
		return ruleClass
	}
	return nil
}

func commandOf(f *frame) rpc.Command {
	switch response := f.kind == kindResponse; {
	case f.command == commandHeartbeat:
		return rpc.Heartbeat
	case f.command == commandResponse && response, f.command == commandRequest && !response:
		return rpc.Call
	case f.command == commandGoAway && !response:
		return rpc.GoAway
	}
	return rpc.Unknown
}

// ReadHead implements rpc.Format.
func (format) ReadHead(h *protocols.Header, f *rpc.Frame, b []byte, fields int) *rpc.Rule {
	version := b[0]
	fixed := fixedLen(version, uint8(f.Kind))
	class := int(binary.BigEndian.Uint16(b[fixed-8:]))
	h.Lend(b)
	h.SpanWire(len(b))
	h.SpanClass(fixed, class)
	h.Minor = version
	h.Coding = b[idOffset(version)+4]
	if f.Kind == rpc.Answer {
		h.Code, h.Status = f.Status, httpStatus(f.Status)
	} else {
		h.Timeout = max(int64(int32(f.Timeout)), -1)
	}
	return scanBlock(h, b, fixed+class, fields)
}

// Begin implements rpc.Format.
func (format) Begin(x *rpc.Frame, mark rpc.Mark, h *protocols.Header) (size int, err error) {
	wire, same := h.Wire()
	if h.Proto != protocols.ProtocolBolt {
		wire, same = nil, false
	}
	var version uint8
	if x.Kind == rpc.Answer {
		version = markedVersion(mark)
		x.Status = answerStatus(h, version)
		same = same && wire[0] == version && wire[version] == kindResponse
	} else {
		if version = version1; wire != nil {
			version = wire[0]
		}
		if h.OneWay {
			x.Kind = rpc.OneWay
		}
		x.Timeout = timeoutOf(h, wire != nil)
		mark = rpc.Mark(version) | requestMark
		same = same && wire[version] != kindResponse
	}
	if same {
		// What the frame shares with its call, the wire form has: only Sum is asked for.
		x.Mark, x.Sum, x.Same = mark, version == version2 && summed(version, wire[1], wire[11]), true
		return len(wire), nil
	}
	f := marked(mark)
	if wire != nil {
		f.inherit(wire)
		f.coding = h.Coding
	} else if h.Coding != 0 {
		f.coding = h.Coding
	}
	x.Mark, x.Sum = f.mark(), f.summed()
	class, block := len(h.Class()), blockLen(h, skipped(h))
	switch {
	case class > maxBlock:
		return 0, errClass
	case block > maxBlock:
		return 0, errBlock
	}
	return maxFixed + class + block, nil
}

// requestMark is what a request has whose head has no wire form: ver1, ver2 and coding.
const requestMark = 1<<8 | 1<<16 | codingHessian2<<24

// timeoutOf is what the request that h heads says of its deadline; bolt says that h has a wire form.
func timeoutOf(h *protocols.Header, bolt bool) uint32 {
	switch {
	case h.Timeout > 0:
		return uint32(min(h.Timeout, math.MaxInt32))
	case h.Timeout == 0 && bolt:
		return 0
	}
	return noTimeout
}

// skipped are the fields of h that a header block leaves out.
func skipped(h *protocols.Header) protocols.NameSet {
	if h.Proto == protocols.ProtocolBolt {
		return 0
	}
	return framed
}

// inherit takes from a head's wire form what the codec does not decide, when the versions are the same.
func (f *frame) inherit(wire []byte) {
	switch {
	case wire[0] != f.version:
	case f.version == version1:
		f.ver2 = wire[4]
	default:
		f.ver1, f.ver2, f.toggles = wire[1], wire[5], wire[11]
	}
}

// answerStatus is the status of the answer that h heads: the one that it came with, unless that was changed.
func answerStatus(h *protocols.Header, version uint8) uint16 {
	if (h.Proto == protocols.ProtocolBolt || h.Code != 0) && httpStatus(h.Code) == h.Status {
		return h.Code
	}
	return boltStatus(h.Status, version)
}

// frameOf is the fixed part of x.
func frameOf(x *rpc.Frame) frame {
	f := marked(x.Mark)
	f.id, f.timeout, f.status, f.content, f.kind = uint32(x.ID), x.Timeout, x.Status, x.Content, uint8(x.Kind)
	switch {
	case x.Command == rpc.Heartbeat:
		f.command = commandHeartbeat
	case x.Command == rpc.GoAway:
		f.command = commandGoAway
	case x.Kind == rpc.Answer:
		f.command = commandResponse
	default:
		f.command = commandRequest
	}
	return f
}

// AppendHead implements rpc.Format.
func (format) AppendHead(b []byte, x *rpc.Frame, h *protocols.Header) []byte {
	if x.Same {
		wire, _ := h.Wire()
		start := len(b)
		b = append(b, wire...)
		patch(b[start:], x, h.Coding)
		return b
	}
	f := frameOf(x)
	class, skip := h.Class(), skipped(h)
	f.class, f.block = uint16(len(class)), uint16(blockLen(h, skip))
	return appendBlock(append(f.append(b), class...), h, skip)
}

// patch writes what a gateway may change in a frame that it forwards into its fixed part, at the start of b: type, id,
// coding, timeout or status, and the length of the content.
func patch(b []byte, x *rpc.Frame, coding uint8) {
	version := b[0]
	kind := uint8(x.Kind)
	n := fixedLen(version, kind)
	b = b[:n]
	b[version] = kind
	id := idOffset(version)
	binary.BigEndian.PutUint32(b[id:], uint32(x.ID))
	b[id+4] = coding
	if kind == kindResponse {
		binary.BigEndian.PutUint16(b[n-10:], x.Status)
	} else {
		binary.BigEndian.PutUint32(b[n-12:], x.Timeout)
	}
	binary.BigEndian.PutUint32(b[n-4:], uint32(x.Content))
}

// AppendOwn implements rpc.Format: a frame without class and content.
func (format) AppendOwn(b []byte, x *rpc.Frame, reason protocols.Reason) []byte {
	f := frameOf(x)
	if x.Kind == rpc.Request {
		f.ver1, f.ver2, f.coding, f.toggles, f.timeout = 2, 1, codingHessian2, 0, noTimeout
	}
	name := ""
	if reason != protocols.ReasonNone {
		name = reason.String()
		f.block = uint16(8 + len(reasonKey) + len(name))
	}
	start := len(b)
	b = f.append(b)
	if f.block > 0 {
		b = appendString(appendString(b, reasonKey), name)
	}
	if f.summed() {
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
	}
	return b
}

// Status implements rpc.Format.
func (format) Status(status int, mark rpc.Mark) uint16 {
	return boltStatus(status, markedVersion(mark))
}
