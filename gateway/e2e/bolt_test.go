package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/protocols"
	"sluice/protocols/bolt"
)

// A codecConn is one end of a Bolt connection over a socket: the codec of this repository, which the golden frames of
// SOFABolt's own library have been compared with.
type codecConn struct {
	net.Conn
	codec protocols.Codec
	out   socketOutput
	in    []byte
	start time.Time
}

// socketOutput collects what a codec writes.
type socketOutput struct{ b []byte }

func (o *socketOutput) Reserve(int) []byte { return o.b }
func (o *socketOutput) Commit(b []byte)    { o.b = b }
func (o *socketOutput) Write(b []byte)     { o.b = append(o.b, b...) }
func (o *socketOutput) Buffered() int      { return 0 }

func newCodecConn(c net.Conn, end func(*protocols.Env) protocols.Codec) *codecConn {
	_ = c.SetDeadline(time.Now().Add(hang)) // a connection that is closed already tells by itself
	return &codecConn{Conn: c, codec: end(protocols.NewEnv(protocols.Limits{})), start: time.Now()}
}

// encode encodes and sends events.
func (c *codecConn) encode(events ...*protocols.Event) error {
	for _, ev := range events {
		if _, err := c.codec.Encode(time.Since(c.start), ev, &c.out); err != nil {
			return err
		}
	}
	return c.flush()
}

func (c *codecConn) flush() error {
	b := c.out.b
	c.out.b = nil
	_, err := c.Write(b)
	return err
}

// read decodes what comes next.
func (c *codecConn) read(sink protocols.Sink) error {
	var buf [64 << 10]byte
	n, err := c.Read(buf[:])
	if err != nil {
		return err
	}
	c.in = append(c.in, buf[:n]...)
	for {
		used, err := c.codec.Decode(time.Since(c.start), c.in, sink, &c.out)
		c.in = c.in[used:]
		if err != nil {
			return err
		}
		if !c.codec.Status().Yielded {
			return c.flush()
		}
	}
}

type sinkFunc func(ev *protocols.Event)

func (f sinkFunc) Event(ev *protocols.Event) protocols.Verdict {
	f(ev)
	return protocols.More
}

// boltServer is a server that answers each call with name, its service and its content.
func (w *world) boltServer(name string) string { return w.boltServerTLS(name, nil) }

// boltServerTLS is one with TLS, if cfg is not nil.
func (w *world) boltServerTLS(name string, cfg *tls.Config) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	if cfg != nil {
		l = tls.NewListener(l, cfg)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serveBolt(w.t, newCodecConn(c, bolt.Protocol().Server), name) })
		}
	})
	w.t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func serveBolt(t *testing.T, c *codecConn, name string) {
	defer c.Close()
	services, bodies := map[protocols.StreamID]string{}, map[protocols.StreamID]string{}
	var done []protocols.StreamID
	sink := sinkFunc(func(ev *protocols.Event) {
		switch ev.Kind {
		case protocols.KindHead:
			services[ev.Stream] = string(ev.Header.Get(protocols.NameService))
		case protocols.KindData:
			bodies[ev.Stream] += string(ev.Data)
		default:
			return
		}
		if ev.End {
			done = append(done, ev.Stream)
		}
	})
	for c.read(sink) == nil {
		for _, id := range done {
			body := fmt.Sprintf("%s: %s of %s", name, bodies[id], services[id])
			h := &protocols.Header{}
			h.Reset()
			h.Proto, h.Status, h.ContentLength = protocols.ProtocolBolt, 200, int64(len(body))
			h.SetClass([]byte("com.example.Answer"))
			if err := c.encode(&protocols.Event{Kind: protocols.KindHead, Stream: id, Header: h},
				&protocols.Event{Kind: protocols.KindData, End: true, Stream: id, Data: []byte(body)}); err != nil {
				t.Error(err)
			}
			delete(services, id)
			delete(bodies, id)
		}
		done = done[:0]
	}
}

// boltClient connects to addr.
func (w *world) boltClient(addr string) *codecConn {
	w.t.Helper()
	c, err := net.DialTimeout("tcp", addr, hang)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return newCodecConn(c, bolt.Protocol().Client)
}

// call makes one call and returns its status and its answer's content.
func (c *codecConn) call(service, body string) (status uint16, answer string, err error) {
	h := &protocols.Header{}
	h.Reset()
	h.ContentLength = int64(len(body))
	h.SetClass([]byte("com.example.Request"))
	h.AddString("service", service)
	head := &protocols.Event{Kind: protocols.KindHead, Header: h}
	if _, err := c.codec.Encode(time.Since(c.start), head, &c.out); err != nil {
		return 0, "", err
	}
	if err := c.encode(&protocols.Event{Kind: protocols.KindData, End: true, Stream: head.Stream, Data: []byte(body)}); err != nil {
		return 0, "", err
	}
	for done := false; !done; {
		err := c.read(sinkFunc(func(ev *protocols.Event) {
			if ev.Stream != head.Stream {
				return
			}
			if ev.Kind == protocols.KindHead {
				status = ev.Header.Code
			}
			answer += string(ev.Data)
			done = done || ev.End
		}))
		if err != nil {
			return status, answer, err
		}
	}
	return status, answer, nil
}

func (c *codecConn) wantCall(t *testing.T, service, body, want string) {
	t.Helper()
	if status, got, err := c.call(service, body); status != 0 || got != want || err != nil {
		t.Errorf("%s(%s): %d %q, %v; want %q", service, body, status, got, err, want)
	}
}

// TestBoltSample: MOSN's configuration for Bolt serves as it stands, but for the addresses.
func TestBoltSample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc, err := os.ReadFile("../config/mosn/testdata/samples/bolt_client.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("127.0.0.1:2045", "127.0.0.1:0", "127.0.0.1:2046", w.boltServer("server"), "34901", "0", "0.0.0.0", "127.0.0.1").
		Replace(string(doc))
	g := w.start(text)
	c := w.boltClient(g.addr("clientListener"))
	for i := range 20 {
		body := fmt.Sprint(i, strings.Repeat("x", i*5000))
		c.wantCall(t, "com.example.Shop", body, "server: "+body+" of com.example.Shop")
	}
	if status, _, err := c.call("", "x"); status != 6 || err != nil {
		t.Errorf("a call without a service has the status %d, %v", status, err)
	}
}

// TestOnePortForAll: curl, an h2c client and a Bolt client use one port at the same time, and bytes of another protocol go to
// tcp_proxy.
func TestOnePortForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	web := w.handler(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprintf(rw, "web %s", r.URL.Path) })
	other := w.server(func(_ int, p *peer) {
		line, _ := bufio.NewReader(p).ReadString('\n')
		_, _ = io.WriteString(p, "tcp "+line) // a failure shows at the client
	})
	doc := sketch{
		speaks: "Http1,Http2,bolt", loops: 2, hosts: []string{web}, proxy: quiet + `,"fallback_for_unknown_protocol":true`,
		rules: `{"match":{"headers":[{"name":"service","value":".*"}]},"route":{"cluster_name":"rpc","upstream_protocol":"bolt"}},`,
		route: `"upstream_protocol":"Http1"`, document: adminOnAnyPort,
	}.String()
	doc = strings.Replace(doc, `"clusters":[`, fmt.Sprintf(`"clusters":[{"name":"rpc","hosts":[{"address":%q}]},{"name":"tcp","hosts":[{"address":%q}]},`,
		w.boltServer("rpc"), other), 1)
	doc = strings.Replace(doc, `"fallback_for_unknown_protocol":true}}`, `"fallback_for_unknown_protocol":true}},{"type":"tcp_proxy","config":{"cluster":"tcp"}}`, 1)
	g := w.start(doc)
	addr := g.addr("l")
	h2 := &http.Client{Transport: &http.Transport{Protocols: unencrypted(false, true)}}
	t.Cleanup(h2.CloseIdleConnections)
	curl := tool(t, "curl")
	const rounds = 20
	var all sync.WaitGroup
	all.Go(func() {
		for range rounds / 4 {
			out, err := exec.Command(curl, "-sS", "--http1.1", "http://"+addr+"/c").Output()
			if string(out) != "web /c" || err != nil {
				t.Errorf("curl: %q, %v", out, err)
			}
		}
	})
	all.Go(func() {
		for range rounds {
			resp, err := h2.Get("http://" + addr + "/h2")
			if err != nil {
				t.Error(err)
				return
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(b) != "web /h2" || resp.ProtoMajor != 2 || err != nil {
				t.Errorf("h2c: %q over %s, %v", b, resp.Proto, err)
			}
		}
	})
	c := w.boltClient(addr)
	all.Go(func() {
		for i := range rounds {
			body := fmt.Sprint(i)
			c.wantCall(t, "shop", body, "rpc: "+body+" of shop")
		}
	})
	all.Go(func() {
		for range rounds {
			if got, err := exchangeLine(addr, "QUIT\n"); got != "tcp QUIT\n" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		}
	})
	all.Wait()
	metrics := g.metrics()
	for protocol, want := range map[string]int{"Http1": rounds / 4, "Http2": 1, "bolt": 1, "tcp": rounds} {
		if n := metrics[`sluice_downstream_connections_detected_total{listener="l",protocol="`+protocol+`"}`]; n != want {
			t.Errorf("%v connections of %s, want %v", n, protocol, want)
		}
	}
	if _, ok := metrics[`sluice_codec_late_answers_total{listener="l"}`]; !ok {
		t.Error("nobody sees what the codecs count")
	}
}

// exchangeLine sends a line over a connection of its own and reads to its end.
func exchangeLine(addr, line string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, hang)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(hang)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, line); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}
