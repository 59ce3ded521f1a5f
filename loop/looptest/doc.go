// Package looptest runs the real reactor on a simulated operating system: sockets are buffers in memory, peers are
// scripted, and time passes when a test says so. It is deterministic and needs no port.
//
//	l := looptest.New(t)
//	client := l.Connect(acceptor)                     // an accepted connection; acceptor gives its handler
//	l.Listen(upstream, func(p *looptest.Peer) {       // who answers Dial to that address
//		p.OnReceive(func(b []byte) { p.Send("HTTP/1.1 204 No Content\r\n\r\n") })
//	})
//	client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
//	l.Run()                                           // until nothing happens any more
//	got := client.Take()
//	l.Advance(30 * time.Second)                       // timers fire in order
//
// How bytes arrive is chosen with Reads, Writes, Peer.Window and Faults. Contract is the suite that both this package
// and the real sockets of package loop pass.
package looptest
