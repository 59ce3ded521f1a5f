package secure_test

import (
	"crypto/tls"
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/loop/secure"
)

func TestPeekHello(t *testing.T) {
	cfg := &tls.Config{ServerName: "WWW.Server.Test", NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
	whole := helloOf(t, cfg)
	check := func(b []byte) {
		t.Helper()
		h, more, ok := secure.PeekHello(b)
		if !ok || more != 0 || h.ServerName != "www.server.test" || len(h.Protocols) != 2 || h.Protocols[0] != "h2" ||
			len(h.Versions) != 2 || h.Versions[0] != tls.VersionTLS13 {
			t.Errorf("%+v, more %d, ok %v", h, more, ok)
		}
	}
	check(whole)
	check(append(whole[:len(whole):len(whole)], "what follows"...))
	for n := range whole {
		if _, more, ok := secure.PeekHello(whole[:n]); ok || more <= n || more > len(whole) {
			t.Errorf("%d of %d bytes: more %d, ok %v", n, len(whole), more, ok)
		}
	}
	// The same, one message in many records.
	body := whole[5:]
	for _, size := range []int{40, 100, 500} {
		var cut []byte
		for i := 0; i < len(body); i += size {
			part := body[i:min(i+size, len(body))]
			cut = append(append(cut, 0x16, 3, 1, byte(len(part)>>8), byte(len(part))), part...)
		}
		check(cut)
		r := newRig(t, 0)
		p := r.l.Connect(r.accept(&endpoint{}))
		p.SendBytes(cut)
		r.l.Run()
		if r.engine.Counters().Begun != 1 {
			t.Errorf("fragments of %d bytes: no handshake: %v", size, failures(r.engine))
		}
	}
}

func FuzzPeekHello(f *testing.F) {
	f.Add(helloOf(f, &tls.Config{ServerName: "a.test", NextProtos: []string{"h2"}}))
	f.Add([]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, more, ok := secure.PeekHello(b)
		if ok && more != 0 || more != 0 && more <= len(b) {
			t.Errorf("more %d of %d, ok %v", more, len(b), ok)
		}
		for cut := range min(len(b), 64) {
			if _, early, _ := secure.PeekHello(b[:cut]); ok && early == 0 {
				t.Errorf("refused at %d, taken as a whole", cut)
			}
		}
	})
}

// FuzzServer sends anything to a server, before and after the handshake: nothing panics, and it always ends.
func FuzzServer(f *testing.F) {
	f.Add(helloOf(f, &tls.Config{ServerName: "a.test"}), false)
	f.Add([]byte("\x17\x03\x03\x00\x05hello"), true)
	f.Add([]byte("\x15\x03\x03\x00\x02\x01\x00"), true)
	f.Add([]byte("\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x01\x00"), false)
	ca := newAuthority(f)
	server, client := ca.pair(f, 0)
	f.Fuzz(func(t *testing.T, b []byte, established bool) {
		l := looptest.New(t)
		engine := secure.NewEngine(l.Loop, secure.EngineOptions{Executor: secure.Inline{}})
		p := l.Connect(acceptor(func(c loop.Conn) loop.Handler {
			return engine.Server(c, &secure.Config{TLS: server}, &endpoint{})
		}))
		if established {
			tlsClient(t, p, client)
			l.Run()
		}
		p.SendBytes(b)
		l.Run()
		p.Close()
		l.Advance(secure.DefaultTimeout)
		if n := l.Counters().Panics; n != 0 {
			t.Errorf("%d panics", n)
		}
		if n := engine.Counters().Waiting; n != 0 {
			t.Errorf("%d connections wait", n)
		}
	})
}
