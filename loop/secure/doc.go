// Package secure is TLS on a loop: a loop.Conn over a loop.Conn, so that no codec knows whether bytes came through it. The
// cryptography is crypto/tls's own *tls.Conn, without a fork.
//
// # Use
//
// Each loop has an Engine. A listener's Acceptor returns Engine.Server as the handler of an accepted socket, and gives it
// the Acceptor that is asked when the handshake is done; what dials calls Engine.Dial instead of Loop.Dial. The Conn that
// these handlers get is a *Conn, which also knows the handshake's outcome (State).
//
//	func (l *listener) Accept(c loop.Conn) loop.Handler { return l.engine.Server(c, l.tls, l.sessions) }
//
// # Handshakes
//
// A handshake is a coroutine (iter.Pull): it runs until it wants bytes that have not come, and is then no more than a
// parked stack. The loop does all input and output. A coroutine is made when a whole ClientHello is there, so that silent
// sockets and halves of messages cost a timer; it is resumed when whole records are there. Each such step runs on a
// worker (Workers: one thread per core, of the lowest priority), so a worker never waits for a peer, and public-key
// cryptography does not keep loops from others. Steps that others would hardly notice a loop runs itself (thrift.go): where
// hardly anybody else is there, where such steps are few, and those of resumed sessions of TLS 1.2; never those of a handshake
// that verifies a chain. How many handshakes may be under way is bounded. Tests run the steps on the loop (Inline), in virtual
// time.
//
// # Records
//
// tls.Conn gets whole records only, one for each Read: what is incomplete stays in the socket's unconsumed input, and a
// tls.Conn never holds more than it has decrypted. When it wants more it is told so by a temporary error. What handlers
// write is gathered in one buffer and becomes records at the end of the batch of events (loop.Layer), or as soon as it
// fills one, so that small writes share a record and a write to the kernel.
//
// # Ends
//
// CloseWrite and the soft Closes send close_notify before the FIN. The peer's close_notify is ReadClosed. So is a FIN
// without it, as TLS leaves to the application whether that is an error; Conn.Truncated tells, and who takes the end of
// the connection for the end of a message must ask.
//
// # Memory
//
// An idle connection has a Conn (about 250 bytes) and a tls.Conn without buffers: 4 KiB with TLS 1.2, 6 to 8 KiB with 1.3,
// whatever it has carried. All buffers belong to the Engine; lent.go says how tls.Conn comes to use them. A handshake
// that waits for its peer has a stack and a few buffers, about 10 KiB, and what crypto/tls keeps of a message that has begun,
// up to 256 KiB. A lobby (EngineOptions.Lobby) bounds all of it.
//
// Nothing of ours is allocated for what is read and written. crypto/tls allocates one or two objects of 24 bytes for each
// record that it reads (its atLeastReader), and none for what it writes.
package secure
