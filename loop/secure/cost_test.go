//go:build !race

package secure_test

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/loop/secure"
)

// exchange is a client of ours and crypto/tls's, and 200 bytes each way.
type exchange struct {
	l      *looptest.Loop
	client *script
	server *endpoint
	body   []byte
	buf    []byte
}

func newExchange(t testing.TB, version uint16) *exchange {
	x := &exchange{l: looptest.New(t), body: make([]byte, 200)}
	engine := secure.NewEngine(x.l.Loop, secure.EngineOptions{Executor: secure.Inline{}})
	server, client := newAuthority(t).pair(t, version)
	x.server = &endpoint{}
	x.server.answer = func(c loop.Conn, b []byte) {
		x.server.got = x.server.got[:0]
		write(c, "HTTP/1.1 200 OK\r\n\r\n") // a head, and then a body
		c.Write(b)
	}
	p := x.l.Connect(acceptor(func(c loop.Conn) loop.Handler {
		return engine.Server(c, &secure.Config{TLS: server}, x.server)
	}))
	x.client = run(t, p, func(s *script) {
		s.tls = tls.Client(s, client)
		s.err = s.tls.Handshake()
		s.ready = true
	})
	x.l.Run()
	if !x.client.ready || x.client.err != nil {
		t.Fatalf("the handshake failed: %v", x.client.err)
	}
	p.Discard()
	p.OnReceive(nil)
	x.client.direct = true
	x.buf = make([]byte, 32<<10)
	return x
}

func (x *exchange) once(t testing.TB) {
	_, _ = x.client.tls.Write(x.body)
	x.l.Run()
	if n, err := x.client.tls.Read(x.buf); err != nil || n != 219 {
		t.Fatal(n, err)
	}
}

// half is a net.Conn that blocks during the handshake and never again: what one end writes the other reads.
type half struct {
	net.Conn
	other  *half
	in     []byte
	direct bool
}

func (m *half) Read(b []byte) (int, error) {
	if !m.direct {
		return m.Conn.Read(b)
	}
	n := copy(b, m.in)
	m.in = m.in[:copy(m.in, m.in[n:])]
	return n, nil
}

func (m *half) Write(b []byte) (int, error) {
	if !m.direct {
		return m.Conn.Write(b)
	}
	m.other.in = append(m.other.in, b...)
	return len(b), nil
}

// plainPair is the same exchange between two of crypto/tls's connections alone.
func plainPair(t testing.TB, version uint16) func() {
	server, client := newAuthority(t).pair(t, version)
	server.SessionTicketsDisabled = true // nobody reads behind the handshake
	a, b := &half{}, &half{}
	a.other, b.other = b, a
	a.Conn, b.Conn = net.Pipe()
	left, right := tls.Server(a, server), tls.Client(b, client)
	done := make(chan error)
	go func() { done <- right.Handshake() }()
	if err := errors.Join(left.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	a.direct, b.direct = true, true
	buf, body := make([]byte, 32<<10), make([]byte, 200)
	return func() {
		_, _ = right.Write(body)
		n, err := left.Read(buf)
		if err != nil || n != 200 {
			t.Fatal(n, err)
		}
		_, _ = left.Write(buf[:219])
		if n, err = right.Read(buf); err != nil || n != 219 {
			t.Fatal(n, err)
		}
	}
}

func TestAllocations(t *testing.T) {
	for name, version := range versions() {
		t.Run(name, func(t *testing.T) {
			x := newExchange(t, version)
			plain := plainPair(t, version)
			measure := func(f func()) float64 {
				f()
				return testing.AllocsPerRun(5, func() {
					for range 1000 {
						f()
					}
				})
			}
			ours, theirs := measure(func() { x.once(t) }), measure(plain)
			t.Logf("1000 exchanges: %.0f allocations, of which crypto/tls makes %.0f", ours, theirs)
			if ours > theirs {
				t.Errorf("%.0f allocations of our own in 1000 exchanges", ours-theirs)
			}
		})
	}
}

func BenchmarkExchange(b *testing.B) {
	b.Run("without TLS", func(b *testing.B) { // what the simulated loop costs
		l := looptest.New(b)
		h := &endpoint{}
		h.answer = func(c loop.Conn, b []byte) {
			h.got = h.got[:0]
			write(c, "HTTP/1.1 200 OK\r\n\r\n")
			c.Write(b)
		}
		p := l.Connect(h)
		body := make([]byte, 200)
		b.ReportAllocs()
		for b.Loop() {
			p.SendBytes(body)
			l.Run()
			p.Discard()
		}
	})
	for name, version := range versions() {
		b.Run("ours/"+name, func(b *testing.B) {
			x := newExchange(b, version)
			b.ReportAllocs()
			for b.Loop() {
				x.once(b)
			}
		})
		b.Run("pair/"+name, func(b *testing.B) {
			once := plainPair(b, version)
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
		})
	}
}

// TestIdleMemory measures what a connection costs that has carried small requests, and one that has carried an upload.
func TestIdleMemory(t *testing.T) {
	for name, version := range versions() {
		for kind, c := range map[string]struct{ size, limit int }{
			"small":  {200, 10 << 10},
			"upload": {16 << 10, 20 << 10},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				const n = 200
				l := looptest.New(t)
				engine := secure.NewEngine(l.Loop, secure.EngineOptions{Executor: secure.Inline{}})
				server, client := newAuthority(t).pair(t, version)
				server.SessionTicketsDisabled = true
				conns := make([]loop.Conn, 0, n)
				cfg := &secure.Config{TLS: server}
				heap := func() uint64 {
					runtime.GC()
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					return m.HeapAlloc + m.StackInuse
				}
				var peers []*looptest.Peer
				connect := func(a loop.Acceptor) {
					p := l.Connect(a)
					peers = append(peers, p)
					s := tlsClient(t, p, client)
					l.Run()
					_, _ = s.tls.Write(make([]byte, c.size))
					l.Run()
					p.OnReceive(func([]byte) {})
					p.OnEOF(nil)
					s.stop() // the client's memory is not of interest
					s.p, s.tls, s.in, s.got = nil, nil, nil, nil
					p.Take()
				}
				secureConn := acceptor(func(raw loop.Conn) loop.Handler {
					return engine.Server(raw, cfg, acceptor(func(c loop.Conn) loop.Handler {
						conns = append(conns, c)
						return discard{}
					}))
				})
				for range 10 {
					connect(secureConn)
				}
				before := heap()
				for range n {
					connect(secureConn)
				}
				between := heap()
				for range n {
					peers = append(peers, l.Connect(acceptor(func(loop.Conn) loop.Handler { return discard{} })))
					peers[len(peers)-1].SendBytes(make([]byte, max(c.size, 2000)))
					l.Run()
				}
				per := (int(between-before) - int(heap()-between)) / n
				if len(conns) != n+10 {
					t.Fatalf("%d connections", len(conns))
				}
				t.Logf("%d bytes for each connection, beside the socket", per)
				if per > c.limit {
					t.Errorf("more than %d bytes", c.limit)
				}
				runtime.KeepAlive(peers)
			})
		}
	}
}

// BenchmarkHandshake is a full handshake and its client, and the same between two of crypto/tls's connections alone.
func BenchmarkHandshake(b *testing.B) {
	for name, version := range versions() {
		b.Run("ours/"+name, func(b *testing.B) {
			r := newRig(b, version)
			for b.Loop() {
				h := &endpoint{}
				s := r.open(h)
				r.l.Do(func() { h.conn.Close(loop.CloseNow, nil) })
				s.stop()
			}
		})
		b.Run("pair/"+name, func(b *testing.B) {
			r := newRig(b, version)
			r.server.SessionTicketsDisabled = true
			for b.Loop() {
				left, right := net.Pipe()
				done := make(chan error)
				go func() { done <- tls.Client(right, r.client).Handshake() }()
				if err := errors.Join(tls.Server(left, r.server).Handshake(), <-done); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBulk sends a mebibyte in pieces of 64 KiB to a simulated socket; beside it crypto/tls alone, to nowhere.
func BenchmarkBulk(b *testing.B) {
	piece := make([]byte, 64<<10)
	b.Run("ours", func(b *testing.B) {
		x := newExchange(b, tls.VersionTLS13)
		b.SetBytes(1 << 20)
		b.ReportAllocs()
		for b.Loop() {
			for range 16 {
				x.l.Do(func() { x.server.conn.Write(piece) })
			}
			x.client.p.Discard()
		}
	})
	b.Run("crypto/tls", func(b *testing.B) {
		server, client := newAuthority(b).pair(b, tls.VersionTLS13)
		server.SessionTicketsDisabled = true
		left, right := net.Pipe()
		n := &null{Conn: left}
		c := tls.Server(n, server)
		done := make(chan error)
		go func() { done <- tls.Client(right, client).Handshake() }()
		if err := errors.Join(c.Handshake(), <-done); err != nil {
			b.Fatal(err)
		}
		n.drop = true
		b.SetBytes(1 << 20)
		b.ReportAllocs()
		for b.Loop() {
			for range 16 {
				_, _ = c.Write(piece)
			}
		}
	})
}

// null is a net.Conn that takes everything, once drop is set.
type null struct {
	net.Conn
	drop bool
}

func (n *null) Write(b []byte) (int, error) {
	if n.drop {
		return len(b), nil
	}
	return n.Conn.Write(b)
}
