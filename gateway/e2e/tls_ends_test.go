package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An ending is how a peer with TLS ends its sending direction.
type ending bool

const (
	signed    ending = true  // close_notify, and a FIN
	truncated ending = false // only the FIN, as anybody on the way could send it
)

func (e ending) String() string {
	return map[ending]string{signed: "close_notify", truncated: "only a FIN"}[e]
}

// A tlsPeer is a peer with TLS above it.
type tlsPeer struct {
	*tls.Conn
	p   *peer
	r   *bufio.Reader
	tap *recordTap
}

// newTLSPeer shakes hands as side does: tls.Client or tls.Server.
func newTLSPeer(p *peer, side func(net.Conn, *tls.Config) *tls.Conn, cfg *tls.Config) *tlsPeer {
	c := &tlsPeer{p: p, tap: &recordTap{Conn: p.TCPConn}}
	c.Conn = side(c.tap, cfg)
	if err := c.Handshake(); err != nil {
		p.fail("handshake: %v", err)
	}
	c.r = bufio.NewReader(c.Conn)
	return c
}

// A recordTap knows the header of the last record that was read.
type recordTap struct {
	net.Conn
	head []byte
	left int // of the record
}

func (t *recordTap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	for b := b[:n]; len(b) > 0; {
		if t.left == 0 {
			if len(t.head) == 5 {
				t.head = t.head[:0]
			}
			k := min(5-len(t.head), len(b))
			t.head = append(t.head, b[:k]...)
			b = b[k:]
			if len(t.head) == 5 {
				t.left = int(t.head[3])<<8 | int(t.head[4])
			}
		}
		k := min(t.left, len(b))
		t.left -= k
		b = b[k:]
	}
	return n, err
}

// alert reports whether the last record was one: two bytes, which TLS 1.3 calls application data.
func (t *recordTap) alert() bool {
	const two = 2 + 1 + 16
	return len(t.head) == 5 && (t.head[0] == 21 || t.head[0] == 23 && t.head[3] == 0 && t.head[4] == two)
}

// dialTLS is dial with a handshake.
func (w *world) dialTLS(addr string, cfg *tls.Config) *tlsPeer {
	w.t.Helper()
	p := w.dial(addr)
	return newTLSPeer(p, tls.Client, cfg)
}

// tlsScript is server with TLS.
func (w *world) tlsScript(cfg *tls.Config, script func(c *tlsPeer)) string {
	return w.server(func(_ int, p *peer) { script(newTLSPeer(p, tls.Server, cfg)) })
}

func (c *tlsPeer) send(text string) {
	c.p.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.p.fail("sending %.60q: %v", text, err)
	}
}

func (c *tlsPeer) want(text string) {
	c.p.t.Helper()
	b := make([]byte, len(text))
	if n, err := io.ReadFull(c.r, b); string(b) != text {
		c.p.fail("received %q (%v), want %q", b[:n], err, text)
	}
}

// head reads up to the empty line, inclusive.
func (c *tlsPeer) head() string {
	c.p.t.Helper()
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		line, err := c.r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			c.p.fail("the head was cut: %q (%v)", b.String(), err)
		}
	}
	return b.String()
}

// end ends the sending direction, unless the other side has ended both meanwhile.
func (c *tlsPeer) end(how ending) {
	if how == signed {
		_ = c.CloseWrite()
	}
	_ = c.p.CloseWrite()
}

// wantEnd reads the other side's close_notify.
func (c *tlsPeer) wantEnd() {
	c.p.t.Helper()
	if b, err := c.rest(); err != nil || len(b) > 0 {
		c.p.fail("received %q (%v), want a clean end", b, err)
	}
}

// rest reads up to the other side's close_notify. (crypto/tls makes io.EOF also of a FIN without it.)
func (c *tlsPeer) rest() ([]byte, error) {
	b, err := io.ReadAll(c.r)
	if err == nil && !c.tap.alert() {
		err = errors.New("no close_notify")
	}
	return b, err
}

// wantReset waits for the other side's RST.
func wantReset(t *testing.T, r io.Reader) {
	t.Helper()
	if b, err := io.ReadAll(r); len(b) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("received %q (%v), want a reset", b, err)
	}
}

// TestTLSTruncatedAnswer ends answers of every form with and without close_notify. RFC 9112 section 9.8: what has its length,
// or its chunks, is complete without; what only the end of the connection delimits is not, unless the cluster says otherwise.
func TestTLSTruncatedAnswer(t *testing.T) {
	t.Parallel()
	t.Run("strict", func(t *testing.T) { truncatedAnswers(t, "upstream_truncated", "") })
	t.Run("lenient", func(t *testing.T) { truncatedAnswers(t, "-", `,"ignore_unexpected_eof":true`) })
}

// truncatedAnswers wants the reason of answers that a FIN ends, from a cluster with more in its tls_context.
func truncatedAnswers(t *testing.T, reason, more string) {
	ca := newAuthority(t)
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.certificate("a.test")}}
	w := newWorld(t)
	upstream := w.tlsScript(cfg, func(c *tlsPeer) {
		request := c.head()
		how := ending(!strings.Contains(request, "how=fin"))
		switch {
		case strings.Contains(request, "/until-close"):
			c.send("HTTP/1.1 200 OK\r\n\r\nhello")
		case strings.Contains(request, "/old"):
			c.send("HTTP/1.0 200 OK\r\n\r\nhello")
		case strings.Contains(request, "/length"):
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
		case strings.Contains(request, "/chunked"):
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
		case strings.Contains(request, "/short"):
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
		}
		c.end(how)
		_, _ = io.Copy(io.Discard, c.p.TCPConn) // however the other side ends it
	})
	logs := w.tempFile("access.log")
	g := w.start(sketch{hosts: []string{upstream}, speaks: "Http1,Http2", route: `"upstream_protocol":"Http1"`,
		chain: `"tls_context":` + ca.context("", "front.test"), cluster: fmt.Sprintf(`"tls_context":{"status":true,"ca_cert":%q%s}`, ca.PEM, more),
		listener: fmt.Sprintf(`"access_logs":[{"log_path":%q,"log_format":"%%request_uri%% %%response_flag%%"}]`, logs),
		document: adminOnAnyPort}.String())
	want, cut := map[string]string{}, 0 // the lines' ends, by their beginnings
	for _, tt := range []struct{ path, signed, truncated string }{
		{"/until-close", "-", reason},
		{"/old", "-", reason},
		{"/length", "-", "-"},
		{"/chunked", "-", "-"},
		{"/short", "upstream_cut", "upstream_cut"},
	} {
		for how, flag := range map[ending]string{signed: tt.signed, truncated: tt.truncated} {
			for _, version := range []string{"1.0", "1.1", "2"} {
				uri := tt.path + "?http=" + version + map[ending]string{signed: "", truncated: "&how=fin"}[how]
				want[uri] = flag
				var body string
				var err error
				if version == "1.0" { // where the end of the connection delimits the answer
					body, err = askOld(w, g.addr("l"), uri)
				} else {
					c := w.tlsClient(&tls.Config{RootCAs: ca.pool}, version == "2")
					var r *http.Response
					if r, err = c.Get("https://" + g.addr("l") + uri); err == nil {
						var b []byte
						b, err = io.ReadAll(r.Body)
						body = string(b)
						r.Body.Close()
					}
				}
				if (err == nil) != (flag == "-") || err == nil && body != "hello" {
					t.Errorf("%s with %s, HTTP/%s: got %q and %v, want %s", tt.path, how, version, body, err, flag)
				}
				if flag == "upstream_truncated" {
					cut++
				}
			}
		}
	}
	for _, line := range w.lines(logs, len(want)) {
		uri, flag, _ := strings.Cut(line, " ")
		if flag != want[uri] {
			t.Errorf("logged %q, want %q", line, want[uri])
		}
		delete(want, uri)
	}
	if len(want) > 0 {
		t.Errorf("not logged: %v", want)
	}
	if cut == 0 {
		return
	}
	for _, series := range []string{
		`sluice_downstream_requests_failed_total{listener="l",reason="upstream_truncated"}`,
		`sluice_cluster_requests_failed_total{cluster="c",reason="upstream_truncated"}`,
	} {
		if n := g.metric(series); n != cut {
			t.Errorf("%s is %d, want %d", series, n, cut)
		}
	}
}

// askOld asks in HTTP/1.0. An error is an end that is not clean: a connection of TLS that ends without close_notify.
func askOld(w *world, addr, uri string) (string, error) {
	c := w.dialTLS(addr, &tls.Config{InsecureSkipVerify: true})
	c.send("GET " + uri + " HTTP/1.0\r\nHost: a\r\n\r\n")
	b, err := c.rest()
	_, body, _ := strings.Cut(string(b), "\r\n\r\n")
	return body, err
}

// A tunnelKind makes a connection of the client one that passes bytes.
type tunnelKind struct{ name, proxy, tcp, request, granted string }

func tunnelKinds() []tunnelKind {
	return []tunnelKind{
		{"tcp_proxy", "", `"cluster":"c"`, "", ""},
		{"WebSocket", quiet, "", wsRequest, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + wsAccept(wsKey) + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"CONNECT", quiet, "", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
	}
}

// tunnels plays with every kind of tunnel, in both versions of TLS, between a server and a client; the cluster's tls_context has
// more in it.
func tunnels(t *testing.T, more string, serve func(c *tlsPeer), ask func(t *testing.T, c *tlsPeer)) {
	t.Helper()
	ca := newAuthority(t)
	for _, kind := range tunnelKinds() {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(kind.name+" "+tls.VersionName(version), func(t *testing.T) {
				w := newWorld(t)
				done := make(chan struct{})
				upstream := w.tlsScript(&tls.Config{Certificates: []tls.Certificate{ca.certificate("a.test")}, MaxVersion: version}, func(c *tlsPeer) {
					defer close(done)
					c.p.t = t
					if kind.request != "" {
						c.head()
						c.send(kind.granted)
					}
					serve(c)
				})
				at := w.proxy(sketch{hosts: []string{upstream}, tcp: kind.tcp, proxy: kind.proxy, chain: `"tls_context":` + ca.context("", "a.test"),
					cluster: fmt.Sprintf(`"tls_context":{"status":true,"ca_cert":%q%s}`, ca.PEM, more)})
				c := w.dialTLS(at, &tls.Config{RootCAs: ca.pool, ServerName: "a.test", MaxVersion: version})
				if kind.request != "" {
					c.send(kind.request)
					if head := c.head(); !strings.HasPrefix(head, kind.granted[:12]) {
						t.Fatalf("no tunnel: %q", head)
					}
				}
				ask(t, c)
				<-done
			})
		}
	}
}

// TestTLSTunnelHalfClosed: one side says that it has ended, and goes on reading; then the other side.
func TestTLSTunnelHalfClosed(t *testing.T) {
	t.Parallel()
	rest := bytes.Repeat([]byte("the rest"), 40_000)
	t.Run("the client ends first", func(t *testing.T) {
		tunnels(t, "", func(c *tlsPeer) {
			c.want("question")
			c.wantEnd()
			c.send(string(rest))
			c.end(signed)
		}, func(_ *testing.T, c *tlsPeer) {
			c.send("question")
			_ = c.CloseWrite() // no FIN follows: TLS alone says it
			c.want(string(rest))
			c.wantEnd()
		})
	})
	t.Run("the server ends first", func(t *testing.T) {
		tunnels(t, "", func(c *tlsPeer) {
			c.send("greeting")
			_ = c.CloseWrite()
			c.want(string(rest))
			c.wantEnd()
		}, func(_ *testing.T, c *tlsPeer) {
			c.want("greeting")
			c.wantEnd()
			c.send(string(rest))
			c.end(signed)
		})
	})
}

// TestTLSTunnelTruncated: an end without close_notify is an abort, and is passed on as one.
func TestTLSTunnelTruncated(t *testing.T) {
	t.Parallel()
	t.Run("by the client", func(t *testing.T) {
		tunnels(t, "", func(c *tlsPeer) {
			c.want("question")
			c.send("answer")
			wantReset(c.p.t, c.p.TCPConn)
		}, func(_ *testing.T, c *tlsPeer) {
			c.send("question")
			c.want("answer")
			c.end(truncated)
			c.p.wantGone()
		})
	})
	t.Run("by the server", func(t *testing.T) {
		tunnels(t, "", func(c *tlsPeer) {
			c.send("greeting")
			c.want("yes")
			c.end(truncated)
			c.p.wantGone()
		}, func(t *testing.T, c *tlsPeer) {
			c.want("greeting")
			c.send("yes")
			wantReset(t, c.p.TCPConn)
		})
	})
	t.Run("by a server that may", func(t *testing.T) {
		tunnels(t, `,"ignore_unexpected_eof":true`, func(c *tlsPeer) {
			c.send("greeting")
			c.want("yes")
			c.end(truncated)
			c.want("more")
			c.wantEnd()
		}, func(_ *testing.T, c *tlsPeer) {
			c.want("greeting")
			c.send("yes")
			c.wantEnd()
			c.send("more")
			c.end(signed)
		})
	})
}

// TestTunnelAborted: a client's RST reaches the server of a tunnel as one, without TLS, too.
func TestTunnelAborted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := make(chan struct{})
	upstream := w.server(func(_ int, p *peer) {
		defer close(done)
		p.want("question")
		p.send("answer")
		wantReset(p.t, p.TCPConn)
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}, tcp: `"cluster":"c"`}))
	c.send("question")
	c.want("answer")
	_ = c.SetLinger(0)
	c.Close()
	<-done
}

// TestTLSTruncatedRequest: a client that ends without close_notify gets the answer to what it has asked completely.
func TestTLSTruncatedRequest(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	asked, goOn := make(chan struct{}), make(chan struct{})
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked <- struct{}{}
		<-goOn
		_, _ = rw.Write(b)
	})
	at := w.proxy(sketch{hosts: []string{upstream}, chain: `"tls_context":` + ca.context("", "a.test")})
	c := w.dialTLS(at, &tls.Config{RootCAs: ca.pool, ServerName: "a.test"})
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
	<-asked
	c.end(truncated)
	time.Sleep(10 * time.Millisecond) // so that it is seen before the answer; the answer is the same if it is not
	close(goOn)
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		t.Errorf("got %q", head)
	}
	c.want("hello")
	c.wantEnd()
}

// TestTLSIdleUpstreamEnds: a connection of a pool that is not used any more ends with close_notify.
func TestTLSIdleUpstreamEnds(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		w, ca := newWorld(t), newAuthority(t)
		done := make(chan struct{})
		upstream := w.tlsScript(&tls.Config{Certificates: []tls.Certificate{ca.certificate("a.test")}, MaxVersion: version}, func(c *tlsPeer) {
			defer close(done)
			c.head()
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
			c.wantEnd()
		})
		at := w.proxy(sketch{hosts: []string{upstream},
			cluster: fmt.Sprintf(`"idle_timeout":"10ms","tls_context":{"status":true,"ca_cert":%q}`, ca.PEM)})
		if got := fetch(t, w.client(), "http://"+at+"/"); got != "HTTP/1.1 200 hello" {
			t.Fatal(got)
		}
		<-done
	}
}
