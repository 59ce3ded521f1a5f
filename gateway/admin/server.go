package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of every server of this package.
const (
	maxConns       = 256
	maxHead        = 16 << 10
	maxBody        = 64 << 10
	headTimeout    = 5 * time.Second
	requestTimeout = 10 * time.Second
	answerTimeout  = 30 * time.Second // but for profiles, which say how long they take
	idleTimeout    = 60 * time.Second
)

// A Server is one of the process's own HTTP servers. Its methods are safe on any goroutine.
type Server struct {
	http     *http.Server
	loopback atomic.Bool // the listener's address is loopback, so names are checked
}

func newServer(routes *routes, log *slog.Logger) *Server {
	s := &Server{}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	s.http = &http.Server{
		Handler:           s.guard(routes),
		Protocols:         &protocols,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return s
}

// Listen opens the listener of a server. what names it in errors: "admin".
func Listen(what string, addr netip.AddrPort) (net.Listener, error) {
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		if wrapped, ok := errors.AsType[*net.OpError](err); ok {
			err = wrapped.Err // the address is named already
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w: another process has it; stop that or choose another address", err)
		}
		return nil, fmt.Errorf("%s server: listen on %s: %w", what, addr, err)
	}
	return l, nil
}

// Serve answers on l until Close, and closes l. It returns nil after Close.
func (s *Server) Serve(l net.Listener) error {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		s.loopback.Store(a.IP.IsLoopback())
	}
	if err := s.http.Serve(netutil.LimitListener(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the server at once: its listener and all its connections.
func (s *Server) Close() error { return s.http.Close() }

// Shutdown ends the server when the answers in progress are sent, or ctx is done.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// ServeHTTP answers one request without a listener: for tests, and for mounting. It checks no names.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }
