package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// maxFile is the longest file that is read.
const maxFile = 1 << 20

// A Source says where a pair comes from. Chain and Key are paths, or the PEM text itself.
type Source struct {
	Chain string // certificates, the server's first, each followed by its issuer's
	Key   string
	Names []string // names that it is shown for beside those that it is made out to; "*.x" is a wildcard
	// Protocols are those of ALPN that it is for; nil: all. A client that speaks none of any source's gets the first.
	Protocols []string
	// Group is the same for sources that stand for each other where both are for a client: of those it is the cheaper to sign
	// with that is shown. A client must not get from one group into another by what it says it can verify.
	Group string
	// Optional lets the Store do without the pair as long as there has been no good one.
	Optional bool
}

// A file is one of a source's two, as it was when it was read.
type file struct {
	path string // empty for inline text
	info os.FileInfo
	text []byte
}

func newFile(where string) file {
	if strings.Contains(where, "-----BEGIN ") {
		return file{text: []byte(where)}
	}
	return file{path: where}
}

// read reads the file if it may have changed, and reports whether it has. A file is only trusted to be unchanged by its
// looks when it is older than settled: clocks of file systems are coarse.
func (f *file) read(now time.Time, settled time.Duration) (changed bool, err error) {
	if f.path == "" {
		return false, nil
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return false, err
	}
	if f.info != nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) &&
		now.Sub(info.ModTime()) > settled {
		return false, nil
	}
	if info.Size() > maxFile {
		return false, fmt.Errorf("%s has %d bytes; a certificate has no more than %d", f.path, info.Size(), maxFile)
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return false, err
	}
	changed = f.info == nil || !bytes.Equal(text, f.text)
	f.info, f.text = info, text
	return changed, nil
}

// parse makes a pair of what was read and checks it.
func (s *Source) parse(chain, key []byte, now time.Time) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, s.problem(errors.New(strings.TrimPrefix(err.Error(), "tls: ")))
	}
	certs := make([]*x509.Certificate, len(pair.Certificate))
	for i, der := range pair.Certificate {
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, s.problem(fmt.Errorf("certificate %d of the chain: %w", i+1, err))
		}
		if i > 0 {
			if err := certs[i-1].CheckSignatureFrom(certs[i]); err != nil {
				return nil, s.problem(fmt.Errorf("certificate %d of the chain is not the issuer of the one before it (%w): "+
					"list the server's own first, then each one's issuer", i+1, err))
			}
		}
	}
	pair.Leaf = certs[0]
	switch {
	case now.After(pair.Leaf.NotAfter):
		return nil, s.problem(fmt.Errorf("it has expired on %s: renew it", pair.Leaf.NotAfter.UTC().Format(time.RFC3339)))
	case now.Before(pair.Leaf.NotBefore):
		return nil, s.problem(fmt.Errorf("it is valid from %s on only: is the clock right?", pair.Leaf.NotBefore.UTC().Format(time.RFC3339)))
	}
	return &pair, nil
}

// problem says which pair err is about.
func (s *Source) problem(err error) error {
	return fmt.Errorf("certificate %s with key %s: %w", describe(s.Chain), describe(s.Key), err)
}

// describe names a file, and never shows what is inline.
func describe(where string) string {
	if strings.Contains(where, "-----BEGIN ") {
		return "(inline)"
	}
	return where
}
