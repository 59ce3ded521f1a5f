package bolt

import (
	"encoding/binary"

	"sluice/protocols/rpc"
)

// What the fields of a frame may hold.
const (
	version1 = 1 // the first byte of a frame
	version2 = 2

	kindResponse = 0
	kindRequest  = 1
	kindOneWay   = 2

	commandHeartbeat = 0
	commandRequest   = 1
	commandResponse  = 2
	commandGoAway    = 100 // MOSN's extension

	codingHessian2 = 1

	switchSum = 1 // bit of version 2's switch byte: a CRC32 follows the content
)

const (
	sumBytes = 4
	maxBlock = 1<<16 - 1 // the header block's length is a 16-bit number
	maxFixed = 24
	// noTimeout is how a request says that it waits for ever.
	noTimeout = 1<<32 - 1
)

// A frame is the fixed part of a frame. Numbers are big-endian.
//
//	version 1                              version 2
//	 0  1                                   0  2
//	                                        1  ver1: with 2, the switch byte counts
//	 1  type: response, request, one-way    2
//	 2  command                    16 bits  3
//	 4  ver2                                5
//	 5  request id                 32 bits  6
//	 9  coding of class and content        10
//	                                       11  switch
//	10  request: timeout in ms     32 bits 12
//	    response: status           16 bits
//	14  class, header block        16 bits 16  (response: 12, 14)
//	18  content                    32 bits 20  (response: 16, 18)
//	22  (response: 20)                     24  (response: 22)
//
// Behind it are class, header block and content, and behind these 4 bytes of CRC32 (IEEE) over all the others when
// version is 2, ver1 is 2 and bit 0 of the switch is set.
type frame struct {
	id      uint32
	timeout uint32 // of a request
	content int
	command uint16
	status  uint16 // of a response
	class   uint16
	block   uint16
	version uint8
	ver1    uint8
	kind    uint8
	ver2    uint8
	coding  uint8
	toggles uint8 // the switch byte
}

// parse reads the fixed part at the start of b; n is its length, or 0 when b is too short.
func (f *frame) parse(b []byte) (n int, r *rpc.Rule) {
	if len(b) == 0 {
		return 0, nil
	}
	f.version = b[0]
	if f.version != version1 && f.version != version2 {
		return 0, ruleVersion
	}
	more := int(f.version - version1) // version 2 has one byte more in front of the type, and one behind the coding
	if len(b) < 2+more {
		return 0, nil
	}
	f.kind = b[1+more]
	if f.kind > kindOneWay {
		return 0, ruleKind
	}
	n = fixedLen(f.version, f.kind)
	if len(b) < n {
		return 0, nil
	}
	b = b[:n]
	f.command = binary.BigEndian.Uint16(b[2+more:])
	f.ver2 = b[4+more]
	f.id = binary.BigEndian.Uint32(b[5+more:])
	f.coding = b[9+more]
	if more != 0 {
		f.ver1, f.toggles = b[1], b[11]
	}
	if f.kind == kindResponse {
		f.status = binary.BigEndian.Uint16(b[10+2*more:])
	} else {
		f.timeout = binary.BigEndian.Uint32(b[10+2*more:])
	}
	f.class = binary.BigEndian.Uint16(b[n-8:])
	f.block = binary.BigEndian.Uint16(b[n-6:])
	f.content = int(binary.BigEndian.Uint32(b[n-4:]))
	return n, nil
}

// fixedLen is the length of a frame's fixed part.
func fixedLen(version, kind uint8) int {
	n := 20
	if kind != kindResponse {
		n = 22
	}
	return n + 2*int(version-version1)
}

// idOffset is where a frame's request id is.
func idOffset(version uint8) int { return 4 + int(version) }

// summed reports whether a CRC32 ends the frame.
func (f *frame) summed() bool { return summed(f.version, f.ver1, f.toggles) }

func summed(version, ver1, toggles uint8) bool {
	return version == version2 && ver1 == 2 && toggles&switchSum != 0
}

// append appends the fixed part to b.
func (f *frame) append(b []byte) []byte {
	b = append(b, f.version)
	if f.version == version2 {
		b = append(b, f.ver1)
	}
	b = append(b, f.kind, byte(f.command>>8), byte(f.command), f.ver2)
	b = binary.BigEndian.AppendUint32(b, f.id)
	b = append(b, f.coding)
	if f.version == version2 {
		b = append(b, f.toggles)
	}
	if f.kind == kindResponse {
		b = binary.BigEndian.AppendUint16(b, f.status)
	} else {
		b = binary.BigEndian.AppendUint32(b, f.timeout)
	}
	b = binary.BigEndian.AppendUint16(b, f.class)
	b = binary.BigEndian.AppendUint16(b, f.block)
	return binary.BigEndian.AppendUint32(b, uint32(f.content))
}
