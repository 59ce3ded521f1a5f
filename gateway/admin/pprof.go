package admin

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

const maxProfile = 300 * time.Second

// pprofRoutes are the profiles of net/http/pprof.
func pprofRoutes() []route {
	const usage = "GET /debug/pprof/{profile,trace,heap,goroutine,allocs,block,mutex,threadcreate,cmdline}[?seconds=N]"
	return []route{
		{path: "/debug/pprof/", method: "GET", usage: usage, handler: profile(pprof.Index)},
		{path: "/debug/pprof/cmdline", method: "GET", usage: usage, handler: pprof.Cmdline},
		{path: "/debug/pprof/profile", method: "GET", usage: usage, handler: profile(pprof.Profile)},
		{path: "/debug/pprof/symbol", usage: usage, handler: pprof.Symbol}, // the tool looks symbols up by POST
		{path: "/debug/pprof/trace", method: "GET", usage: usage, handler: profile(pprof.Trace)},
	}
}

// profile gives a profile as much time to answer as it asks for, within a limit, and keeps other sites from starting
// one, which costs CPU though they can't read it.
func profile(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if foreign(r) {
			fail(w, r, http.StatusForbidden, "this request comes from a page of another site, which may not start a profile")
			return
		}
		took := 30 * time.Second // the default of profile, which is the longest
		if s := r.URL.Query().Get("seconds"); s != "" {
			n, err := strconv.ParseFloat(s, 64)
			if err != nil || !(n >= 0 && n <= maxProfile.Seconds()) {
				fail(w, r, http.StatusBadRequest, fmt.Sprintf("seconds=%s: expected a number from 0 to %v", quote(s), maxProfile.Seconds()))
				return
			}
			took = time.Duration(n * float64(time.Second))
		}
		// Errors mean that this is no connection but a test's recorder. The deadline for reading the request would end
		// its context, and with it the profile.
		c := http.NewResponseController(w)
		_ = c.SetWriteDeadline(time.Now().Add(took + answerTimeout))
		_ = c.SetReadDeadline(time.Time{})
		next(w, r)
	}
}
