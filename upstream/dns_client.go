package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// dnsClient resolves names once each: addresses stand for themselves, then comes /etc/hosts, then DNS.
type dnsClient struct {
	config DNSConfig
	hosts  func(ctx context.Context, name string) []netip.Addr // what /etc/hosts says

	mu     sync.Mutex // guards what was read from resolv.conf
	file   *dns.ClientConfig
	readAt time.Time // its modification time
}

const (
	defaultResolvConf = "/etc/resolv.conf"
	// dnsUDPSize is what fits an Ethernet frame over IPv6 with room to spare; longer answers come over TCP.
	dnsUDPSize = 1232
	// maxAliases is more than resolvers themselves follow.
	maxAliases = 16
)

func newDNSClient(cfg DNSConfig) *dnsClient { return &dnsClient{config: cfg, hosts: lookupHosts} }

// lookupHosts asks the standard resolver, which reads /etc/hosts, and keeps it from asking anybody else.
func lookupHosts(ctx context.Context, name string) []netip.Addr {
	files := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("only files are asked")
	}}
	addrs, err := files.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil
	}
	return addrs
}

func (c *dnsClient) lookup(ctx context.Context, name string) (dnsAnswer, error) {
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return dnsAnswer{addrs: []netip.Addr{addr.Unmap()}, ttl: maxTTL}, nil
	}
	if !validName(name) {
		return dnsAnswer{}, fmt.Errorf("%q is no host name", name)
	}
	if addrs := c.ofFamily(c.hosts(ctx, name)); len(addrs) > 0 {
		return dnsAnswer{addrs: addrs}, nil
	}
	if isLocalhost(name) {
		return dnsAnswer{addrs: c.ofFamily([]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()})}, nil
	}
	cc, err := c.client()
	if err != nil {
		return dnsAnswer{}, err
	}
	var last error
	for _, full := range cc.NameList(name) {
		answer, err := c.query(ctx, cc, full)
		if err == nil {
			return answer, nil
		}
		last = err
		if !errors.As(err, new(*noSuchName)) {
			// With the next name of the search list, this would be a guess at another host.
			break
		}
	}
	if last == nil {
		last = fmt.Errorf("%q is too long with every entry of the search list", name)
	}
	return dnsAnswer{}, last
}

// noSuchName is the certain answer that a name has no address of the family asked for.
type noSuchName struct{ name, why string }

func (e *noSuchName) Error() string {
	return fmt.Sprintf("DNS: %s %s", strings.TrimSuffix(e.name, "."), e.why)
}

// query asks the servers for one full name.
func (c *dnsClient) query(ctx context.Context, cc *dns.ClientConfig, name string) (dnsAnswer, error) {
	kind := dns.TypeA
	if c.config.IPv6 {
		kind = dns.TypeAAAA
	}
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(dnsUDPSize, false)
	var last error
	for range max(cc.Attempts, 1) {
		for _, server := range cc.Servers {
			m, err := c.exchange(ctx, q, withPort(server, cc.Port), time.Duration(cc.Timeout)*time.Second)
			if ctx.Err() != nil {
				return dnsAnswer{}, ctx.Err()
			}
			if err == nil {
				var answer dnsAnswer
				if answer, err = c.read(m, name, kind); err == nil || errors.As(err, new(*noSuchName)) {
					return answer, err
				}
			}
			last = fmt.Errorf("DNS server %s, asked for %s: %w", withPort(server, cc.Port), strings.TrimSuffix(name, "."), err)
		}
	}
	return dnsAnswer{}, last
}

// exchange asks one server, over TCP when the answer does not fit a datagram.
func (c *dnsClient) exchange(ctx context.Context, q *dns.Msg, server string, timeout time.Duration) (*dns.Msg, error) {
	if c.config.Timeout > 0 {
		timeout = c.config.Timeout
	}
	m, err := exchangeOver(ctx, "udp", q, server, timeout)
	if err == nil && m.Truncated {
		m, err = exchangeOver(ctx, "tcp", q, server, timeout)
	}
	return m, err
}

func exchangeOver(ctx context.Context, network string, q *dns.Msg, server string, timeout time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := dns.Client{Net: network, Timeout: timeout, UDPSize: dnsUDPSize}
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// The client knows deadlines, but does not notice that ctx is cancelled.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	m, _, err := client.ExchangeWithConnContext(ctx, q, conn)
	if err != nil {
		return nil, err
	}
	if len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, q.Question[0].Name) || m.Question[0].Qtype != q.Question[0].Qtype {
		return nil, errors.New("it answers another question")
	}
	return m, nil
}

// read takes the addresses out of an answer, following its aliases.
func (c *dnsClient) read(m *dns.Msg, name string, kind uint16) (dnsAnswer, error) {
	switch m.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return dnsAnswer{}, &noSuchName{name, "does not exist"}
	default:
		return dnsAnswer{}, fmt.Errorf("it answers %s", dns.RcodeToString[m.Rcode])
	}
	var answer dnsAnswer
	ttl := ^uint32(0)
	// RFC 1034 section 4.3.2: the answer section holds the chain of aliases and the records of its end.
	for range maxAliases {
		alias := ""
		for _, rr := range m.Answer {
			h := rr.Header()
			if !strings.EqualFold(h.Name, name) {
				continue
			}
			switch rr := rr.(type) {
			case *dns.A:
				answer.addrs = appendAddr(answer.addrs, rr.A, kind == dns.TypeA)
			case *dns.AAAA:
				answer.addrs = appendAddr(answer.addrs, rr.AAAA, kind == dns.TypeAAAA)
			case *dns.CNAME:
				alias = rr.Target
			default:
				continue
			}
			ttl = min(ttl, h.Ttl)
		}
		if len(answer.addrs) > 0 || alias == "" {
			break
		}
		name = alias
	}
	if len(answer.addrs) == 0 {
		return answer, &noSuchName{m.Question[0].Name, "has no " + dns.TypeToString[kind] + " record"}
	}
	answer.addrs = sortAddrs(answer.addrs)
	answer.ttl = time.Duration(ttl) * time.Second
	return answer, nil
}

func appendAddr(addrs []netip.Addr, ip net.IP, wanted bool) []netip.Addr {
	if a, ok := netip.AddrFromSlice(ip); ok && wanted {
		addrs = append(addrs, a.Unmap())
	}
	return addrs
}

// ofFamily keeps the addresses of the family asked for, sorted.
func (c *dnsClient) ofFamily(addrs []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); a.Is6() == c.config.IPv6 {
			out = append(out, a)
		}
	}
	return sortAddrs(out)
}

// sortAddrs makes equal sets equal lists: the order of an answer means nothing, and it changes from one to the next.
func sortAddrs(addrs []netip.Addr) []netip.Addr {
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// client returns the servers and rules to ask by: the configuration's, completed from resolv.conf.
func (c *dnsClient) client() (*dns.ClientConfig, error) {
	cc := dns.ClientConfig{Port: "53", Ndots: 1, Timeout: 5, Attempts: 2}
	if len(c.config.Servers) == 0 {
		file, err := c.resolvConf()
		if err != nil {
			return nil, err
		}
		cc = *file
	} else {
		cc.Servers = c.config.Servers
	}
	if len(c.config.Search) > 0 {
		cc.Search = c.config.Search
	}
	if c.config.Port != "" {
		cc.Port = c.config.Port
	}
	if c.config.Ndots > 0 {
		cc.Ndots = c.config.Ndots
	}
	if c.config.Attempts > 0 {
		cc.Attempts = c.config.Attempts
	}
	return &cc, nil
}

// resolvConf reads the file, again when it has changed.
func (c *dnsClient) resolvConf() (*dns.ClientConfig, error) {
	path := c.config.File
	if path == "" {
		path = defaultResolvConf
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("no DNS server is known: %w; name one in dns_resolvers.servers", err)
	}
	if c.file != nil && info.ModTime().Equal(c.readAt) {
		return c.file, nil
	}
	cc, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("no DNS server is known: %w", err)
	}
	if len(cc.Servers) == 0 {
		return nil, fmt.Errorf("no DNS server is known: %s has no nameserver line; name one in dns_resolvers.servers", path)
	}
	c.file, c.readAt = cc, info.ModTime()
	return cc, nil
}

// withPort adds the port to a server that has none.
func withPort(server, port string) string {
	if _, err := netip.ParseAddrPort(server); err == nil {
		return server
	}
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), port)
}

// validName reports whether name may be asked for: a domain name of letters, digits, "-" and "_".
func validName(name string) bool {
	if _, ok := dns.IsDomainName(name); !ok || name == "." {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if ('a' > c|0x20 || c|0x20 > 'z') && ('0' > c || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// isLocalhost reports whether RFC 6761 section 6.3 says that name is this machine.
func isLocalhost(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
