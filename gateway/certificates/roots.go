package certificates

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Authorities are the certificates that may have signed a peer's. They are immutable: another set is another pointer.
type Authorities struct {
	Pool *x509.CertPool
	// Fingerprint tells sets apart, for what must not outlive one, such as session tickets.
	Fingerprint [sha256.Size]byte
}

// Roots is a file of CA certificates that is read again when it has changed. Its methods are safe on any goroutine.
type Roots struct {
	where   string
	log     *slog.Logger
	now     func() time.Time
	current atomic.Pointer[Authorities]

	mu    sync.Mutex // guards what follows: reading the file
	file  file
	state Status
}

// OpenRoots reads CA certificates: where is a path, or PEM text, which never changes. Options.Strict has no meaning.
func OpenRoots(where string, o Options) (*Roots, error) {
	r := &Roots{where: where, log: o.Logger, now: o.Now, file: newFile(where)}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.state.Chain = describe(where)
	if r.file.path == "" {
		r.state.Chain = "(inline CA)" // beside an inline certificate of the same owner
	}
	if _, err := r.file.read(r.now(), settled); err != nil {
		return nil, r.problem(err)
	}
	if err := r.use(r.now()); err != nil {
		return nil, err
	}
	return r, nil
}

// Current are the certificates in use: those of the file, or the last good ones that it held. Nil Roots have none.
func (r *Roots) Current() *Authorities {
	if r == nil {
		return nil
	}
	return r.current.Load()
}

// Fixed reports that Current never changes.
func (r *Roots) Fixed() bool { return r.file.path == "" }

// Status returns the state of the file, as one entry. NotAfter is when the next of the certificates expires that has not yet.
func (r *Roots) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return []Status{r.state}
}

// Watch calls Refresh at every interval (0 means DefaultInterval) until stop is called.
func (r *Roots) Watch(interval time.Duration) (stop func()) {
	if r.Fixed() {
		return func() {}
	}
	return watch(interval, r.Refresh)
}

// Refresh reads the file again if it has changed, and puts it to use if it is good.
func (r *Roots) Refresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	changed, err := r.file.read(now, settled)
	if err != nil {
		r.refuse(r.problem(err))
		return
	}
	if !changed && r.state.Problem == nil {
		return
	}
	if err := r.use(now); err != nil {
		r.refuse(err)
		return
	}
	r.log.Info("CA certificates were replaced", slog.String("file", r.state.Chain), slog.Any("names", r.state.Names))
}

// refuse notes why what lies in the file is not used. It is logged once, not at every look.
func (r *Roots) refuse(problem error) {
	known := r.state.Problem != nil && r.state.Problem.Error() == problem.Error()
	r.state.Problem = problem
	if known {
		return
	}
	r.state.Refused++
	r.log.Error("changed CA certificates are refused; the last good ones stay in use", slog.Any("error", problem))
}

// use parses what was read, and publishes it.
func (r *Roots) use(now time.Time) error {
	certs, err := parseAuthorities(r.file.text)
	if err != nil {
		return r.problem(err)
	}
	pool := x509.NewCertPool()
	var names []string
	var next time.Time
	for _, c := range certs {
		pool.AddCert(c)
		names = append(names, c.Subject.CommonName)
		if now.Before(c.NotAfter) && (next.IsZero() || c.NotAfter.Before(next)) {
			next = c.NotAfter
		}
	}
	if next.IsZero() {
		return r.problem(errors.New("all its certificates have expired: renew them"))
	}
	r.state.Names, r.state.NotAfter, r.state.Loaded, r.state.Problem = names, next, now, nil
	r.current.Store(&Authorities{Pool: pool, Fingerprint: sha256.Sum256(r.file.text)})
	return nil
}

// parseAuthorities reads every certificate of a PEM text. One that can't be read spoils all: to leave it out would refuse its
// peers without a word.
func parseAuthorities(text []byte) (certs []*x509.Certificate, err error) {
	rest := text
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue // a key's parameters, a CRL
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	switch {
	case bytes.Contains(rest, []byte("-----BEGIN ")):
		return nil, fmt.Errorf("the text is cut, or damaged, behind certificate %d", len(certs))
	case len(certs) == 0:
		return nil, errors.New(`there is no certificate in it; expected PEM text, "-----BEGIN CERTIFICATE-----"`)
	}
	return certs, nil
}

// problem says which file err is about.
func (r *Roots) problem(err error) error {
	return fmt.Errorf("CA certificates %s: %w", describe(r.where), err)
}
