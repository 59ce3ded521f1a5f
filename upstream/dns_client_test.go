package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// nameServer answers from a zone of its own on a port of 127.0.0.1, over UDP and TCP.
type nameServer struct {
	addr string

	mu    sync.Mutex
	zone  map[string][]string // "name. TYPE" to records in zone file form
	rcode map[string]int      // by name
	drop  int                 // so many queries get no answer
	asked []string            // "udp name."
}

func newNameServer(t *testing.T, records ...string) *nameServer {
	s := &nameServer{zone: map[string][]string{}, rcode: map[string]int{}}
	for _, r := range records {
		s.add(t, r)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = udp.LocalAddr().String()
	tcp, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Skipf("the TCP port beside %s is taken: %v", s.addr, err)
	}
	for _, srv := range []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}} {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		done := make(chan error, 1)
		go func() { done <- srv.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			if err := srv.Shutdown(); err != nil {
				t.Error(err)
			}
			<-done
		})
	}
	return s
}

func (s *nameServer) add(t *testing.T, record string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rr, err := dns.NewRR(record)
	if err != nil {
		t.Fatal(err)
	}
	key := rr.Header().Name + " " + dns.TypeToString[rr.Header().Rrtype]
	s.zone[key] = append(s.zone[key], record)
}

// answer makes the server answer questions for name with a code.
func (s *nameServer) answer(name string, rcode int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcode[name] = rcode
}

// lose makes the server leave the next n queries without an answer.
func (s *nameServer) lose(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop = n
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, network := strings.ToLower(q.Question[0].Name), w.LocalAddr().Network()
	s.asked = append(s.asked, network+" "+name)
	if s.drop > 0 {
		s.drop--
		return
	}
	m := new(dns.Msg)
	m.SetRcode(q, s.rcode[name])
	known := false
	for key := range s.zone {
		known = known || strings.HasPrefix(key, name+" ")
	}
	if !known && m.Rcode == dns.RcodeSuccess {
		m.Rcode = dns.RcodeNameError
	}
	for hops := 0; hops < 5; hops++ {
		for _, kind := range []string{"CNAME", dns.TypeToString[q.Question[0].Qtype]} {
			for _, record := range s.zone[name+" "+kind] {
				rr, _ := dns.NewRR(record)
				m.Answer = append(m.Answer, rr)
				if c, ok := rr.(*dns.CNAME); ok {
					name = c.Target
				}
			}
		}
	}
	if network == "udp" {
		m.Truncate(dnsUDPSize)
	}
	w.WriteMsg(m)
}

// queries returns what was asked so far.
func (s *nameServer) queries() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, ", ")
}

func newTestClient(cfg DNSConfig) *dnsClient {
	c := newDNSClient(cfg)
	c.hosts = func(context.Context, string) []netip.Addr { return nil }
	return c
}

// look resolves a name and writes the answer as text.
func look(t *testing.T, c *dnsClient, name string) string {
	answer, err := c.lookup(t.Context(), name)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(answer.addrs, answer.ttl)
}

func TestLookup(t *testing.T) {
	s := newNameServer(t,
		"a.test. 60 A 10.0.0.2", "a.test. 30 A 10.0.0.1", "a.test. 60 A 10.0.0.2", "a.test. 60 AAAA fd00::1",
		"six.test. 60 AAAA fd00::2",
		"www.test. 20 CNAME cdn.test.", "cdn.test. 300 CNAME edge.test.", "edge.test. 100 A 10.0.0.9",
		"loop.test. 20 CNAME pool.test.", "pool.test. 20 CNAME loop.test.")
	four, six := newTestClient(DNSConfig{Servers: []string{s.addr}}), newTestClient(DNSConfig{Servers: []string{s.addr}, IPv6: true})
	for _, tc := range []struct {
		c          *dnsClient
		name, want string
	}{
		{four, "a.test", "[10.0.0.1 10.0.0.2] 30s"},
		{four, "A.Test.", "[10.0.0.1 10.0.0.2] 30s"},
		{six, "a.test", "[fd00::1] 1m0s"},
		{four, "six.test", "DNS: six.test has no A record"},
		{four, "www.test", "[10.0.0.9] 20s"},
		{four, "loop.test", "DNS: loop.test has no A record"},
		{four, "none.test", "DNS: none.test does not exist"},
		{four, "10.1.2.3", "[10.1.2.3] 1h0m0s"},
		{six, "[::1]", "[::1] 1h0m0s"},
		{four, "localhost", "[127.0.0.1] 0s"},
		{six, "db.LOCALHOST.", "[::1] 0s"},
		{four, "a b", `"a b" is no host name`},
		{four, "", `"" is no host name`},
		{four, ".", `"." is no host name`},
		{four, strings.Repeat("a", 300), `"` + strings.Repeat("a", 300) + `" is no host name`},
	} {
		if got := look(t, tc.c, tc.name); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestHostsFileComesFirst(t *testing.T) {
	s := newNameServer(t, "a.test. 60 A 10.0.0.1", "b.test. 60 A 10.0.0.2")
	c := newTestClient(DNSConfig{Servers: []string{s.addr}})
	c.hosts = func(_ context.Context, name string) []netip.Addr {
		if name == "b.test" {
			return []netip.Addr{netip.MustParseAddr("fd00::5")}
		}
		return []netip.Addr{netip.MustParseAddr("::ffff:10.9.9.9"), netip.MustParseAddr("fd00::5")}
	}
	if got := look(t, c, "a.test"); got != "[10.9.9.9] 0s" {
		t.Errorf("a.test: %s", got)
	}
	if got := look(t, c, "b.test"); got != "[10.0.0.2] 1m0s" {
		t.Errorf("b.test, whose hosts entry is of the other family: %s", got)
	}
}

func TestHostsAsksNoServer(t *testing.T) {
	if addrs := lookupHosts(t.Context(), "no-such-name.test"); addrs != nil {
		t.Errorf("the hosts file has %v", addrs)
	}
}

func TestSearchListAndDots(t *testing.T) {
	s := newNameServer(t, "db.prod.test. 60 A 10.0.0.1", "x.y.prod.test. 60 A 10.0.0.2", "x.y. 60 A 10.0.0.3")
	host, port, _ := net.SplitHostPort(s.addr)
	c := newTestClient(DNSConfig{Servers: []string{host}, Port: port, Search: []string{"dev.test", "prod.test"}})
	if got := look(t, c, "db"); got != "[10.0.0.1] 1m0s" {
		t.Errorf("db: %s", got)
	}
	if got := look(t, c, "x.y"); got != "[10.0.0.3] 1m0s" {
		t.Errorf("x.y with ndots 1: %s", got)
	}
	c = newTestClient(DNSConfig{Servers: []string{host}, Port: port, Search: []string{"prod.test"}, Ndots: 2})
	if got := look(t, c, "x.y"); got != "[10.0.0.2] 1m0s" {
		t.Errorf("x.y with ndots 2: %s", got)
	}
	// A server that fails is no reason to guess at another name.
	s.answer("x.y.prod.test.", dns.RcodeServerFailure)
	if got := look(t, c, "x.y"); !strings.Contains(got, "SERVFAIL") {
		t.Errorf("x.y when the first name fails: %s", got)
	}
}

func TestServersAreTriedInTurn(t *testing.T) {
	bad, good := newNameServer(t), newNameServer(t, "a.test. 60 A 10.0.0.1")
	bad.answer("a.test.", dns.RcodeRefused)
	c := newTestClient(DNSConfig{Servers: []string{bad.addr, good.addr}})
	if got := look(t, c, "a.test"); got != "[10.0.0.1] 1m0s" {
		t.Errorf("a.test: %s", got)
	}
	c = newTestClient(DNSConfig{Servers: []string{bad.addr}, Attempts: 3})
	if got, want := look(t, c, "a.test"), "DNS server "+bad.addr+", asked for a.test: it answers REFUSED"; got != want {
		t.Errorf("a.test: %s, want %s", got, want)
	}
	if got := strings.Count(bad.queries(), "a.test."); got != 1+3 {
		t.Errorf("the bad server was asked %d times, want 4", got)
	}
}

func TestLostQueriesAreSentAgain(t *testing.T) {
	s := newNameServer(t, "a.test. 60 A 10.0.0.1")
	s.lose(1)
	c := newTestClient(DNSConfig{Servers: []string{s.addr}, Timeout: 50 * time.Millisecond, Attempts: 100})
	if got := look(t, c, "a.test"); got != "[10.0.0.1] 1m0s" {
		t.Errorf("a.test: %s", got)
	}
}

func TestLongAnswersComeOverTCP(t *testing.T) {
	s := newNameServer(t)
	for i := range 200 {
		s.add(t, fmt.Sprintf("big.test. 60 A 10.0.1.%d", i))
	}
	answer, err := newTestClient(DNSConfig{Servers: []string{s.addr}}).lookup(t.Context(), "big.test")
	if err != nil || len(answer.addrs) != 200 {
		t.Errorf("%d addresses (%v), want 200", len(answer.addrs), err)
	}
	if got := s.queries(); got != "udp big.test., tcp big.test." {
		t.Errorf("asked: %s", got)
	}
}

func TestCancelEndsALookup(t *testing.T) {
	s := newNameServer(t)
	s.lose(1 << 30)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := newTestClient(DNSConfig{Servers: []string{s.addr}, Timeout: time.Hour}).lookup(ctx, "a.test")
		done <- err
	}()
	for s.queries() == "" {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the lookup ended with %v", err)
	}
}

func TestResolvConf(t *testing.T) {
	s := newNameServer(t, "db.prod.test. 60 A 10.0.0.1")
	_, port, _ := net.SplitHostPort(s.addr)
	file := filepath.Join(t.TempDir(), "resolv.conf")
	c := newTestClient(DNSConfig{File: file, Port: port})
	if got := look(t, c, "db"); !strings.HasPrefix(got, "no DNS server is known: ") {
		t.Errorf("without a file: %s", got)
	}
	write := func(text string, at int64) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Unix(at, 0), time.Unix(at, 0)); err != nil {
			t.Fatal(err)
		}
	}
	write("# nothing\n", 1)
	if got, want := look(t, c, "db"), "no DNS server is known: "+file+" has no nameserver line; name one in dns_resolvers.servers"; got != want {
		t.Errorf("without a nameserver: %s, want %s", got, want)
	}
	write("nameserver 127.0.0.1\nsearch dev.test\noptions ndots:1 timeout:1 attempts:1\n", 2)
	if got := look(t, c, "db"); got != "DNS: db does not exist" {
		t.Errorf("without the right search list: %s", got)
	}
	write("nameserver 127.0.0.1\nsearch prod.test\n", 3)
	if got := look(t, c, "db"); got != "[10.0.0.1] 1m0s" {
		t.Errorf("once the file has changed: %s", got)
	}
}

func TestWithPort(t *testing.T) {
	for _, tc := range []struct{ server, want string }{
		{"10.0.0.1", "10.0.0.1:53"}, {"10.0.0.1:5", "10.0.0.1:5"}, {"::1", "[::1]:53"}, {"[::1]", "[::1]:53"},
		{"[::1]:5", "[::1]:5"}, {"ns.test", "ns.test:53"}, {"ns.test:5", "ns.test:5"},
	} {
		if got := withPort(tc.server, "53"); got != tc.want {
			t.Errorf("withPort(%q) = %q, want %q", tc.server, got, tc.want)
		}
	}
}
