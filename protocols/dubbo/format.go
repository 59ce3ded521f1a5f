package dubbo

import (
	"encoding/binary"

	"sluice/protocols"
	"sluice/protocols/rpc"
)

// The fixed part of a frame. Numbers are big-endian.
//
//	 0  0xdabb
//	 2  flags: request, two-way, event; 5 bits of serialization
//	 3  status of an answer
//	 4  request id        64 bits
//	12  length of the body 32 bits
//	16
const (
	fixedLen = 16
	magic    = 0xdabb

	flagRequest       = 0x80
	flagTwoWay        = 0x40
	flagEvent         = 0x20
	serializationMask = 0x1f

	serializationHessian2 = 2

	// eventReadOnly is the data of the event that ends the calls over a connection.
	eventReadOnly = "\x01R"
	// dubboVersion is what a request says whose head came without it: the protocol's version, which is not the library's.
	dubboVersion = "2.0.2"
)

// nameField is one of the strings that a request begins with.
type nameField struct {
	name string
	id   protocols.NameID
}

// nameFields are the strings in their order; the version of Dubbo comes first.
var nameFields = [...]nameField{{name: "dubbo"}, {name: "service", id: protocols.NameService}, {name: "version"}, {name: "method"}}

// format implements rpc.Format. Its marks are serializations.
type format struct{}

// Parse implements rpc.Format.
func (format) Parse(x *rpc.Frame, b []byte, l *protocols.Limits) *rpc.Rule {
	switch {
	case len(b) > 0 && b[0] != magic>>8, len(b) > 1 && b[1] != magic&0xff:
		return ruleMagic
	case len(b) < fixedLen:
		return nil
	}
	flags := b[2]
	x.Mark = rpc.Mark(flags & serializationMask)
	x.Status = uint16(b[3])
	x.ID = binary.BigEndian.Uint64(b[4:])
	x.Kind = kindOf(flags)
	x.Content = int(binary.BigEndian.Uint32(b[12:]))
	if x.Content > l.ContentBytes {
		return rpc.RuleContent
	}
	size := fixedLen + x.Content
	named := hasNames(flags)
	if (named || flags&flagEvent != 0) && size <= rpc.Whole && len(b) < size {
		return nil
	}
	b = b[:min(len(b), size)]
	if flags&flagEvent != 0 {
		x.Command = commandOf(flags, b[fixedLen:])
	}
	if !named {
		x.Head = fixedLen
		return nil
	}
	head, found := scanNames(nil, b, l.ClassBytes)
	switch {
	case found == scanMore && len(b) >= size, found == scanBad:
		return ruleNames
	case found == scanMore && len(b) >= l.HeadBytes:
		return rpc.RuleHead
	case found == scanMore:
		return nil
	case found == scanLong:
		return ruleName
	}
	x.Head, x.Content = head, size-head
	return nil
}

func kindOf(flags uint8) rpc.Kind {
	switch {
	case flags&flagRequest == 0:
		return rpc.Answer
	case flags&flagTwoWay != 0:
		return rpc.Request
	}
	return rpc.OneWay
}

// hasNames reports whether the body of a frame begins with the names of what is called.
func hasNames(flags uint8) bool {
	return flags&(flagRequest|flagEvent) == flagRequest && flags&serializationMask == serializationHessian2
}

// commandOf says what an event is about. The data of one in another serialization than Hessian 2 is not looked at.
func commandOf(flags uint8, data []byte) rpc.Command {
	switch {
	case flags&flagRequest == 0, flags&serializationMask != serializationHessian2, len(data) == 0, data[0] == hessianNull:
		return rpc.Heartbeat
	case string(data) == eventReadOnly:
		return rpc.GoAway
	}
	return rpc.Ignored
}

// scanNames reads the names behind the fixed part of a frame, each at most limit bytes, and adds them to h if there is one.
// head is their end.
func scanNames(h *protocols.Header, b []byte, limit int) (head int, s scan) {
	head = fixedLen
	for i := range nameFields {
		off, next, s := scanString(b, head, limit)
		switch s {
		case scannedNull:
		case scanned:
			if h != nil {
				h.AddNamed(nameFields[i].id, nameFields[i].name, off, next-off)
			}
		case scanMore, scanBad, scanLong:
			return 0, s
		}
		head = next
	}
	return head, scanned
}

// ReadHead implements rpc.Format.
func (format) ReadHead(h *protocols.Header, f *rpc.Frame, b []byte, fields int) *rpc.Rule {
	h.CopyWire(b)
	if f.Kind == rpc.Answer {
		h.Code, h.Status = f.Status, httpStatus(f.Status)
		return nil
	}
	if !hasNames(b[2]) {
		return nil
	}
	scanNames(h, b, len(b)) // Parse has found them all
	if h.Len() > fields {
		return ruleFields
	}
	return nil
}

// Begin implements rpc.Format.
func (format) Begin(x *rpc.Frame, mark rpc.Mark, h *protocols.Header) (size int, err error) {
	wire, same := h.Wire()
	if h.Proto != protocols.ProtocolDubbo || (wire[2]&flagRequest == 0) != (x.Kind == rpc.Answer) {
		wire, same = nil, false
	}
	if x.Kind == rpc.Answer {
		if x.Mark = mark; wire != nil {
			x.Mark = rpc.Mark(wire[2] & serializationMask)
		}
		x.Status = answerStatus(h)
		return fixedLen, nil
	}
	if h.OneWay {
		x.Kind = rpc.OneWay
	}
	x.Mark = serializationHessian2
	if wire != nil {
		x.Mark = rpc.Mark(wire[2] & serializationMask)
	}
	if x.Same = same || wire != nil && !hasNames(wire[2]); x.Same {
		return len(wire), nil
	}
	return sizeOfNames(h, wire != nil)
}

// answerStatus is the status of the answer that h heads: the one that it came with, unless that was changed.
func answerStatus(h *protocols.Header) uint16 {
	if h.Proto == protocols.ProtocolDubbo && httpStatus(h.Code) == h.Status {
		return h.Code
	}
	return dubboStatus(h.Status)
}

// sizeOfNames is an upper bound of the head that is made of the fields of h. One that came as Dubbo's is taken as it is.
func sizeOfNames(h *protocols.Header, dubbo bool) (size int, err error) {
	size = fixedLen + len(nameFields)*3 + len(dubboVersion)
	for i := range nameFields {
		v := h.Lookup(nameFields[i].name)
		if v == nil && i&1 == 1 && !dubbo { // service and method
			return 0, errNames
		}
		if units := unitsOf(v); units < 0 || units > chunkMax {
			return 0, errName
		}
		size += len(v)
	}
	return size, nil
}

// AppendHead implements rpc.Format.
func (format) AppendHead(b []byte, x *rpc.Frame, h *protocols.Header) []byte {
	start := len(b)
	if x.Same {
		wire, _ := h.Wire()
		b = append(b, wire...)
	} else {
		b = append(b, make([]byte, fixedLen)...)
		if x.Kind != rpc.Answer {
			b = appendNames(b, h)
		}
	}
	putFixed(b[start:], x, flagsOf(x), len(b)-start-fixedLen+x.Content)
	return b
}

// appendNames appends the names that h's fields are.
func appendNames(b []byte, h *protocols.Header) []byte {
	for i := range nameFields {
		switch v := h.Lookup(nameFields[i].name); {
		case v != nil:
			b = append(appendLength(b, unitsOf(v)), v...)
		case i == 0 && h.Proto != protocols.ProtocolDubbo:
			b = append(appendLength(b, len(dubboVersion)), dubboVersion...)
		default:
			b = append(b, hessianNull)
		}
	}
	return b
}

// flagsOf are the flags of a frame that is no event.
func flagsOf(x *rpc.Frame) uint8 {
	flags := uint8(x.Mark) & serializationMask
	switch x.Kind {
	case rpc.Request:
		flags |= flagRequest | flagTwoWay
	case rpc.OneWay:
		flags |= flagRequest
	case rpc.Answer:
	}
	return flags
}

// putFixed writes the fixed part of a frame.
func putFixed(b []byte, x *rpc.Frame, flags uint8, body int) {
	_ = b[fixedLen-1]
	binary.BigEndian.PutUint16(b, magic)
	b[2] = flags
	b[3] = 0
	if x.Kind == rpc.Answer {
		b[3] = uint8(x.Status)
	}
	binary.BigEndian.PutUint64(b[4:], x.ID)
	binary.BigEndian.PutUint32(b[12:], uint32(body))
}

// AppendOwn implements rpc.Format.
func (format) AppendOwn(b []byte, x *rpc.Frame, reason protocols.Reason) []byte {
	own := *x
	own.Mark = serializationHessian2
	flags := flagsOf(&own)
	start := len(b)
	b = append(b, make([]byte, fixedLen)...)
	switch x.Command {
	case rpc.Heartbeat:
		flags |= flagEvent
		b = append(b, hessianNull)
	case rpc.GoAway:
		flags = flags&^flagTwoWay | flagEvent
		b = append(b, eventReadOnly...)
	default:
		b = appendReason(b, reason)
	}
	putFixed(b[start:], x, flags, len(b)-start-fixedLen)
	return b
}

// appendReason appends the text of an answer without a result, which a Dubbo client puts into its exception.
func appendReason(b []byte, reason protocols.Reason) []byte {
	const by = "sluice: "
	if reason == protocols.ReasonNone {
		return append(appendLength(b, len(by+"no result")), by+"no result"...)
	}
	name, text := reason.String(), reason.Text()
	b = appendLength(b, len(by)+len(name)+2+len(text))
	b = append(append(b, by...), name...)
	return append(append(b, ": "...), text...)
}

// Status implements rpc.Format.
func (format) Status(status int, _ rpc.Mark) uint16 { return dubboStatus(status) }
