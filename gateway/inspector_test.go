package gateway

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

// clientHello is what a client sends first.
func clientHello(t testing.TB, name string, protocols ...string) []byte {
	t.Helper()
	client, server := net.Pipe()
	go func() {
		_ = tls.Client(client, &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: true}).Handshake()
	}()
	defer client.Close()
	b := make([]byte, 5)
	if _, err := io.ReadFull(server, b); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(b[3:]))
	if _, err := io.ReadFull(server, body); err != nil {
		t.Fatal(err)
	}
	return append(b, body...)
}

// fragmented cuts the one record of b into records of n bytes, RFC 8446, 5.1.
func fragmented(b []byte, n int) (out []byte) {
	for body := b[5:]; len(body) > 0; {
		k := min(n, len(body))
		out = append(out, b[0], b[1], b[2], byte(k>>8), byte(k))
		out = append(out, body[:k]...)
		body = body[k:]
	}
	return out
}

// A switchboard is a listener that passes a.test on to 10.0.0.1 and *.b.test to 10.0.0.2, whatever speaks mqtt by ALPN to
// 10.0.0.3, and serves HTTP without TLS, from 10.0.0.4. rest is a chain for the rest, and begins with a comma.
type switchboard struct {
	*rig
	ups [4][]*looptest.Peer
}

func newSwitchboard(t testing.TB, rest string) *switchboard {
	chain := func(match, cluster string) string {
		return fmt.Sprintf(`{"filter_chain_match":{%s},"filters":[{"type":"tcp_proxy","config":{"cluster":%q}}]}`, match, cluster)
	}
	cluster := func(n int) string {
		return fmt.Sprintf(`{"name":"c%d","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","hosts":[{"address":"10.0.0.%d:80"}]}`, n, n)
	}
	s := &switchboard{rig: newRig(t, `{"servers":[{"default_log_path":"stdout","processor":1,
 "routers":[{"router_config_name":"r","virtual_hosts":[{"name":"v","domains":["*"],"routers":[{"match":{"prefix":"/"},"route":{"cluster_name":"c4"}}]}]}],
 "listeners":[{"name":"l","address":"127.0.0.1:1","bind_port":true,"filter_chains":[`+chain(`"server_names":["a.test"]`, "c1")+","+
		chain(`"server_names":["*.b.test"]`, "c2")+","+chain(`"application_protocols":["mqtt"]`, "c3")+`,
  {"filter_chain_match":{"transport_protocol":"raw_buffer"},
   "filters":[{"type":"proxy","config":{"downstream_protocol":"Http1","router_config_name":"r",
    "forwarded":{"via":false,"x_forwarded_for":false,"x_forwarded_proto":false,"x_forwarded_host":false,"x_request_id":false}}}]}`+rest+`]}]}],
 "cluster_manager":{"clusters":[`+cluster(1)+","+cluster(2)+","+cluster(3)+","+cluster(4)+`]}}`)}
	for i := range s.ups {
		addr := loop.Addr{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80)}
		s.l.Listen(addr, func(p *looptest.Peer) {
			s.ups[i] = append(s.ups[i], p)
			if i == 3 {
				answering(ok)(p)
			}
		})
	}
	return s
}

// reached is what the upstreams have received, "1: ...", of connections that are there.
func (s *switchboard) reached() string {
	var b strings.Builder
	for i, ups := range s.ups {
		for _, up := range ups {
			fmt.Fprintf(&b, "%d: %s", i+1, up.Bytes())
		}
	}
	return b.String()
}

// outcomes are the counters of inspections that are not zero.
func (s *switchboard) outcomes() string {
	var list []string
	for _, series := range s.series() {
		if series.Name == "sluice_downstream_connections_inspected_total" && series.Value != 0 {
			list = append(list, fmt.Sprintf("%s=%v", series.Values[1], series.Value))
		}
	}
	return strings.Join(list, " ")
}

// Whatever way a ClientHello is cut into records and segments, it arrives as it is, and nothing happens before it is whole.
func TestPassthroughAtEverySplit(t *testing.T) {
	hello := clientHello(t, "x.B.test", "h2")
	for name, b := range map[string][]byte{
		"one record": hello, "small records": fragmented(hello, len(hello)/40+1), "two records": fragmented(hello, len(hello)-5-3),
		"early data": append(bytes.Clone(hello), "\x17\x03\x03\x00\x03abc"...),
	} {
		whole := len(b)
		if name == "early data" {
			whole = len(hello)
		}
		s := newSwitchboard(t, "")
		for at := 1; at < len(b); at++ {
			client := s.connect()
			client.SendBytes(b[:at])
			s.l.Run()
			if early := at >= whole; len(s.ups[1]) > 0 != early {
				t.Fatalf("%s: with %d of %d bytes, the upstream is connected to: %t", name, at, whole, !early)
			}
			client.SendBytes(b[at:])
			s.l.Run()
			if got := s.reached(); got != "2: "+string(b) {
				t.Fatalf("%s cut at %d: got %q", name, at, got)
			}
			if got := client.Take(); got != "" {
				t.Fatalf("%s cut at %d: the client got %q", name, at, got)
			}
			s.ups[1][0].Send("hello back")
			s.l.Run()
			s.want(client, "hello back")
			client.Reset()
			s.l.Run()
			s.ups[1] = nil
		}
		client := s.connect()
		for i := range b {
			client.SendBytes(b[i : i+1])
			s.l.Run()
		}
		if got := s.reached(); got != "2: "+string(b) {
			t.Errorf("%s byte by byte: got %q", name, got)
		}
		client.Reset()
		s.l.Run()
		if got, want := s.outcomes(), fmt.Sprintf("matched=%d", len(b)); got != want {
			t.Errorf("%s: outcomes %s, want %s", name, got, want)
		}
	}
}

func TestInspection(t *testing.T) {
	tcpRest := `,{"filters":[{"type":"tcp_proxy","config":{"cluster":"c4"}}]}`
	record := func(length int, body string) string {
		return "\x16\x03\x01" + string([]byte{byte(length >> 8), byte(length)}) + body
	}
	a := string(clientHello(t, "a.test"))
	get := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, tt := range []struct {
		name, rest, send string
		fin, wait        bool
		outcome          string
		reached          string // by the upstreams
		closed           bool
	}{
		{name: "exact name", send: a, outcome: "matched=1", reached: "1: " + a},
		{name: "another name", send: string(clientHello(t, "c.test")), outcome: "no_chain=1", closed: true},
		{name: "the parent of a wildcard", send: string(clientHello(t, "b.test")), outcome: "no_chain=1", closed: true},
		{name: "no name", send: string(clientHello(t, "")), outcome: "no_chain=1", closed: true},
		{name: "no name, for the rest", rest: tcpRest, send: string(clientHello(t, "")), outcome: "default=1", reached: "4: " + string(clientHello(t, ""))[:5]},
		{name: "protocol", send: string(clientHello(t, "c.test", "h2", "mqtt")), outcome: "matched=1", reached: "3: \x16\x03\x01"},
		{name: "a name counts more than a protocol", send: string(clientHello(t, "a.test", "mqtt")), outcome: "matched=1", reached: "1: \x16\x03\x01"},
		{name: "HTTP", send: get, outcome: "plain=1", reached: "4: " + get},
		{name: "the first byte of TLS, and no more", send: "\x16", wait: true, outcome: "timeout=1", closed: true},
		{name: "it is not the version", send: "\x16\x02\x01", outcome: "plain=1"},
		{name: "another handshake message", send: record(5, "\x02\x00\x00\x00\x00"), outcome: "plain=1"},
		{name: "an empty record", send: record(0, ""), outcome: "plain=1"},
		{name: "a ClientHello of nonsense", send: record(9, "\x01\x00\x00\x05hello"), outcome: "plain=1"},
		{name: "an alert", send: "\x15\x03\x01\x00\x02\x01\x00", outcome: "plain=1"},
		{name: "too large a message", send: record(1<<14, "\x01\x00\xff\xff"), outcome: "too_large=1", closed: true},
		{name: "too many records", send: record(2, "\x01\x00") + strings.Repeat(record(1, "\x01"), 70), outcome: "too_large=1", closed: true},
		{name: "too long a name", send: string(clientHello(t, strings.Repeat("a", 300))), outcome: "too_large=1", closed: true},
		{name: "half", send: a[:len(a)/2], wait: true, outcome: "timeout=1", closed: true},
		{name: "half, then FIN", send: a[:len(a)/2], fin: true, outcome: "incomplete=1", closed: true},
		{name: "half, for the rest, then FIN", rest: tcpRest, send: a[:len(a)/2], fin: true, outcome: "incomplete=1", closed: true},
		{name: "half, for the rest", rest: tcpRest, send: a[:len(a)/2], wait: true, outcome: "timeout=1", closed: true},
		{name: "all, then FIN", send: a, fin: true, outcome: "matched=1", reached: "1: " + a},
		{name: "silence", wait: true, outcome: "timeout=1", closed: true},
		{name: "FIN", fin: true, closed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSwitchboard(t, tt.rest)
			client := s.connect()
			client.Send(tt.send)
			if tt.fin {
				client.CloseWrite()
			}
			s.l.Run()
			if tt.wait {
				if client.Closed() || s.reached() != "" {
					t.Errorf("before its time: closed %t, %q", client.Closed(), s.reached())
				}
				s.l.Advance(detectTimeout + time.Second)
			}
			if got := s.outcomes(); got != tt.outcome {
				t.Errorf("outcome %s, want %s", got, tt.outcome)
			}
			if got := s.reached(); !strings.HasPrefix(got, tt.reached) || (got == "") != (tt.reached == "") {
				t.Errorf("the upstreams have %q, want %q", got, tt.reached)
			}
			if client.Closed() != tt.closed {
				t.Errorf("closed: %t", client.Closed())
			}
		})
	}
}

// The server may be the one who speaks first, where bytes without TLS are carried.
func TestSilenceBeforeTheServerSpeaks(t *testing.T) {
	doc := strings.Replace(tcpDoc, `"filter_chains":[`,
		`"filter_chains":[{"filter_chain_match":{"server_names":["a.test"]},"filters":[]},`, 1)
	r := newRig(t, doc)
	r.upstream(func(p *looptest.Peer) { p.Send("220 ready") })
	client := r.connect()
	r.l.Run()
	r.want(client, "")
	r.l.Advance(detectTimeout + time.Second)
	r.want(client, "220 ready")
	client.Send("QUIT")
	r.l.Run()
	if client.Closed() {
		t.Error("closed")
	}
	// A chain without filters is there to refuse.
	refused := r.connect()
	refused.SendBytes(clientHello(t, "a.test"))
	r.l.Run()
	if !refused.Closed() || refused.Received() != "" {
		t.Error("what a chain without filters takes is served")
	}
}

// Each side ends on its own, through the tunnel.
func TestPassthroughHalfClose(t *testing.T) {
	hello := clientHello(t, "a.test")
	for _, together := range []bool{true, false} {
		s := newSwitchboard(t, "")
		client := s.connect()
		client.SendBytes(hello)
		if !together {
			s.l.Run()
		}
		client.CloseWrite()
		s.l.Run()
		up := s.ups[0][0]
		if up.Received() != string(hello) || !up.EOF() || client.Closed() {
			t.Fatalf("the upstream has %d bytes, FIN %t; the client is closed %t", up.Total(), up.EOF(), client.Closed())
		}
		up.Send("an answer")
		s.l.Run()
		s.want(client, "an answer")
		up.CloseWrite()
		s.l.Run()
		if !client.Closed() || client.WasReset() {
			t.Errorf("at the end the client is closed: %t, reset: %t", client.Closed(), client.WasReset())
		}
	}
}

// What has not said where it wants to go when a drain begins is told to go elsewhere.
func TestInspectionDuringADrain(t *testing.T) {
	s := newSwitchboard(t, "")
	hello := clientHello(t, "a.test")
	client := s.connect()
	client.SendBytes(hello[:20])
	s.l.Run()
	s.g.workers[0].draining = drainStarted
	client.SendBytes(hello[20:])
	s.l.Run()
	if !client.Closed() || s.reached() != "" {
		t.Errorf("closed %t, %q", client.Closed(), s.reached())
	}
}
