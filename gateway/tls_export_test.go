package gateway

import "sluice/loop/secure"

// RotateTickets does now what happens every hour.
func (g *Gateway) RotateTickets() { g.tls.tickets.Rotate() }

// ClientTLS are the counters of the TLS of g's listeners, by loop.
func (g *Gateway) ClientTLS() (all []secure.Counters) {
	for _, e := range g.tls.down {
		all = append(all, e.Counters())
	}
	return all
}
