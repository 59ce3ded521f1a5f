package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// script is a lookup that answers what it is told.
type script struct {
	mu    sync.Mutex
	addrs string // separated by spaces
	ttl   time.Duration
	err   error
	calls int
}

func (s *script) set(addrs string, ttl time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs, s.ttl, s.err = addrs, ttl, err
}

func (s *script) lookup(context.Context, string) (dnsAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.err != nil {
		return dnsAnswer{}, s.err
	}
	a := dnsAnswer{ttl: s.ttl}
	for _, f := range strings.Fields(s.addrs) {
		a.addrs = append(a.addrs, netip.MustParseAddr(f))
	}
	return a, nil
}

// count is the number of lookups so far.
func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// journal collects what a watcher is told.
type journal struct {
	mu  sync.Mutex
	got []string
}

func (j *journal) update(addrs []netip.Addr, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.got = append(j.got, err.Error())
		return
	}
	j.got = append(j.got, fmt.Sprint(addrs))
}

// want waits until nothing moves, and then compares and empties the journal.
func (j *journal) want(t *testing.T, why string, want ...string) {
	t.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if fmt.Sprint(j.got) != fmt.Sprint(want) {
		t.Errorf("%s: told %q, want %q", why, j.got, want)
	}
	j.got = nil
}

func TestWatchTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := &script{addrs: "10.0.0.1"}, &journal{}
		r := newResolver(5*time.Second, s.lookup)
		defer r.Close()
		stop := r.Watch("a.test", j.update)
		j.want(t, "at first", "[10.0.0.1]")
		time.Sleep(time.Minute)
		j.want(t, "without a change")
		if s.count() < 11 || s.count() > 14 {
			t.Errorf("%d lookups in a minute, want one each 5 s", s.count())
		}
		s.set("10.0.0.1 10.0.0.2", 0, nil)
		time.Sleep(6 * time.Second)
		j.want(t, "after a change", "[10.0.0.1 10.0.0.2]")
		stop()
		stop()
		s.set("10.0.0.3", 0, nil)
		synctest.Wait()
		calls := s.count()
		time.Sleep(time.Minute)
		j.want(t, "after stop")
		if s.count() != calls {
			t.Errorf("%d lookups after stop", s.count()-calls)
		}
	})
}

func TestFailuresKeepTheAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := &script{err: errors.New("down")}, &journal{}
		r := newResolver(5*time.Second, s.lookup)
		defer r.Close()
		r.Watch("a.test", j.update)
		j.want(t, "at first", "down")
		s.set("10.0.0.1", 0, nil)
		time.Sleep(600 * time.Millisecond)
		j.want(t, "the first retry comes soon", "[10.0.0.1]")
		s.set("", 0, errors.New("down again"))
		time.Sleep(time.Minute)
		j.want(t, "one failure is told, not each", "down again")
		s.set("", 0, nil)
		time.Sleep(time.Minute)
		j.want(t, "an empty answer is a failure, too")
		s.set("10.0.0.1", 0, nil)
		time.Sleep(6 * time.Second)
		j.want(t, "the same addresses are no news")
		s.set("", 0, errors.New("down at last"))
		time.Sleep(6 * time.Second)
		j.want(t, "the next failure is", "down at last")
		late := &journal{}
		r.Watch("a.test", late.update)
		late.want(t, "who comes late gets the addresses and the failure", "[10.0.0.1]", "down at last")
	})
}

func TestRetriesSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{err: errors.New("down")}
		r := newResolver(4*time.Second, s.lookup)
		defer r.Close()
		r.Watch("a.test", func([]netip.Addr, error) {})
		time.Sleep(8*time.Second + time.Millisecond) // 0, 0.5, 1.5, 3.5, 7.5
		synctest.Wait()
		if s.count() != 5 {
			t.Errorf("%d lookups in 8 s, want 5", s.count())
		}
	})
}

func TestTTLSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{addrs: "10.0.0.1", ttl: 59 * time.Second}
		r := newResolver(time.Second, s.lookup)
		r.respectTTL = true
		defer r.Close()
		r.Watch("a.test", func([]netip.Addr, error) {})
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if s.count() != 1 {
			t.Errorf("%d lookups within the TTL, want 1", s.count())
		}
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if s.count() != 2 {
			t.Errorf("%d lookups once the TTL and a second have passed, want 2", s.count())
		}
	})
}

func TestWatchersShareLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j, k := &script{addrs: "10.0.0.1"}, &journal{}, &journal{}
		r := newResolver(time.Second, s.lookup)
		defer r.Close()
		stop := r.Watch("a.test", j.update)
		r.Watch("a.test", k.update)
		j.want(t, "the first", "[10.0.0.1]")
		k.want(t, "the second", "[10.0.0.1]")
		if s.count() != 1 {
			t.Errorf("%d lookups for two watchers, want 1", s.count())
		}
		stop()
		s.set("10.0.0.2", 0, nil)
		time.Sleep(2 * time.Second)
		j.want(t, "the first has stopped")
		k.want(t, "the second goes on", "[10.0.0.2]")
	})
}

func TestStopInsideUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{addrs: "10.0.0.1"}
		r := newResolver(time.Second, s.lookup)
		defer r.Close()
		calls := 0
		stops := make(chan func(), 1)
		stops <- r.Watch("a.test", func([]netip.Addr, error) {
			calls++
			(<-stops)()
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls != 1 || s.count() != 1 {
			t.Errorf("%d calls, %d lookups, want 1 each", calls, s.count())
		}
	})
}

func TestLookupsAtATimeAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		r := newResolver(time.Hour, func(ctx context.Context, _ string) (dnsAnswer, error) {
			for n := now.Add(1); n > most.Load(); {
				most.Store(n)
			}
			defer now.Add(-1)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return dnsAnswer{addrs: []netip.Addr{netip.IPv6Loopback()}}, nil
		})
		var told atomic.Int32
		for i := range 100 {
			r.Watch(fmt.Sprint("n", i), func([]netip.Addr, error) { told.Add(1) })
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if most.Load() != concurrentLookups || told.Load() != 100 {
			t.Errorf("%d lookups at a time, want %d; %d names answered, want 100", most.Load(), concurrentLookups, told.Load())
		}
		for i := range 100 {
			r.Watch(fmt.Sprint("m", i), func([]netip.Addr, error) {})
		}
		synctest.Wait()
		r.Close() // the test fails if a goroutine stays
	})
}

// TestResolverResolves joins the resolver to a real name server.
func TestResolverResolves(t *testing.T) {
	s := newNameServer(t, "a.test. 60 A 10.0.0.1")
	r := NewResolver(DNSConfig{Servers: []string{s.addr}, Refresh: time.Millisecond})
	defer r.Close()
	news := make(chan string, 100)
	r.Watch("a.test", func(addrs []netip.Addr, err error) { news <- fmt.Sprint(addrs, err) })
	if got := <-news; got != "[10.0.0.1] <nil>" {
		t.Errorf("at first: %s", got)
	}
	s.add(t, "a.test. 60 A 10.0.0.2")
	if got := <-news; got != "[10.0.0.1 10.0.0.2] <nil>" {
		t.Errorf("after a change: %s", got)
	}
	r.Watch("localhost", func(addrs []netip.Addr, err error) { news <- fmt.Sprint(addrs, err) })
	if got := <-news; !strings.HasPrefix(got, "[127.") {
		t.Errorf("localhost: %s", got)
	}
}
