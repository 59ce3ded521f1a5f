package secure

import (
	"net"
	"time"
)

// wire is the net.Conn below a tls.Conn. While a handshake is under way it belongs to whoever runs the step, later to
// the loop.
type wire struct {
	s         *Conn
	handshake *handshake // nil when it is done
	record    []byte     // what Read returns next, lent
	out       []byte     // what Write adds to while encrypt runs, else nil
}

// wouldBlock is the temporary error that makes tls.Conn keep its state: it is asked again when a record is there.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "no record is there yet" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

// Read implements net.Conn. It never returns bytes together with an error, and never more than one record.
func (w *wire) Read(b []byte) (int, error) {
	for len(w.record) == 0 {
		if w.handshake == nil {
			return 0, wouldBlock{}
		}
		if !w.handshake.await() {
			return 0, errAborted
		}
		w.record = w.handshake.record()
	}
	n := copy(b, w.record)
	w.record = w.record[n:]
	return n, nil
}

// Write implements net.Conn. It takes everything: an error would end the tls.Conn.
func (w *wire) Write(b []byte) (int, error) {
	switch {
	case w.handshake != nil:
		w.handshake.out = append(w.handshake.out, b...)
	case w.out != nil:
		w.out = append(w.out, b...)
	default:
		w.s.answer(b)
	}
	return len(b), nil
}

// Close implements net.Conn: a Conn ends by itself.
func (w *wire) Close() error { return nil }

// LocalAddr implements net.Conn.
func (w *wire) LocalAddr() net.Addr { return w.s.raw.LocalAddr() }

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr { return w.s.raw.RemoteAddr() }

// SetDeadline implements net.Conn: the loop has the timers.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
