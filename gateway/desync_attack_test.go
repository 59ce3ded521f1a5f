package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sluice/loop/looptest"
)

// A desync is an attempt to make two ends of one connection disagree about where a message ends. After it a client that is
// somebody else must get its own answer, and the upstream must not have been asked for /evil.
type desync struct {
	client []string // what the client sends, piece by piece
	answer string   // to the first request; behind early, to its head
	asked  string   // the requests that the upstream has got of it: "0:GET /a", by the number of the connection
	got    string   // the statuses that the client was told
	ends   bool     // the client's connection is over
	fresh  bool     // the connection to the upstream is not used again
}

const (
	early    = "early "
	evil     = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
	upgrade  = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
	evilBack = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
)

func post(fields string) string { return "POST /a HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" }

func TestDesync(t *testing.T) {
	for name, x := range map[string]desync{
		// Who expects 100 and gets a final answer may send the body, or not: nobody can tell what its next bytes are.
		"Expect, answered early, then the body": {[]string{post("Content-Length: 36\r\nExpect: 100-continue\r\n"), evil + "xxxxx"}, early + ok,
			"0:POST /a", "200", true, true},
		"Expect, answered early, then a request": {[]string{post("Content-Length: 5\r\nExpect: 100-continue\r\n"), evil}, early + ok,
			"0:POST /a", "200", true, true},
		"Expect with the body at once": {[]string{post("Content-Length: 5\r\nExpect: 100-continue\r\n") + "hello" + get}, ok,
			"0:POST /a 0:GET /x", "200 200", false, false},
		"Expect without a body": {[]string{"GET /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n" + get}, ok,
			"0:GET /a 0:GET /x", "200 200", false, false},
		"Expect, obfuscated": {[]string{post("Content-Length: 5\r\nExpect: y 100-continue\r\n") + evil}, ok, "", "417", true, false},
		"Expect, refused by the upstream": {[]string{post("Content-Length: 36\r\nExpect: 100-continue\r\n"), evil + "xxxxx"},
			early + "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n", "0:POST /a", "417", true, true},
		// The rest of a body whose answer came early is body.
		"answered early, then the rest": {[]string{post("Content-Length: 36\r\n"), evil + "xxxxx" + get}, early + ok, "0:POST /a 1:GET /x", "200 200", false, true},
		"answered early, chunked":       {[]string{post("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n", "1f\r\n" + evil + "\r\n0\r\n\r\n" + get}, early + ok, "0:POST /a 1:GET /x", "200 200", false, true},
		"answered early, broken chunks": {[]string{post("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n", "x\r\n" + evil}, early + ok, "0:POST /a", "200", true, true},
		// Bodies where some see none.
		"GET with a body":            {[]string{"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\n" + evil + get}, ok, "0:GET /a 0:GET /x", "200 200", false, false},
		"OPTIONS with chunks (TE.0)": {[]string{"OPTIONS /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n" + evil + "\r\n0\r\n\r\n" + get}, ok, "0:OPTIONS /a 0:GET /x", "200 200", false, false},
		"HEAD with a body":           {[]string{"HEAD /a HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\n" + evil + get}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "0:HEAD /a 0:GET /x", "200 200", false, false},
		"chunks with zeros in front": {[]string{post("Transfer-Encoding: chunked\r\n") + "000000000000001f\r\n" + evil + "\r\n0000\r\n\r\n" + get}, ok, "0:POST /a 0:GET /x", "200 200", false, false},
		"chunks that overflow":       {[]string{post("Transfer-Encoding: chunked\r\n") + "10000000000000000\r\n\r\n" + evil}, ok, "0:POST /a", "400", true, true},
		"a chunk's extension that ends with LF": {[]string{post("Transfer-Encoding: chunked\r\n") + "2;\nxx\r\n1f\r\n" + evil + "\r\n0\r\n\r\n"}, ok,
			"0:POST /a", "400", true, true},
		// Answers that hold more than one.
		"an answer with a tail":        {[]string{get + get}, ok + evilBack, "0:GET /x 1:GET /x", "200 200", false, true},
		"HEAD answered with a body":    {[]string{"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n"}, evilBack, "0:HEAD /a", "200", false, true},
		"204 with a body":              {[]string{get}, "HTTP/1.1 204 No Content\r\n\r\n" + evilBack, "0:GET /x", "204", false, true},
		"204 with a length":            {[]string{get}, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "0:GET /x", "204", false, true},
		"304 with a length and a body": {[]string{get}, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "0:GET /x", "304", false, true},
		"100 with a body":              {[]string{get}, "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello" + ok, "0:GET /x", "502", false, true},
		"204 with chunks":              {[]string{get}, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "0:GET /x", "502", false, true},
		"chunks in an answer of 1.0":   {[]string{get}, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "0:GET /x", "502", false, true},
		"an answer with two lengths":   {[]string{get}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 90\r\n\r\nok", "0:GET /x", "502", false, true},
		"an upgrade that nobody asked for": {[]string{get}, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + evilBack,
			"0:GET /x", "502", false, true},
		"another upgrade than asked for": {[]string{upgrade}, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n" + evilBack,
			"0:GET /a", "502", false, true},
		// Tunnels that are none.
		"a refused upgrade, with more behind it": {[]string{upgrade + evil}, ok, "0:GET /a", "200", true, false},
		"a refused upgrade, then a request":      {[]string{upgrade, get}, ok, "0:GET /a 0:GET /x", "200 200", false, false},
		"an upgrade with a body": {[]string{strings.Replace(upgrade, "Host: a\r\n", "Host: a\r\nContent-Length: 31\r\n", 1) + evil + get}, ok,
			"0:GET /a 0:GET /x", "200 200", false, false},
		"an upgrade to h2c": {[]string{strings.Replace(upgrade, "websocket", "h2c", 1) + get}, ok, "0:GET /a 0:GET /x", "200 200", false, false},
		"a refused CONNECT, with more behind it": {[]string{"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + evil},
			"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "0:CONNECT a:443", "403", true, true},
	} {
		t.Run(name, func(t *testing.T) { x.try(t) })
	}
}

// What comes behind the wish for a tunnel while there is no upstream yet is not forgotten either.
func TestBehindAnUpgradeThatWaits(t *testing.T) {
	for _, ask := range []string{upgrade, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"} {
		for _, later := range []bool{false, true} {
			r := newRig(t, strings.Replace(plain(toCluster, ""), `"lb_type"`, `"circuit_breakers":[{"max_connections":1}],"lb_type"`, 1))
			ups := r.upstream(nil)
			first, c := r.connect(), r.connect()
			first.Send(get)
			r.l.Run()
			if later {
				c.Send(ask)
				r.l.Run()
				c.Send(evil)
			} else {
				c.Send(ask + evil)
			}
			r.l.Run()
			up := (*ups)[0]
			up.Take()
			up.Send(ok)
			r.l.Run()
			if got := up.Take(); strings.Contains(got, "evil") || !strings.Contains(got, ask[:7]) {
				t.Fatalf("the upstream got %q", got)
			}
			up.Send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			r.l.Run()
			if got := c.Received(); statuses(got) != "403" || !c.EOF() || strings.Contains(up.Received(), "evil") {
				t.Errorf("%q, later %t: the client was told %q, its connection is over: %t; the upstream got %q", ask[:7], later, got, c.EOF(), up.Received())
			}
		}
	}
}

func (x *desync) try(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	var asked []string
	connections := 0
	answer, hasty := strings.CutPrefix(x.answer, early)
	r.upstream(func(p *looptest.Peer) {
		u := &strictServer{}
		number := connections
		connections++
		p.OnReceive(func(b []byte) {
			for u.rest += string(b); ; {
				line, whole := u.next(hasty)
				if line != "" {
					asked = append(asked, fmt.Sprint(number, ":", line))
				}
				if !whole {
					return
				}
				if len(asked) == 1 {
					p.Send(answer)
				} else {
					p.Send(ok)
				}
			}
		})
	})
	c := r.connect()
	for _, piece := range x.client {
		c.Send(piece)
		r.l.Run()
	}
	if got := strings.Join(asked, " "); got != x.asked || strings.Contains(got, "evil") {
		t.Errorf("the upstream was asked %q, want %q", got, x.asked)
	}
	if got := statuses(c.Received()); got != x.got {
		t.Errorf("the client was told %q (%q), want %q", got, c.Received(), x.got)
	}
	if ends := c.EOF() || c.Closed(); ends != x.ends {
		t.Errorf("the client's connection is over: %t", ends)
	}
	used := connections
	other := r.connect()
	other.Send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
	r.l.Run()
	r.want(other, ok)
	if last := asked[len(asked)-1]; !strings.HasSuffix(last, ":GET /other") || slices.ContainsFunc(asked, func(s string) bool { return strings.Contains(s, "evil") }) {
		t.Errorf("afterwards the upstream was asked %q", asked)
	}
	if x.fresh && x.asked != "" && used == 1 && connections == 1 {
		t.Error("the upstream's connection was used again")
	}
}

// A strictServer reads requests: one that is not complete is the last.
type strictServer struct {
	rest string
	body string // what is needed of the body: its length, or "chunked"
}

// next returns the method and target of the next request when its head has come, and whether it can be answered: when it is
// complete, or at once.
func (u *strictServer) next(hasty bool) (line string, whole bool) {
	if u.body == "" {
		head, behind, found := strings.Cut(u.rest, "\r\n\r\n")
		if !found {
			return "", false
		}
		line, _, _ = strings.Cut(head, " HTTP/1.1\r\n")
		u.rest, u.body = behind, "0"
		for field := range strings.SplitSeq(head, "\r\n") {
			if v, ok := strings.CutPrefix(field, "Content-Length: "); ok {
				u.body = v
			} else if v, ok := strings.CutPrefix(field, "Transfer-Encoding: "); ok {
				u.body = v
			}
		}
	}
	if n, err := strconv.Atoi(u.body); err == nil && len(u.rest) >= n {
		u.rest, u.body = u.rest[n:], ""
		return line, true
	}
	if _, behind, found := strings.Cut(u.rest, "0\r\n\r\n"); found && u.body == "chunked" {
		u.rest, u.body = behind, ""
		return line, true
	}
	return line, hasty && line != ""
}

// statuses are those of the answers in text.
func statuses(text string) string {
	var all []string
	for part := range strings.SplitSeq(text, "HTTP/1.1 ") {
		if len(part) > 3 {
			all = append(all, part[:3])
		}
	}
	return strings.Join(all, " ")
}
