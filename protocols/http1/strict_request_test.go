package http1

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// one is what a refused or accepted message looks like: a start line and fields, joined by CRLF; no Host is added.
func lines(ls ...string) string { return strings.Join(ls, "\r\n") + "\r\n\r\n" }

// get is a valid request with more fields.
func get(fields ...string) string {
	return lines(append([]string{"GET / HTTP/1.1", "Host: a"}, fields...)...)
}

// post is a chunked request with a body.
func chunked(body string, fields ...string) string {
	return lines(append([]string{"POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"}, fields...)...) + body
}

// verdict of a server that is given text whole; the same is asserted for text byte by byte.
func requestVerdict(t *testing.T, text string, l protocols.Limits) (r rule, record []string) {
	t.Helper()
	decode := func(step int) (*protocols.Error, []string) {
		var (
			sink protocoltest.Recorder
			out  protocoltest.Output
			bad  *protocols.Error
		)
		c := Protocol().Server(protocols.NewEnv(l))
		rest := []byte(nil)
		for from := 0; from < len(text); from += step {
			rest = append(rest, text[from:min(from+step, len(text))]...)
			n, err := c.Decode(0, slices.Clone(rest), &sink, &out)
			if rest = rest[n:]; err != nil {
				if !errors.As(err, &bad) {
					t.Fatalf("error %v is no *protocols.Error", err)
				}
				break
			}
		}
		return bad, sink.Take()
	}
	bad, record := decode(len(text) + 1)
	for _, step := range []int{1, 2, 3, 7} {
		again, slow := decode(step + len(text)/4096)
		if again != bad || !slices.Equal(record, slow) {
			t.Errorf("%q: whole: %v %q; in pieces of %d: %v %q", text, bad, record, step, again, slow)
		}
	}
	if bad == nil {
		return ruleOK, record
	}
	return rule(slices.Index(requestErrors[:], bad)), record
}

type strictCase struct {
	name string
	text string
	want rule
}

func (c strictCase) check(t *testing.T) {
	t.Helper()
	if got, record := requestVerdict(t, c.text, protocols.Limits{}); got != c.want {
		t.Errorf("%s: %.200q:\n got %q\nwant %q\nevents %q", c.name, c.text, ruleTable[got].detail, ruleTable[c.want].detail, record)
	}
}

func TestRequestLineIsStrict(t *testing.T) {
	for _, c := range []strictCase{
		{"plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleOK},
		{"unknown method", "PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", ruleOK},
		{"method in lower case is another method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", ruleOK},
		{"one empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleOK},
		{"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleOK},
		{"three empty lines before", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleBlankLines},
		{"LF before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleGarbage},
		{"CR before", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleBareCR},
		{"CR CR LF before", "\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleBareCR},
		{"space before", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleGarbage},
		{"tab before", "\tGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleGarbage},
		{"NUL before", "\x00GET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleGarbage},
		{"byte order mark", "\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleGarbage},
		{"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ruleGarbage},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ruleHTTP2},
		{"PROXY protocol", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ruleVersion},
		{"HTTP/0.9", "GET /\r\n\r\n", ruleHTTP09},
		{"HTTP/0.9 with LF", "GET /\n\n", ruleHTTP09},
		{"HTTP/0.9 in words", "GET / HTTP/0.9\r\n\r\n", ruleVersion},
		{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", ruleHTTP09},
		{"no target, space", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", ruleTargetMissing},
		{"method only", "GET\r\nHost: a\r\n\r\n", ruleMethod},
		{"method and space only", "GET \r\nHost: a\r\n\r\n", ruleTargetMissing},
		{"two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", ruleTargetMissing},
		{"two spaces behind the target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", ruleVersion},
		{"tab behind the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", ruleMethod},
		{"tab behind the target", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", ruleTarget},
		{"VT behind the method", "GET\v/ HTTP/1.1\r\nHost: a\r\n\r\n", ruleMethod},
		{"FF behind the target", "GET /\fHTTP/1.1\r\nHost: a\r\n\r\n", ruleTarget},
		{"CR as a space", "GET\r/ HTTP/1.1\r\nHost: a\r\n\r\n", ruleMethod},
		{"space at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", ruleVersion},
		{"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", ruleVersion},
		{"method with a delimiter", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", ruleMethod},
		{"method with a colon", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n", ruleMethod},
		{"a field as request line", "Host: a\r\n\r\n", ruleMethod},
		{"method of 64 bytes", strings.Repeat("M", 64) + " / HTTP/1.1\r\nHost: a\r\n\r\n", ruleOK},
		{"method of 65 bytes", strings.Repeat("M", 65) + " / HTTP/1.1\r\nHost: a\r\n\r\n", ruleMethodLong},
		{"NUL in the target", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", ruleTarget},
		{"DEL in the target", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", ruleTarget},
		{"UTF-8 in the target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", ruleTarget},
		{"ESC far in the target", "GET /0123456789abcdef\x1b HTTP/1.1\r\nHost: a\r\n\r\n", ruleTarget},
		{"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", ruleTarget},
		{"CR in the target", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", ruleHTTP09},
		{"bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", ruleBareLF},
		{"bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n", ruleBareLF},
		{"bare CR", "GET / HTTP/1.1\rHost: a\r\n\r\n", ruleBareCR},
		{"CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", ruleBareCR},
		{"version 1.2 is compatible", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", ruleOK},
		{"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", ruleHTTP2},
		{"version 3.0", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", ruleVersion},
		{"version 1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", ruleVersion},
		{"version 01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", ruleVersion},
		{"version 1", "GET / HTTP/1\r\nHost: a\r\n\r\n", ruleVersion},
		{"version 1.", "GET / HTTP/1.\r\nHost: a\r\n\r\n", ruleVersion},
		{"version 1.x", "GET / HTTP/1.x\r\nHost: a\r\n\r\n", ruleVersion},
		{"version with a comma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", ruleVersion},
		{"version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", ruleVersion},
		{"other protocol", "GET / ICAP/1.0\r\nHost: a\r\n\r\n", ruleVersion},
		{"space in the version", "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n", ruleVersion},
		{"version with more behind", "GET / HTTP/1.1x\r\nHost: a\r\n\r\n", ruleVersion},
	} {
		c.check(t)
	}
}

func TestTargetAndHostAreStrict(t *testing.T) {
	request := func(line string, hosts ...string) string { return lines(append([]string{line}, hosts...)...) }
	for _, c := range []strictCase{
		{"no Host", request("GET / HTTP/1.1"), ruleHostMissing},
		{"no Host in 1.0", request("GET / HTTP/1.0"), ruleOK},
		{"no Host with a full target", request("GET http://a/ HTTP/1.1"), ruleHostMissing},
		{"two Hosts", request("GET / HTTP/1.1", "Host: a", "Host: b"), ruleHostRepeated},
		{"two equal Hosts", request("GET / HTTP/1.1", "Host: a", "hOST: a"), ruleHostRepeated},
		{"two Hosts in 1.0", request("GET / HTTP/1.0", "Host: a", "Host: a"), ruleHostRepeated},
		{"empty Host", request("GET / HTTP/1.1", "Host:"), ruleHostBytes},
		{"blank Host", request("GET / HTTP/1.1", "Host:  \t"), ruleHostBytes},
		{"Host with a path", request("GET / HTTP/1.1", "Host: a/b"), ruleHostBytes},
		{"Host with user information", request("GET / HTTP/1.1", "Host: u@a"), ruleHostBytes},
		{"Host with a list", request("GET / HTTP/1.1", "Host: a, b"), ruleHostBytes},
		{"Host with a comma", request("GET / HTTP/1.1", "Host: a,b"), ruleHostBytes},
		{"Host with a space", request("GET / HTTP/1.1", "Host: a b"), ruleHostBytes},
		{"Host with a query", request("GET / HTTP/1.1", "Host: a?b"), ruleHostBytes},
		{"Host with a fragment", request("GET / HTTP/1.1", "Host: a#b"), ruleHostBytes},
		{"Host with a backslash", request("GET / HTTP/1.1", `Host: a\b`), ruleHostBytes},
		{"Host with a quote", request("GET / HTTP/1.1", `Host: "a"`), ruleHostBytes},
		{"Host with UTF-8", request("GET / HTTP/1.1", "Host: \xc3\xa4"), ruleHostBytes},
		{"Host with a scheme", request("GET / HTTP/1.1", "Host: http://a"), ruleHostBytes},
		{"Host with a port", request("GET / HTTP/1.1", "Host: a:65535"), ruleOK},
		{"Host with an empty port", request("GET / HTTP/1.1", "Host: a:"), ruleOK},
		{"Host with a large port", request("GET / HTTP/1.1", "Host: a:65536"), ruleHostBytes},
		{"Host with a long port", request("GET / HTTP/1.1", "Host: a:000080"), ruleHostBytes},
		{"Host with a port in words", request("GET / HTTP/1.1", "Host: a:http"), ruleHostBytes},
		{"Host with two ports", request("GET / HTTP/1.1", "Host: a:80:80"), ruleHostBytes},
		{"Host with a signed port", request("GET / HTTP/1.1", "Host: a:+80"), ruleHostBytes},
		{"Host with only a port", request("GET / HTTP/1.1", "Host: :80"), ruleHostBytes},
		{"Host with IPv6", request("GET / HTTP/1.1", "Host: [2001:db8::1]:80"), ruleOK},
		{"Host with mapped IPv4", request("GET / HTTP/1.1", "Host: [::ffff:1.2.3.4]"), ruleOK},
		{"Host with open IPv6", request("GET / HTTP/1.1", "Host: [::1"), ruleHostBytes},
		{"Host with bare IPv6", request("GET / HTTP/1.1", "Host: ::1"), ruleHostBytes},
		{"Host with words in brackets", request("GET / HTTP/1.1", "Host: [a.b]"), ruleHostBytes},
		{"Host with something behind IPv6", request("GET / HTTP/1.1", "Host: [::1]a"), ruleHostBytes},
		{"Host with a bracket inside", request("GET / HTTP/1.1", "Host: a[::1]"), ruleHostBytes},
		{"Host with a zone", request("GET / HTTP/1.1", "Host: [fe80::1%25eth0]"), ruleHostBytes},
		{"Host with an underscore", request("GET / HTTP/1.1", "Host: a_b.c"), ruleOK},
		{"full target", request("GET http://a/b HTTP/1.1", "Host: a"), ruleOK},
		{"full target, other case", request("GET HTTP://A/b HTTP/1.1", "Host: a"), ruleOK},
		{"full target, default port", request("GET http://a/b HTTP/1.1", "Host: a:80"), ruleOK},
		{"full target, port of the other scheme", request("GET http://a/b HTTP/1.1", "Host: a:443"), ruleHostMismatch},
		{"full target, other port", request("GET http://a:81/b HTTP/1.1", "Host: a"), ruleHostMismatch},
		{"full target, other host", request("GET http://a/b HTTP/1.1", "Host: b"), ruleHostMismatch},
		{"full target, longer host", request("GET http://a/b HTTP/1.1", "Host: a.b"), ruleHostMismatch},
		{"full target, user information", request("GET http://u@a/b HTTP/1.1", "Host: a"), ruleHostBytes},
		{"full target, no host", request("GET http:///b HTTP/1.1", "Host: a"), ruleHostBytes},
		{"full target, nothing", request("GET http:// HTTP/1.1", "Host: a"), ruleScheme},
		{"full target, other scheme", request("GET ftp://a/b HTTP/1.1", "Host: a"), ruleScheme},
		{"full target, one slash", request("GET http:/a HTTP/1.1", "Host: a"), ruleTargetForm},
		{"relative target", request("GET a HTTP/1.1", "Host: a"), ruleTargetForm},
		{"dot target", request("GET ../a HTTP/1.1", "Host: a"), ruleTargetForm},
		{"query target", request("GET ?a HTTP/1.1", "Host: a"), ruleTargetForm},
		{"host target without CONNECT", request("GET a:80 HTTP/1.1", "Host: a"), ruleTargetForm},
		{"backslash target", request(`GET \a HTTP/1.1`, "Host: a"), ruleTargetForm},
		{"double slash is a path", request("GET //b/c HTTP/1.1", "Host: a"), ruleOK},
		{"star with OPTIONS", request("OPTIONS * HTTP/1.1", "Host: a"), ruleOK},
		{"star with GET", request("GET * HTTP/1.1", "Host: a"), ruleAsterisk},
		{"star and more", request("OPTIONS *a HTTP/1.1", "Host: a"), ruleTargetForm},
		{"CONNECT", request("CONNECT a:443 HTTP/1.1", "Host: a:443"), ruleOK},
		{"CONNECT, IPv6", request("CONNECT [::1]:443 HTTP/1.1", "Host: [::1]:443"), ruleOK},
		{"CONNECT without a port", request("CONNECT a HTTP/1.1", "Host: a"), ruleConnectTarget},
		{"CONNECT with an empty port", request("CONNECT a: HTTP/1.1", "Host: a"), ruleConnectTarget},
		{"CONNECT to a path", request("CONNECT / HTTP/1.1", "Host: a"), ruleConnectTarget},
		{"CONNECT to a URL", request("CONNECT http://a:80/ HTTP/1.1", "Host: a"), ruleConnectTarget},
		{"CONNECT with another Host", request("CONNECT a:443 HTTP/1.1", "Host: b:443"), ruleHostMismatch},
		{"CONNECT with a length", request("CONNECT a:443 HTTP/1.1", "Host: a:443", "Content-Length: 5"), ruleConnectBody},
		{"CONNECT with chunks", request("CONNECT a:443 HTTP/1.1", "Host: a:443", "Transfer-Encoding: chunked"), ruleConnectBody},
	} {
		c.check(t)
	}
}

func TestFieldLinesAreStrict(t *testing.T) {
	long := strings.Repeat("n", maxName)
	for _, c := range []strictCase{
		{"no space behind the colon", get("X:y"), ruleOK},
		{"tabs around a value", get("X:\ty\t"), ruleOK},
		{"tab within a value", get("X: a\tb"), ruleOK},
		{"empty value", get("X:"), ruleOK},
		{"UTF-8 in a value", get("X: \xc3\xa4"), ruleOK},
		{"odd token", get("!#$%&'*+-.^_`|~: y"), ruleOK},
		{"underscore", get("X_Y: z"), ruleOK},
		{"space before the colon", get("X : y"), ruleNameSpace},
		{"tab before the colon", get("X\t: y"), ruleNameSpace},
		{"VT before the colon", get("X\v: y"), ruleNameByte},
		{"space within a name", get("X Y: z"), ruleNameSpace},
		{"empty name", get(": y"), ruleNameEmpty},
		{"empty line that is none", get(" "), ruleFold},
		{"no colon", get("X"), ruleNameByte},
		{"NUL in a name", get("X\x00: y"), ruleNameByte},
		{"UTF-8 in a name", get("\xc3\xa4: y"), ruleNameByte},
		{"delimiter in a name", get("X(Y): z"), ruleNameByte},
		{"slash in a name", get("X/Y: z"), ruleNameByte},
		{"quote in a name", get(`"X": z`), ruleNameByte},
		{"CR in a name", get("X\rY: z"), ruleNameByte},
		{"LF in a name", get("X\nY: z"), ruleBareLF},
		{"folded", get("X: y", " z"), ruleFold},
		{"folded by a tab", get("X: y", "\tz"), ruleFold},
		{"folded empty", get("X:", " y"), ruleFold},
		{"space before the first field", lines("GET / HTTP/1.1", " Host: a"), ruleFold},
		{"space line before the first field", lines("GET / HTTP/1.1", " ", "Host: a"), ruleFold},
		{"NUL in a value", get("X: \x00"), ruleValueByte},
		{"NUL far in a value", get("X: 0123456789abcdef\x00"), ruleValueByte},
		{"BEL in a value", get("X: \x07"), ruleValueByte},
		{"VT in a value", get("X: \v"), ruleValueByte},
		{"FF in a value", get("X: \f"), ruleValueByte},
		{"ESC in a value", get("X: \x1b[2J"), ruleValueByte},
		{"DEL in a value", get("X: \x7f"), ruleValueByte},
		{"bare CR in a value", get("X: a\rb"), ruleBareCR},
		{"bare CR at the end of a value", get("X: a\r"), ruleBareCR},
		{"bare LF ends a field", lines("GET / HTTP/1.1", "Host: a\nX: y"), ruleBareLF},
		{"bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", ruleBareLF},
		{"bare CR ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\rX", ruleBareCR},
		{"LF LF ends the head", "GET / HTTP/1.1\r\nHost: a\n\n", ruleBareLF},
		{"smuggled by LF", get("X: y\nTransfer-Encoding: chunked"), ruleBareLF},
		{"name at its limit", get(long + ": y"), ruleOK},
		{"name over its limit", get(long + "n: y"), ruleNameLong},
	} {
		c.check(t)
	}
}
