package gateway

import (
	"crypto/tls"
	"sync/atomic"

	"sluice/gateway/certificates"
	"sluice/loop/secure"
)

// rooted is a Config that verifies peers against the authorities that a file holds at the time. Each set of them has a Config
// of its own, as those in use must not change: handshakes that have begun finish with the one before.
type rooted struct {
	roots *certificates.Roots // nil: build is given nil
	own   *certificates.Store // of a client with certificates: sessions are those of one of them
	build func(*certificates.Authorities) *secure.Config
	last  atomic.Pointer[generation]
}

// A generation is a Config with the files' content that it was made for.
type generation struct {
	of  *certificates.Authorities
	own *tls.Certificate
	cfg *secure.Config
}

// config returns the Config of the moment. It is safe on any goroutine; those that find a new set at the same time make equal
// ones.
func (r *rooted) config() *secure.Config {
	now, own := r.roots.Current(), r.own.First()
	g := r.last.Load()
	if g == nil || g.of != now || g.own != own {
		g = &generation{of: now, own: own, cfg: r.build(now)}
		r.last.Store(g)
	}
	return g.cfg
}
