package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// A route is one path of a server.
type route struct {
	path    string // exact, or with everything below it when it ends in "/" (but for "/" itself)
	method  string // GET (and HEAD), POST, or "" for any
	usage   string // what a wrong request is told
	handler http.HandlerFunc
	hidden  bool // not in the list: an old spelling
}

// routes dispatch on the path, and answer what fits none of them.
type routes struct {
	all   []route
	exact map[string]*route
}

func newRoutes(all []route) *routes {
	r := &routes{all: all, exact: make(map[string]*route, len(all))}
	for i := range all {
		r.exact[all[i].path] = &all[i]
	}
	return r
}

func (rs *routes) find(path string) *route {
	if r := rs.exact[path]; r != nil {
		return r
	}
	for i := range rs.all {
		if r := &rs.all[i]; r.path != "/" && strings.HasSuffix(r.path, "/") && strings.HasPrefix(path, r.path) {
			return r
		}
	}
	return nil
}

func (rs *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found := rs.find(r.URL.Path)
	if found == nil {
		text(w, http.StatusNotFound, "there is nothing at "+quote(r.URL.Path)+"\n"+rs.list())
		return
	}
	if !found.allows(r.Method) {
		allowed := found.method
		if allowed == http.MethodGet {
			allowed = "GET, HEAD"
		}
		w.Header().Set("Allow", allowed)
		fail(w, r, http.StatusMethodNotAllowed, r.Method+" is not for "+found.path+"; use: "+found.usage)
		return
	}
	found.handler(w, r)
}

func (r *route) allows(method string) bool {
	return r.method == "" || method == r.method || r.method == http.MethodGet && method == http.MethodHead
}

// list is MOSN's answer to "/" and to what it does not know.
func (rs *routes) list() string {
	var paths []string
	for _, r := range rs.all {
		if !r.hidden && r.path != "/" {
			paths = append(paths, r.path)
		}
	}
	slices.Sort(paths)
	return "supported APIs:\n" + strings.Join(paths, "\n") + "\n"
}

func text[B string | []byte](w http.ResponseWriter, status int, body B) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client is gone, or it is not
}

// fail answers with one line that says what is wrong: JSON under /api/, text elsewhere.
func fail(w http.ResponseWriter, r *http.Request, status int, what string) {
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		text(w, status, what+"\n")
		return
	}
	failJSON(w, status, what, "")
}

// failJSON answers {"error": what}, with what was expected when detail is not empty.
func failJSON(w http.ResponseWriter, status int, what, detail string) {
	_ = writeJSON(w, status, layout{html: true, line: true}, struct { // two strings always render
		Error  string `json:"error"`
		Detail string `json:"detail,omitempty"`
	}{what, detail})
}

// quote makes text of a request safe to print.
func quote(s string) string {
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "?"
	}
	return string(b)
}
