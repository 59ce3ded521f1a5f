package http2

import (
	"encoding/binary"

	"sluice/protocols"
)

// frameType is the type octet of a frame (RFC 9113 section 6).
type frameType uint8

const (
	frameData frameType = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePushPromise
	framePing
	frameGoAway
	frameWindowUpdate
	frameContinuation
	framePriorityUpdate frameType = 0x10 // RFC 9218 section 7.1
)

// Flags of frames.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// code is an error code (RFC 9113 section 7).
type code uint32

const (
	codeNone code = iota
	codeProtocol
	codeInternal
	codeFlowControl
	codeSettingsTimeout
	codeStreamClosed
	codeFrameSize
	codeRefusedStream
	codeCancel
	codeCompression
	codeConnect
	codeEnhanceYourCalm
	codeInadequateSecurity
	codeHTTP11Required
)

const (
	headerLen    = 9     // of a frame
	frameSize    = 16384 // the default of SETTINGS_MAX_FRAME_SIZE, which is what we take and send
	maxWindow    = 1<<31 - 1
	firstWindow  = 65535 // of every window, before anybody says otherwise (RFC 9113 section 6.9.2)
	maxStream    = 1<<31 - 1
	maxFrameSize = 1<<24 - 1
)

// frame is the header of a frame.
type frame struct {
	length int
	kind   frameType
	flags  uint8
	stream uint32
}

// parseFrame reads the header of a frame; b holds headerLen bytes or more. The reserved bit is ignored.
func parseFrame(b []byte) frame {
	_ = b[headerLen-1]
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   frameType(b[3]),
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & maxStream,
	}
}

func appendFrame(b []byte, length int, kind frameType, flags uint8, stream uint32) []byte {
	return append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

// control counts a frame that is not data, and goes out though nobody may be reading.
func (c *conn) control(out protocols.Output) {
	if out.Buffered() > protocols.OutputHigh {
		c.unread++
	}
}

// writeWord writes a frame whose payload is one 32-bit number: RST_STREAM and WINDOW_UPDATE.
func (c *conn) writeWord(out protocols.Output, kind frameType, stream, word uint32) {
	c.control(out)
	b := appendFrame(out.Reserve(headerLen+4), 4, kind, 0, stream)
	out.Commit(binary.BigEndian.AppendUint32(b, word))
}

func (c *conn) writeReset(out protocols.Output, stream uint32, why code) {
	c.writeWord(out, frameReset, stream, uint32(why))
}

func (c *conn) writePing(out protocols.Output, flags uint8, payload []byte) {
	c.control(out)
	out.Commit(append(appendFrame(out.Reserve(headerLen+8), 8, framePing, flags, 0), payload...))
}

func (c *conn) writeGoAway(out protocols.Output, last uint32, why code, text string) {
	b := appendFrame(out.Reserve(headerLen+8+len(text)), 8+len(text), frameGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, last)
	b = binary.BigEndian.AppendUint32(b, uint32(why))
	out.Commit(append(b, text...))
}
