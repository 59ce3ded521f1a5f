package gateway

import (
	"testing"

	"sluice/gateway/config"
)

func TestChainTable(t *testing.T) {
	const tls, plain = config.TLSTransport, config.PlainTransport
	serves := config.FilterChain{TCP: &config.TCPProxy{}}
	match := func(names []string, transport config.Transport, protocols ...string) config.FilterChain {
		return config.FilterChain{Match: config.ChainMatch{ServerNames: names, Transport: transport, Protocols: protocols}}
	}
	l := &config.Listener{Chains: []config.FilterChain{
		0: match([]string{"a.test", "b.test"}, config.AnyTransport),
		1: match([]string{"*.a.test", "*.test"}, config.AnyTransport),
		2: match([]string{"x.y.test"}, tls, "h2"),
		3: match([]string{"x.y.test"}, config.AnyTransport),
		4: match([]string{"*.y.test"}, tls, "h2", "acme-tls/1"),
		5: match(nil, plain),
		6: match(nil, config.AnyTransport, "mqtt"),
	}}
	choices := []struct {
		name      string
		transport config.Transport
		protocols []string
		want      int
	}{
		{"a.test", tls, nil, 0},
		{"b.test", tls, []string{"h2"}, 0},
		{"aa.test", tls, nil, 1},
		{"x.a.test", tls, nil, 1},
		{"z.x.a.test", tls, nil, 1},
		{"c.test", tls, nil, 1},
		{"x.y.test", tls, []string{"http/1.1", "h2"}, 2},
		{"x.y.test", tls, []string{"http/1.1"}, noChain}, // the chain for TLS fits better, and is not for this
		{"z.y.test", tls, []string{"acme-tls/1"}, 4},
		{"z.y.test", tls, []string{"http/1.1"}, noChain}, // *.test does not get what *.y.test refuses
		{"y.test", tls, nil, 1},
		{"", plain, nil, 5},
		{"", tls, []string{"mqtt"}, 6},
		{"other.example", tls, []string{"h2", "mqtt"}, 6},
		{"test", tls, []string{"mqtt"}, 6},
		{".", tls, []string{"mqtt"}, 6},
		{"..test", tls, nil, 1},
		{"", tls, nil, 7},
		{"other.example", tls, []string{"h2"}, 7},
	}
	for _, withRest := range []bool{false, true} {
		if withRest {
			l.FilterChain = serves
		}
		table := newChainTable(l)
		if !table.hello {
			t.Error("the table does not say that it needs ClientHellos")
		}
		for _, c := range choices {
			want := c.want
			if want == len(l.Chains) && !withRest {
				want = noChain
			}
			if got := table.choose(c.transport, c.name, c.protocols); got != want {
				t.Errorf("%q, %v, %v, a chain for the rest: %t: chain %d, want %d", c.name, c.transport, c.protocols, withRest, got, want)
			}
		}
	}
	// Without a chain for plaintext only, the rest has it.
	l = &config.Listener{Chains: []config.FilterChain{match(nil, tls)}, FilterChain: serves}
	table := newChainTable(l)
	if a, b := table.choose(plain, "", nil), table.choose(tls, "a", nil); table.hello || a != 1 || b != 0 {
		t.Errorf("by transport only: %d, %d", a, b)
	}
}
