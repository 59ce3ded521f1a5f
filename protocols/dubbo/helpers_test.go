package dubbo

import (
	"bytes"
	"encoding/binary"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// first is the id of a client's first stream.
const first = 1 << 12

// address gives a frame another id.
func address(b []byte, id protocols.StreamID) { binary.BigEndian.PutUint64(b[4:], uint64(id)) }

func addressed(b []byte, id protocols.StreamID) []byte {
	b = bytes.Clone(b)
	address(b, id)
	return b
}

// request is a two-way call in Hessian 2, answer what answers it.
func request(id uint64, service, method, rest string) []byte {
	var body []byte
	for _, s := range []string{"2.0.2", service, "1.0", method} {
		body = append(appendLength(body, unitsOf([]byte(s))), s...)
	}
	return frameBytes(flagRequest|flagTwoWay|serializationHessian2, 0, id, string(body)+rest)
}

func answer(id uint64, status byte, body string) []byte {
	return frameBytes(serializationHessian2, status, id, body)
}

func frameBytes(flags, status byte, id uint64, body string) []byte {
	b := binary.BigEndian.AppendUint64([]byte{magic >> 8, magic & 0xff, flags, status}, id)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(body))), body...)
}

// end is one codec with its owner.
type end struct {
	tb    testing.TB
	codec protocols.Multiplexer
	env   *protocols.Env
	sink  protocoltest.Recorder
	out   protocoltest.Output
	left  []byte
	err   error
}

func newEnd(tb testing.TB, server bool, l protocols.Limits) *end {
	e := &end{tb: tb, env: protocols.NewEnv(l)}
	p := Protocol()
	if server {
		e.codec = p.Server(e.env).(protocols.Multiplexer)
	} else {
		e.codec = p.Client(e.env).(protocols.Multiplexer)
	}
	return e
}

// receive gives the codec b behind what it has left, in pieces of at most size.
func (e *end) receive(b []byte, size int) {
	e.tb.Helper()
	for len(b) > 0 && e.err == nil {
		k := min(size, len(b))
		e.left = append(e.left, b[:k]...)
		b = b[k:]
		for e.err == nil {
			n, err := e.codec.Decode(1, bytes.Clone(e.left), &e.sink, &e.out)
			if n < 0 || n > len(e.left) {
				e.tb.Fatalf("Decode used %d of %d bytes", n, len(e.left))
			}
			e.left, e.err = e.left[n:], err
			if n == 0 || len(e.left) == 0 && !e.codec.Status().Yielded {
				break
			}
		}
	}
}

// encode encodes ev, all of it.
func (e *end) encode(ev protocols.Event) protocols.StreamID {
	e.tb.Helper()
	if n, err := e.codec.Encode(1, &ev, &e.out); err != nil || n != len(ev.Data) {
		e.tb.Fatalf("%s: took %d of %d, %v", ev.Kind, n, len(ev.Data), err)
	}
	return ev.Stream
}

// newHop joins a server codec to a client codec, which passes its requests on.
func newHop(tb testing.TB, l protocols.Limits) (down, up *end, ids map[protocols.StreamID]protocols.StreamID) {
	down, up, ids = newEnd(tb, true, l), newEnd(tb, false, l), map[protocols.StreamID]protocols.StreamID{}
	down.sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindHead || ev.Kind == protocols.KindData {
			e := *ev
			e.Stream = ids[ev.Stream]
			ids[ev.Stream] = up.encode(e)
			up.codec.Drained(1, &up.sink, &up.out)
		}
		return protocols.More
	}
	return down, up, ids
}
