package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"os/exec"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// pairwise returns tuples of indices below sizes, so that every two values of two axes meet in one of them.
func pairwise(sizes ...int) (tuples [][]int) {
	type meeting struct{ axis, value, other, otherValue int }
	open := map[meeting]bool{}
	for a := range sizes {
		for b := a + 1; b < len(sizes); b++ {
			for i := range sizes[a] {
				for j := range sizes[b] {
					open[meeting{a, i, b, j}] = true
				}
			}
		}
	}
	met := func(tuple []int, axis, value int) (n int) {
		for b, v := range tuple {
			switch {
			case b < axis && open[meeting{b, v, axis, value}], b > axis && v >= 0 && open[meeting{axis, value, b, v}]:
				n++
			}
		}
		return n
	}
	for a := range sizes { // what is open, in order, so that the tuples are always the same
		for b := a + 1; b < len(sizes); b++ {
			for i := range sizes[a] * sizes[b] {
				if !open[meeting{a, i / sizes[b], b, i % sizes[b]}] {
					continue
				}
				tuple := slices.Repeat([]int{-1}, len(sizes))
				tuple[a], tuple[b] = i/sizes[b], i%sizes[b]
				for axis := range sizes { // the others: what meets the most
					if tuple[axis] >= 0 {
						continue
					}
					best := len(tuples) % sizes[axis]
					for value := range sizes[axis] {
						if met(tuple, axis, value) > met(tuple, axis, best) {
							best = value
						}
					}
					tuple[axis] = best
				}
				for axis := range sizes {
					for other := axis + 1; other < len(sizes); other++ {
						delete(open, meeting{axis, tuple[axis], other, tuple[other]})
					}
				}
				tuples = append(tuples, tuple)
			}
		}
	}
	return tuples
}

// suitesAlone are offers of TLS 1.3 by a program that can choose one of its suites.
func suitesAlone() (offers []tlsOffer) {
	for _, id := range suites13 {
		offers = append(offers, tlsOffer{tls.VersionTLS13, []uint16{id}})
	}
	return offers
}

// toolCells are the cells for a program that can offer newest of TLS 1.3, and alpn: with every two values of the axes, and once more with every
// two of those values that are no reason to be refused, which hide what they meet.
func toolCells(newest []tlsOffer, alpn [][]string) (all []tlsCell) {
	offers, wanted := slices.Concat(offersOld, offers12, newest), demands()
	add := func() {
		for _, at := range pairwise(len(offers), len(wanted), len(alpn), len(serverNames)) {
			all = append(all, tlsCell{offers[at[0]], wanted[at[1]], alpn[at[2]], serverNames[at[3]]})
		}
	}
	add()
	modest := tlsCell{tlsOffer{tls.VersionTLS13, suites13}, wanted[0], nil, ""}
	refused := func(c tlsCell) bool { return c.expect().alerts != nil }
	offers = slices.DeleteFunc(offers, func(o tlsOffer) bool { c := modest; c.tlsOffer = o; return refused(c) })
	wanted = slices.DeleteFunc(wanted, func(d tlsDemand) bool { c := modest; c.tlsDemand = d; return refused(c) })
	alpn = slices.DeleteFunc(slices.Clone(alpn), func(names []string) bool { c := modest; c.alpn = names; return refused(c) })
	add()
	return all
}

// tools runs a program for each cell, several at a time.
func (m *tlsMatrix) tools(cells []tlsCell, run func(c tlsCell, n int) error) {
	next := make(chan int)
	var all sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := range next {
				if err := run(cells[n], n); err != nil {
					m.w.t.Errorf("%v: %v", cells[n], err)
				}
			}
		})
	}
	for n := range cells {
		if !m.w.t.Failed() {
			next <- n
		}
	}
	close(next)
	all.Wait()
	counts := map[bool]int{}
	for _, c := range cells {
		counts[c.expect().alerts == nil]++
	}
	m.w.t.Logf("%d cells are let in, %d refused", counts[true], counts[false])
}

// versionNames are those of OpenSSL's output, and its options.
var versionNames = map[uint16][2]string{
	tls.VersionTLS10: {"TLSv1", "-tls1"}, tls.VersionTLS11: {"TLSv1.1", "-tls1_1"},
	tls.VersionTLS12: {"TLSv1.2", "-tls1_2"}, tls.VersionTLS13: {"TLSv1.3", "-tls1_3"},
}

// opensslName is OpenSSL's name of a suite.
func opensslName(id uint16) string {
	name := tls.CipherSuiteName(id)
	exchange, cipher, ok := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !ok {
		return name // of TLS 1.3
	}
	cipher = strings.NewReplacer("AES_128_CBC_SHA", "AES128_SHA", "AES_256_CBC_SHA", "AES256_SHA", "AES_128", "AES128", "AES_256", "AES256",
		"POLY1305_SHA256", "POLY1305").Replace(cipher)
	if exchange != "RSA" {
		cipher = exchange + "_" + cipher
	}
	return strings.ReplaceAll(cipher, "_", "-")
}

// An observation is what a program says about a connection.
type observation struct {
	version, suite, alpn, certificate string
	resumed                           bool
	alert                             uint8
}

// want is what a program should say.
func (c tlsCell) want(resumed bool) observation {
	o := c.expect()
	return observation{versionNames[c.version][0], opensslName(o.suites[0]), o.alpn, o.certificate, resumed, 0}
}

// TestTLSMatrixOpenSSL is the matrix, every two values of its axes at least once, with openssl s_client; those that are let
// in come back with their session.
func TestTLSMatrixOpenSSL(t *testing.T) {
	bin := tool(t, "openssl")
	m := newTLSMatrix(t)
	m.tools(toolCells(suitesAlone(), alpnOffers), func(c tlsCell, n int) error {
		session := m.caFile + fmt.Sprint(".session", n)
		for _, resumed := range []bool{false, true} {
			args := []string{"s_client", "-nocommands", "-connect", m.gateway(c).addr("l"), "-CAfile", m.caFile, versionNames[c.version][1],
				map[bool]string{false: "-sess_out", true: "-sess_in"}[resumed], session}
			args = append(args, m.opensslArgs(c)...)
			err := m.openssl(bin, args, c, fmt.Sprint("/", n), resumed)
			if err != nil || c.expect().alerts != nil {
				return err
			}
		}
		return nil
	})
}

func (m *tlsMatrix) opensslArgs(c tlsCell) (args []string) {
	if c.sni == "" {
		args = append(args, "-noservername")
	} else {
		args = append(args, "-servername", c.sni)
	}
	if c.alpn != nil {
		args = append(args, "-alpn", strings.Join(c.alpn, ","))
	}
	if c.shows != "" {
		args = append(args, "-cert", m.clients[c.shows].files, "-key", m.clients[c.shows].files+".key")
	}
	switch {
	case c.version == tls.VersionTLS13:
		args = append(args, "-ciphersuites", opensslName(c.suites[0]))
	case c.suites != nil:
		args = append(args, "-cipher", opensslName(c.suites[0]))
	default: // OpenSSL itself has the old versions below its lowest level of security only
		args = append(args, "-cipher", "ALL@SECLEVEL=0")
	}
	return args
}

var (
	opensslAlert   = regexp.MustCompile(`SSL alert number (\d+)`)
	opensslSession = regexp.MustCompile(`(?m)^(New|Reused), \S+, Cipher is (\S+)$`)
	opensslVersion = regexp.MustCompile(`(?m)^ +Protocol *: (\S+)$`)
	opensslALPN    = regexp.MustCompile(`(?m)^ALPN protocol: (\S+)$`)
)

// openssl runs s_client and says what is not as expected.
func (m *tlsMatrix) openssl(bin string, args []string, c tlsCell, path string, resumed bool) error {
	ctx, cancel := context.WithTimeout(m.w.t.Context(), hang)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	out := &awaited{text: m.answer("https", path), seen: make(chan struct{})}
	var problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &problems
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	want := c.expect()
	if want.alerts == nil {
		_, _ = in.Write(question(want.http2, c.authority(), path)) // the answer is waited for
	} // who is refused says nothing, so that nothing comes between the alert and its reader
	select {
	case err = <-ended:
	case <-out.seen:
		if want.http2 {
			in.Close() // s_client goes; over HTTP/1 the gateway closes
		}
		err = <-ended
	}
	text := out.String()
	fail := func(problem string) error {
		return fmt.Errorf("resumed: %t: %v\n%s\n%s", resumed, problem, text, &problems)
	}
	if alert := number(opensslAlert.FindStringSubmatch(problems.String())); want.alerts != nil {
		if !slices.Contains(want.alerts, alert) {
			return fail(fmt.Sprintf("alert %d, want %d (%v)", alert, want.alerts, err))
		}
		return nil
	}
	if err != nil || strings.Contains(problems.String(), "unexpected eof") || !out.found() {
		return fail(fmt.Sprintf("no answer, or no close_notify: %v", err))
	}
	got := observation{}
	if s := opensslSession.FindStringSubmatch(text); s != nil {
		got.resumed, got.suite = s[1] == "Reused", s[2]
	}
	got.version, got.alpn = group(opensslVersion, text), group(opensslALPN, text)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		got.certificate = m.owners[string(block.Bytes)]
	}
	if got.version == "" { // said once a session is there
		got.version = group(regexp.MustCompile(`(?m)^\w+, (\S+), Cipher is`), text)
	}
	if expected := c.want(resumed); !reflect.DeepEqual(got, expected) {
		return fail(fmt.Sprintf("%+v, want %+v", got, expected))
	}
	return nil
}

func group(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

func number(match []string) uint8 {
	if match == nil {
		return 0
	}
	n, _ := strconv.ParseUint(match[1], 10, 8) // 0 is no alert that anybody wants
	return uint8(n)
}

// question is a request as bytes.
func question(h2 bool, authority, path string) []byte {
	if !h2 {
		return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, authority)
	}
	var out, block bytes.Buffer
	out.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&out, nil)
	_ = f.WriteSettings() // neither this nor what follows can fail
	e := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", authority}, {":path", path}} {
		_ = e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	return out.Bytes()
}

// An awaited is an output in which a text is waited for.
type awaited struct {
	output
	text string
	seen chan struct{}
}

func (a *awaited) Write(b []byte) (int, error) {
	before := a.found()
	n, err := a.output.Write(b)
	if !before && a.found() {
		close(a.seen)
	}
	return n, err
}

func (a *awaited) found() bool { return strings.Contains(a.String(), a.text) }

var (
	curlAlert   = regexp.MustCompile(`\(IN\), TLS alert, [^(]*\((\d+)\)`)
	curlUses    = regexp.MustCompile(`SSL connection using (\S+) / (\S+)`)
	curlSubject = regexp.MustCompile(`(?m)^\*  subject: .*CN=(.+)$`)
	curlALPN    = regexp.MustCompile(`ALPN: server accepted (\S+)`)
)

// TestTLSMatrixCurl is the matrix, every two values of its axes at least once, with curl; over HTTP/1 each that is let in
// connects again in the same process, and with TLS 1.3 resumes its session (curl takes no tickets with TLS 1.2).
func TestTLSMatrixCurl(t *testing.T) {
	bin := tool(t, "curl")
	m := newTLSMatrix(t)
	m.tools(toolCells(suitesAlone(), [][]string{{"h2", "http/1.1"}, {"http/1.1"}, nil}), func(c tlsCell, n int) error {
		want, path := c.expect(), fmt.Sprint("/", n)
		url, args := m.curlArgs(c, path)
		again := want.alerts == nil && !want.http2
		if again {
			args = append(args, "-H", "Connection: close", url) // twice
		}
		cmd := exec.CommandContext(t.Context(), bin, append(args, url)...)
		var out, log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &log
		err := cmd.Run()
		text := log.String()
		fail := func(problem string) error { return fmt.Errorf("%v\n%s\n%.2000s", problem, &out, text) }
		if want.alerts != nil {
			alert := number(nil)
			for _, m := range curlAlert.FindAllStringSubmatch(text, -1) {
				code, _ := strconv.Atoi(m[1]) // the level and the alert
				alert = uint8(code)
			}
			if err == nil || !slices.Contains(want.alerts, alert) && !strings.Contains(text, "Broken pipe") {
				return fail(fmt.Sprintf("alert %d, want %d (%v)", alert, want.alerts, err))
			}
			return nil
		}
		body := m.answer("https", path)
		if again {
			body += body
		}
		if err != nil || out.String() != body {
			return fail(fmt.Sprintf("want %q (%v)", body, err))
		}
		got := observation{alpn: group(curlALPN, text), certificate: group(curlSubject, text)}
		uses := curlUses.FindAllStringSubmatch(text, -1)
		for _, u := range uses { // the last
			got.version, got.suite = u[1], u[2]
		}
		// A server shows its certificate in full handshakes only.
		got.resumed = again && strings.Count(text, "(IN), TLS handshake, Certificate (11)") == 1
		if expected := c.want(again && c.version == tls.VersionTLS13); !reflect.DeepEqual(got, expected) || len(uses) != strings.Count(body, "(") {
			return fail(fmt.Sprintf("%+v, %d connections, want %+v", got, len(uses), expected))
		}
		return nil
	})
}

// curlArgs are the arguments of curl for c, but for the URL.
func (m *tlsMatrix) curlArgs(c tlsCell, path string) (url string, args []string) {
	host, port, err := net.SplitHostPort(m.gateway(c).addr("l"))
	if err != nil {
		m.w.t.Fatal(err)
	}
	version := strings.TrimPrefix(versionNames[c.version][0], "TLSv")
	if version == "1" {
		version = "1.0"
	}
	args = []string{"-sSv", "--noproxy", "*", "--max-time", "60", "--tlsv" + version, "--tls-max", version, "-H", "Host: " + c.authority()}
	switch {
	case c.version == tls.VersionTLS13:
		args = append(args, "--tls13-ciphers", opensslName(c.suites[0]))
	case c.suites != nil:
		args = append(args, "--ciphers", opensslName(c.suites[0]))
	default:
		args = append(args, "--ciphers", "ALL@SECLEVEL=0")
	}
	switch {
	case c.alpn == nil && c.expect().http2:
		args = append(args, "--no-alpn", "--http2-prior-knowledge")
	case c.alpn == nil:
		args = append(args, "--no-alpn", "--http1.1")
	case len(c.alpn) == 1:
		args = append(args, "--http1.1")
	default:
		args = append(args, "--http2")
	}
	if c.shows != "" {
		args = append(args, "--cert", m.clients[c.shows].files, "--key", m.clients[c.shows].files+".key")
	}
	if c.sni != "" {
		args = append(args, "--resolve", c.sni+":"+port+":"+host)
		host = c.sni
	}
	if c.covered() {
		args = append(args, "--cacert", m.caFile)
	} else {
		args = append(args, "-k")
	}
	return "https://" + net.JoinHostPort(host, port) + path, args
}

// covered reports whether the certificate that c gets is for the name that c asks for. All are for the address, too.
func (c tlsCell) covered() bool {
	return c.sni == "" || slices.Contains(serverNames[:2], c.sni) || c.sni == "rsa.test"
}
