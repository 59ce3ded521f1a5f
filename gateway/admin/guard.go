package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// guard refuses what a web page of somebody else could send through a browser, and bounds the body and the time to
// answer.
func (s *Server) guard(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if s.loopback.Load() && !meansLoopback(r.Host) {
			fail(w, r, http.StatusForbidden, fmt.Sprintf("this server listens on loopback and does not answer to the name %q; "+
				"use 127.0.0.1 or localhost", r.Host))
			return
		}
		if err := sameOrigin.Check(r); err != nil {
			fail(w, r, http.StatusForbidden, "this request comes from a page of another origin, which may not change anything here")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		// An error means that this is no connection but a test's recorder, which needs no deadline.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
		next.ServeHTTP(w, r)
	})
}

// meansLoopback reports whether nobody else's name server decides what host stands for: an address, localhost, or no
// host at all (HTTP/1.0). Without this a page could reach loopback through a name of its own that it points there.
func meansLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// foreign reports whether a browser says that a page of another site sent the request.
func foreign(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Site") == "cross-site" }
