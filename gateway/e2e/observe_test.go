package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestAccounts makes one exchange of every kind, and compares the access logs, as text and as JSON, and the metrics with
// what the client saw.
func TestAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(_ int, p *peer) {
		for {
			head, ok := p.request()
			if !ok {
				return
			}
			switch {
			case strings.HasPrefix(head, "GET /cut"):
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
				return
			case strings.HasPrefix(head, "GET /gone"):
				return
			case strings.HasPrefix(head, "POST"):
				p.want("hello")
			}
			p.send("HTTP/1.1 203 Fine\r\nContent-Length: 6\r\nX-Kind: answer\r\n\r\n123456")
		}
	})
	text, object := w.tempFile("access.log"), w.tempFile("access.json")
	const format = "%request_method% %request_path% %http1_request_arg% %response_code% %response_flag% %bytes_received% %bytes_sent% " +
		"%protocol% %upstream_cluster% %virtual_host% %listener_name% %request_header_x-who% %response_header_x-kind% %attempts% %upstream_host%"
	g := w.start(sketch{hosts: []string{upstream},
		rules: `{"match":{"path":"/direct"},"direct_response":{"status":418,"body":"teapot"}},
			{"match":{"prefix":"/moved"},"redirect":{"path_redirect":"/x"}},`,
		proxy:    quiet + `,"limits":{"body":100}`,
		listener: fmt.Sprintf(`"access_logs":[{"log_path":%q,"log_format":%q},{"log_path":%q,"log_format":"json"}]`, text, format, object),
		document: adminOnAnyPort,
	}.String())
	var want []string
	exchange := func(request string, status int, body, line string) {
		t.Helper()
		c := w.dial(g.addr("l"))
		c.send(request)
		r, got := c.answer(request[:strings.IndexByte(request, ' ')])
		if r.StatusCode != status || body != "" && got != body {
			t.Errorf("%.30q: %s %q, want %d %q", request, r.Status, got, status, body)
		}
		c.Close()
		want = append(want, strings.NewReplacer("BODY", strconv.Itoa(len(got)), "UP", upstream).Replace(line))
		w.lines(text, len(want)) // in order: this exchange is over
	}
	exchange("GET /a/b?c=d HTTP/1.1\r\nHost: a\r\nX-Who: me\r\n\r\n", 203, "123456",
		"GET /a/b c=d 203 - 0 6 Http1 c everybody l me answer 1 UP")
	exchange("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n", 203, "", "HEAD /a - 203 - 0 0 Http1 c everybody l - answer 1 UP")
	exchange("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 203, "123456",
		"POST /p - 203 - 5 6 Http1 c everybody l - answer 1 UP")
	exchange("GET /direct HTTP/1.1\r\nHost: a\r\n\r\n", 418, "teapot", "GET /direct - 418 - 0 6 Http1 - everybody l - - 0 -")
	exchange("GET /moved HTTP/1.1\r\nHost: a\r\n\r\n", 301, "", "GET /moved - 301 - 0 0 Http1 - everybody l - - 0 -")
	exchange("GET /gone HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 502, "",
		"GET /gone - 502 upstream_reset 0 BODY Http1 c everybody l - - 2 UP")
	exchange("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413, "", "POST /big - 413 body_too_large 0 BODY Http1 - everybody l - - 0 -")
	exchange("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "", "- - - 400 protocol_error 0 BODY Http1 - - l - - 0 -")

	c := w.dial(g.addr("l"))
	c.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
	c.head()
	c.Close()
	want = append(want, "GET /cut - 200 upstream_cut 0 4 Http1 c everybody l - - 1 "+upstream)
	got := w.lines(text, len(want))
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d is\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
	compareJSON(t, w.lines(object, len(want)), want)
	compareMetrics(t, w, g, want)
}

// compareJSON: the JSON lines say the same.
func compareJSON(t *testing.T, objects, lines []string) {
	t.Helper()
	for i, o := range objects {
		var r struct {
			Method, Path, Reason string
			Code                 int    `json:"response_code"`
			Received             int    `json:"bytes_received"`
			Sent                 int    `json:"bytes_sent"`
			Cluster              string `json:"upstream_cluster"`
		}
		if err := json.Unmarshal([]byte(o), &r); err != nil {
			t.Errorf("%v in %s", err, o)
			continue
		}
		or := func(s string) string {
			if s == "" || s == "none" {
				return "-"
			}
			return s
		}
		path, query, _ := strings.Cut(r.Path, "?")
		got := fmt.Sprintf("%s %s %s %d %s %d %d Http1 %s ", or(r.Method), or(path), or(query), r.Code, or(r.Reason), r.Received, r.Sent, or(r.Cluster))
		if !strings.HasPrefix(lines[i], got) {
			t.Errorf("JSON line %d says\n%s\nand the text\n%s", i, got, lines[i])
		}
	}
}

// compareMetrics: the counters agree with the lines.
func compareMetrics(t *testing.T, w *world, g *running, lines []string) {
	t.Helper()
	wants := map[string]int{}
	for _, line := range lines {
		f := strings.Fields(line)
		code, reason, cluster := f[3], f[4], f[8]
		wants[`sluice_downstream_requests_total{listener="l"}`]++
		wants[`sluice_downstream_responses_total{code="`+code+`",listener="l"}`]++
		if reason != "-" {
			wants[`sluice_downstream_requests_failed_total{listener="l",reason="`+reason+`"}`]++
		}
		if cluster != "-" {
			n, _ := strconv.Atoi(f[len(f)-2])
			wants[`sluice_cluster_requests_total{cluster="c"}`] += n
		}
		if f[9] != "-" {
			wants[`sluice_route_requests_total{router="r",virtual_host="everybody"}`]++
		}
	}
	wants[`sluice_downstream_connections_total{listener="l"}`] = len(lines)
	wants[`sluice_downstream_connections_closed_total{listener="l"}`] = len(lines)
	wants[`sluice_downstream_connections_active{listener="l"}`] = 0
	wants[`sluice_downstream_requests_active{listener="l"}`] = 0
	wants[`sluice_cluster_requests_active{cluster="c"}`] = 0
	var metrics map[string]int
	w.until("every connection closed", func() bool {
		metrics = g.metrics()
		return metrics[`sluice_downstream_connections_closed_total{listener="l"}`] == len(lines)
	})
	for name, n := range wants {
		if got, ok := metrics[name]; !ok || got != n {
			t.Errorf("%s is %d (there: %v), want %d", name, got, ok, n)
		}
	}
}
