package secure

import (
	"crypto/tls"
	"sync/atomic"
)

// A Session remembers how to resume the last session with one endpoint: it is the ClientSessionCache of a tls.Config that
// is used for this endpoint only. (crypto/tls's own cache has the server's name for its key, which all endpoints of a
// cluster share, although their tickets differ.) The zero value is ready; all loops may share it.
type Session struct {
	last atomic.Pointer[tls.ClientSessionState]
}

var _ tls.ClientSessionCache = (*Session)(nil)

// Get implements tls.ClientSessionCache.
func (s *Session) Get(string) (*tls.ClientSessionState, bool) {
	last := s.last.Load()
	return last, last != nil
}

// Put implements tls.ClientSessionCache; nil forgets.
func (s *Session) Put(_ string, state *tls.ClientSessionState) { s.last.Store(state) }
