package certificates

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure a Store.
type Options struct {
	// Strict refuses clients that ask for a name for which there is no certificate; otherwise they get the first one.
	Strict bool
	// Logger is told of certificates that were replaced, and once of each that is refused; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A Store is a set of certificates. Its methods are safe on any goroutine.
type Store struct {
	strict  bool
	log     *slog.Logger
	now     func() time.Time
	current atomic.Pointer[table]

	mu      sync.Mutex // guards what follows: reading files
	sources []Source
	entries []entry
}

// An entry is a pair of files and what came of them.
type entry struct {
	chain, key file
	pair       *tls.Certificate // the last good one
	problem    error            // why what lies there now is not good
	loaded     time.Time
	refused    int64
}

// read reads the files that may have changed, and reports whether one has.
func (e *entry) read(now time.Time) (changed bool, err error) {
	chain, err := e.chain.read(now, settled)
	key, keyErr := e.key.read(now, settled)
	return chain || key, errors.Join(err, keyErr)
}

// A Status is the state of one pair, for the admin API and metrics.
type Status struct {
	Chain    string    // path, or "(inline)"
	Names    []string  // that it is made out to
	NotAfter time.Time // zero, as Loaded: none is in use yet (Source.Optional)
	Loaded   time.Time // when the pair in use was read
	Refused  int64     // how often another was not good
	Problem  error     // why what lies in the files now is not in use; nil when it is
}

// Open reads the pairs. All that are not optional must be good; the error joins every problem.
func Open(sources []Source, o Options) (*Store, error) {
	if len(sources) == 0 {
		return nil, errors.New("no certificate is given: a chain and a key are needed")
	}
	s := &Store{strict: o.Strict, log: o.Logger, now: o.Now, sources: sources}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	var problems []error
	for _, source := range sources {
		s.entries = append(s.entries, entry{chain: newFile(source.Chain), key: newFile(source.Key)})
	}
	for i := range s.entries {
		s.load(i, true)
		switch err := s.entries[i].problem; {
		case err != nil && sources[i].Optional:
			s.log.Error("a certificate is not there; it is done without until it comes", slog.Any("error", err))
		case err != nil:
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	s.publish()
	return s, nil
}

// GetCertificate is for tls.Config.
func (s *Store) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	_, pair := s.Choose(hello)
	return pair, nil // crypto/tls makes an error of nil
}

// Choose returns the pair for a client, and the index of its source; -1 and nil when there is none. It is by the name that the
// client asks for (exact, then by wildcard), or else among all; of these by the client's protocols; of these the first, or
// what stands for it. With Options.Strict another name gets none.
func (s *Store) Choose(hello *tls.ClientHelloInfo) (source int, pair *tls.Certificate) {
	t := s.current.Load()
	if source = t.find(hello, s.strict); source < 0 {
		return source, nil
	}
	return source, t.pairs[source]
}

// Groups are the groups that a client that asks for name, in lower case and without a final dot, can get into. They must not
// be changed.
func (s *Store) Groups(name string) []string {
	t := s.current.Load()
	if c := t.named(name); c != nil {
		return c.groups
	}
	return t.rest.groups
}

// Ready reports whether there is any pair. It is cheap.
func (s *Store) Ready() bool { return len(s.current.Load().rest.list) > 0 }

// First is the first pair; nil of a nil Store.
func (s *Store) First() *tls.Certificate {
	if s == nil {
		return nil
	}
	return s.current.Load().pairs[0]
}

// GetClientCertificate is for the tls.Config of a client: the first pair.
func (s *Store) GetClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return s.First(), nil
}

// Status returns the state of each pair, in the order of the sources.
func (s *Store) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, len(s.entries))
	for i := range s.entries {
		e := &s.entries[i]
		all[i] = Status{Chain: describe(s.sources[i].Chain), Loaded: e.loaded, Refused: e.refused, Problem: e.problem}
		if e.pair != nil {
			all[i].Names, all[i].NotAfter = namesOf(e.pair.Leaf), e.pair.Leaf.NotAfter
		}
	}
	return all
}

// Refresh reads again what has changed, and puts what is good to use.
func (s *Store) Refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := false
	for i := range s.entries {
		changed = s.load(i, false) || changed
	}
	if changed {
		s.publish()
	}
}

// Watch calls Refresh at every interval (0 means DefaultInterval) until stop is called.
func (s *Store) Watch(interval time.Duration) (stop func()) {
	return watch(interval, s.Refresh)
}

// load reads pair i if its files have changed, and reports whether there is a new one to use.
func (s *Store) load(i int, first bool) bool {
	e, source, now := &s.entries[i], &s.sources[i], s.now()
	changed, err := e.read(now)
	if err != nil {
		s.refuse(e, source.problem(err), first)
		return false
	}
	if !first && !changed && e.problem == nil {
		return false
	}
	pair, err := source.parse(e.chain.text, e.key.text, now)
	if err != nil {
		// Both files may have been replaced between the two reads.
		if again, problem := e.read(now); again && problem == nil {
			pair, err = source.parse(e.chain.text, e.key.text, now)
		}
	}
	if err != nil {
		s.refuse(e, err, first)
		return false
	}
	switch {
	case first:
	case e.pair == nil:
		s.log.Info("a certificate that was not there has come", slog.String("certificate", describe(source.Chain)),
			slog.Any("names", namesOf(pair.Leaf)), slog.Time("valid until", pair.Leaf.NotAfter))
	default:
		s.log.Info("a certificate was replaced", slog.String("certificate", describe(source.Chain)),
			slog.Any("names", namesOf(pair.Leaf)), slog.Time("valid until", pair.Leaf.NotAfter))
	}
	e.pair, e.problem, e.loaded = pair, nil, now
	return true
}

// refuse notes why what lies in the files is not used. It is logged once, not at every look.
func (s *Store) refuse(e *entry, problem error, first bool) {
	known := e.problem != nil && e.problem.Error() == problem.Error()
	e.problem = problem
	if first || known {
		return
	}
	e.refused++
	if e.pair == nil {
		s.log.Error("a certificate that has come is refused; it is still done without", slog.Any("error", problem))
		return
	}
	s.log.Error("a changed certificate is refused; the last good one stays in use", slog.Any("error", problem),
		slog.Time("valid until", e.pair.Leaf.NotAfter))
}

// publish makes a table of the good pairs.
func (s *Store) publish() {
	pairs := make([]*tls.Certificate, len(s.entries))
	for i := range s.entries {
		pairs[i] = s.entries[i].pair
	}
	s.current.Store(newTable(s.sources, pairs))
}
