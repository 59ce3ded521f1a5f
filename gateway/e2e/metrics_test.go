package e2e

import (
	"net/http"
	"strconv"
	"strings"
)

// adminOnAnyPort is a document's admin server.
const adminOnAnyPort = `"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}}`

// metricsPage is what the admin server of r shows.
func (r *running) metricsPage() string {
	r.w.t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: hang} // for those who ask again and again
	_, page := get(r.w.t, c, "http://"+r.AdminAddr()+"/metrics")
	return page
}

// metrics are the values on it of counters and gauges that have labels, rounded down, by name and labels as they stand there.
func (r *running) metrics() map[string]int {
	r.w.t.Helper()
	values := map[string]int{}
	for line := range strings.Lines(r.metricsPage()) {
		series, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "} ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			values[series+"}"] = int(n)
		}
	}
	return values
}

// metric is one of them, which has to be there.
func (r *running) metric(series string) int {
	r.w.t.Helper()
	n, ok := r.metrics()[series]
	if !ok {
		r.w.t.Fatalf("there is no %s", series)
	}
	return n
}
