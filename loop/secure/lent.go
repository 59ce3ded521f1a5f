package secure

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"slices"
	"unsafe"
)

// recordBuffer holds the longest record and what tls.Conn likes to read beyond one.
const recordBuffer = 20 << 10

// A tls.Conn keeps the buffer in which it decrypts for good, as long as the longest record that ever came: 18 KiB after
// an upload, for every idle connection. It gets whole records here, so that buffer is empty between two calls of Read,
// and one for each loop is enough. Only the field has no name outside crypto/tls: inputs finds it by its name and type.
// Should another version of Go have no such field, each connection keeps its buffer and nothing else changes; the test
// of idle memory tells.

// An inputs is where the buffers of a tls.Conn are: offsets, negative if unknown.
type inputs struct{ records, messages int }

func findInputs() inputs {
	find := func(name string) int {
		f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
		if !ok || f.Type != reflect.TypeFor[bytes.Buffer]() {
			return -1
		}
		return int(f.Offset)
	}
	return inputs{records: find("rawInput"), messages: find("hand")}
}

// buffer is the one at an offset, nil if that is unknown.
func buffer(c *tls.Conn, offset int) *bytes.Buffer {
	if offset < 0 {
		return nil
	}
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), offset))
}

// read is s.tls.Read with the loop's buffer.
func (s *Conn) read(b []byte) (int, error) {
	own := buffer(s.tls, s.engine.inputs.records)
	if own == nil || own.Len() > 0 {
		return s.tls.Read(b)
	}
	*own = *bytes.NewBuffer(s.engine.record[:0])
	n, err := s.tls.Read(b)
	if own.Len() == 0 {
		*own = bytes.Buffer{}
	} else {
		*own = *bytes.NewBuffer(slices.Clone(own.Bytes()))
	}
	return n, err
}

// release gives up what the handshake has left in buffers.
func (s *Conn) release() {
	for _, offset := range [...]int{s.engine.inputs.records, s.engine.inputs.messages} {
		if b := buffer(s.tls, offset); b != nil && b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}
