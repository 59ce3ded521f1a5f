package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// h2load can't keep connections idle, so this program holds those of HTTP/2 itself: each makes one request by a few bytes of
// its own (RFC 9113), and then nothing.

// heldHTTP2 are idle HTTP/2 connections.
type heldHTTP2 struct{ conns []*net.TCPConn }

// The frames of section 6 that a client of one request meets.
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7
	flagAck, flagEndStream, flagEndHeaders                                     = 1, 1, 4
	frameHead                                                                  = 9
)

// holdHTTP2 opens n connections to a port on 127.0.0.1; the caller closes what it returns, even with an error.
func holdHTTP2(ctx context.Context, port int, w workload) (*heldHTTP2, error) {
	h := new(heldHTTP2)
	for range w.connections {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return h, err
		}
		tcp := conn.(*net.TCPConn)
		h.conns = append(h.conns, tcp)
		if err := getOnce(tcp, w.path, w.answer); err != nil {
			return h, fmt.Errorf("connection %d: %w", len(h.conns), err)
		}
	}
	return h, nil
}

// getOnce makes one request and reads its answer.
func getOnce(conn net.Conn, path string, answer int) error {
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	// Of the static table (RFC 7541, appendix A): 2 is GET, 6 is http; 4 and 1 are the names :path and :authority.
	const authority = "bench"
	block := append([]byte{0x82, 0x86, 0x04, byte(len(path))}, path...)
	block = append(append(block, 0x01, byte(len(authority))), authority...)
	hello := append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), http2Frame(frameSettings, 0, 0, nil)...)
	if _, err := conn.Write(append(hello, http2Frame(frameHeaders, flagEndStream|flagEndHeaders, 1, block)...)); err != nil {
		return err
	}
	got := 0
	// Small, and gone when the answer is there: thousands of connections need no buffers.
	for reader := bufio.NewReaderSize(conn, 1<<10); ; {
		var head [frameHead]byte
		if _, err := io.ReadFull(reader, head[:]); err != nil {
			return err
		}
		n, kind, flags := int(binary.BigEndian.Uint32(head[:])>>8), head[3], head[4]
		if n > 1<<14 {
			return fmt.Errorf("a frame of %d bytes", n)
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(reader, payload); err != nil {
			return err
		}
		switch kind {
		case frameSettings, framePing:
			if flags&flagAck != 0 {
				continue
			}
			if kind == frameSettings {
				payload = nil
			}
			if _, err := conn.Write(http2Frame(kind, flagAck, 0, payload)); err != nil {
				return err
			}
		case frameReset, frameGoAway:
			return fmt.Errorf("answered by a frame of type %d: % x", kind, payload)
		case frameData, frameHeaders:
			if kind == frameData {
				got += n
			}
			if flags&flagEndStream == 0 {
				continue
			}
			if got != answer {
				return fmt.Errorf("an answer of %d bytes instead of %d", got, answer)
			}
			return nil
		}
	}
}

// http2Frame is a frame as it is sent.
func http2Frame(kind, flags byte, stream uint32, payload []byte) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	frame = append(frame, flags)
	return append(binary.BigEndian.AppendUint32(frame, stream), payload...)
}

// alive counts the connections that the other side has not closed.
func (h *heldHTTP2) alive(context.Context) (int, error) {
	n := 0
	for _, conn := range h.conns {
		raw, err := conn.SyscallConn()
		if err != nil {
			return n, err
		}
		open := false
		if err := raw.Control(func(fd uintptr) { open = isOpen(int(fd)) }); err != nil {
			return n, err
		}
		if open {
			n++
		}
	}
	return n, nil
}

// isOpen reads away what a socket has; there may be acknowledgements.
func isOpen(fd int) bool {
	var bytes [1 << 10]byte
	for {
		n, _, err := unix.Recvfrom(fd, bytes[:], unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return true
		case err != nil || n == 0:
			return false
		}
	}
}

// close resets the connections: thousands of sockets in TIME_WAIT would burden who is measured next.
func (h *heldHTTP2) close() {
	for _, conn := range h.conns {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
}
