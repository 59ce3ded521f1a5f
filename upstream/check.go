package upstream

import "fmt"

// CheckIdle returns an error if the loop's part of the cluster counts anything as in progress. Tests call it, on the
// loop, when nothing is: a count that does not come back to zero is a limit that is reached one day.
func (l *Local) CheckIdle() error {
	for i, n := range l.own {
		h := l.hosts[i]
		if n != 0 || h.oldest != nil || len(h.idle) != 0 || h.endpoint.conns.Load() != 0 {
			return fmt.Errorf("%s: %d requests, waiting: %v, %d idle connections, %d connections",
				h.endpoint.Name, n, h.oldest != nil, len(h.idle), h.endpoint.conns.Load())
		}
		for _, lane := range h.lanes {
			if lane.waiting != 0 || lane.dialling != 0 || lane.live != 0 || len(lane.open) != 0 || lane.inside != nil || lane.serving {
				return fmt.Errorf("%s: %s: %d waiting, %d dialling, %d live, %d open, inside a codec: %v, serving: %v", h.endpoint.Name,
					lane.protocol.Name, lane.waiting, lane.dialling, lane.live, len(lane.open), lane.inside != nil, lane.serving)
			}
		}
	}
	if l.lent != 0 {
		return fmt.Errorf("%d leases of multiplexed connections in use", l.lent)
	}
	for name, a := range map[string]*allowance{"requests": &l.requests, "retries": &l.retries, "pending": &l.pending} {
		if a.used != 0 {
			return fmt.Errorf("%s: %d in use", name, a.used)
		}
	}
	return nil
}

// Seed makes what the loop chooses at random the same in every run. Tests call it, on the loop.
func (l *Local) Seed(seed uint64) {
	l.rng.Seed(seed, seed)
	l.turn = l.rng.Uint64() >> 32
}
