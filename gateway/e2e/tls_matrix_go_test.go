package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// A goCell is a cell with a client of crypto/tls, which remembers its session.
type goCell struct {
	tlsCell
	n     int
	cache tls.ClientSessionCache
}

// goCells is the full product, or the same as for the tools.
func goCells() (all []*goCell) {
	var cells []tlsCell
	if everyCell {
		for _, o := range slices.Concat(offersOld, offers12, []tlsOffer{{tls.VersionTLS13, suites13}}) {
			for _, d := range demands() {
				for _, alpn := range alpnOffers {
					for _, sni := range serverNames {
						cells = append(cells, tlsCell{o, d, alpn, sni})
					}
				}
			}
		}
	} else {
		cells = toolCells([]tlsOffer{{tls.VersionTLS13, suites13}}, alpnOffers)
	}
	for n, c := range cells {
		all = append(all, &goCell{c, n, tls.NewLRUClientSessionCache(1)})
	}
	return all
}

// TestTLSMatrixGo is the matrix with clients of crypto/tls, each of which connects four times: without a session,
// with one, with one whose ticket is of the key before, and with one whose ticket is too old.
//
// Like the other tests that are nothing but handshakes it has the machine for itself: the gateway makes those when nothing else
// wants the processor.
func TestTLSMatrixGo(t *testing.T) {
	m := newTLSMatrix(t)
	cells := goCells()
	for _, part := range []struct {
		name    string
		turns   int // of the ticket keys, before
		resumed bool
	}{{"full", 0, false}, {"resumed", 0, true}, {"resumed by the key before", 1, true}, {"full behind an old ticket", 3, false}} {
		for range part.turns {
			for _, g := range m.gateways {
				g.RotateTickets()
			}
		}
		before := m.count()
		want := m.each(cells, part.name, part.resumed)
		if t.Failed() {
			return
		}
		// What the gateways count is what the clients have seen.
		m.w.until("all handshakes are counted", func() bool {
			got := m.count().since(before)
			return got.done >= want.done && got.failed >= want.failed
		})
		after := m.count()
		if got := after.since(before); got != want {
			t.Errorf("%s: the gateways count %+v, the clients %+v", part.name, got, want)
		}
		if part.resumed {
			after.both(t, before)
		}
		t.Logf("%s: %+v", part.name, want)
		cells = slices.DeleteFunc(cells, func(c *goCell) bool { return c.expect().alerts != nil })
	}
}

// each connects once for each cell, several at a time, and counts what came of it.
func (m *tlsMatrix) each(cells []*goCell, what string, resumed bool) (all handshakes) {
	t := m.w.t
	next := make(chan *goCell)
	var clients sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		clients.Go(func() {
			for c := range next {
				if err := m.connect(c, resumed); err != nil {
					t.Errorf("%s: %v: %v", what, c, err)
				}
			}
		})
	}
	for _, c := range cells {
		if t.Failed() {
			break // the others would say the same
		}
		next <- c
		switch {
		case c.expect().alerts != nil:
			all.failed++
		case resumed:
			all.resumed++
			fallthrough
		default:
			all.done++
		}
	}
	close(next)
	clients.Wait()
	return all
}

// config is that of c's client.
func (m *tlsMatrix) config(c *goCell) *tls.Config {
	cfg := &tls.Config{ServerName: c.sni, NextProtos: c.alpn, MinVersion: c.version, MaxVersion: c.version, CipherSuites: c.suites,
		ClientSessionCache: c.cache, InsecureSkipVerify: true} // which certificate it is, outcome compares
	if c.shows != "" { // whoever the server says that it trusts
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &m.clients[c.shows].pair, nil }
	}
	return cfg
}

// connect makes c's connection and says what is not as expected.
func (m *tlsMatrix) connect(c *goCell, resumed bool) error {
	raw, err := net.DialTimeout("tcp", m.gateway(c.tlsCell).addr("l"), hang)
	if err != nil {
		return err
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(hang)) // what is closed already tells by itself
	conn := tls.Client(raw, m.config(c))
	want := c.expect()
	body := ""
	if err = conn.Handshake(); err == nil {
		body, err = exchange(conn, want.http2, c.authority(), fmt.Sprint("/", c.n))
	}
	if err != nil {
		// With TLS 1.3 the client is done before the server has seen its certificate, and may fail to write first.
		if status := statusError(""); alertOf(err) == 0 && !errors.As(err, &status) {
			if _, again := conn.Read(make([]byte, 1)); again != nil {
				err = again
			}
		}
		if alert := alertOf(err); alert == 0 || !slices.Contains(want.alerts, alert) {
			return fmt.Errorf("%w, want alerts %d", err, want.alerts)
		}
		return nil
	}
	state := conn.ConnectionState()
	if len(want.alerts) > 0 {
		return fmt.Errorf("accepted with %s, ALPN %q; want alerts %d", tls.CipherSuiteName(state.CipherSuite), state.NegotiatedProtocol, want.alerts)
	}
	got := tlsOutcome{suites: want.suites, alpn: state.NegotiatedProtocol, certificate: m.owners[string(state.PeerCertificates[0].Raw)], http2: want.http2}
	if !slices.Contains(want.suites, state.CipherSuite) {
		got.suites = []uint16{state.CipherSuite}
	}
	if !reflect.DeepEqual(got, want) || state.Version != c.version || state.DidResume != resumed {
		return fmt.Errorf("%+v, %s, resumed: %t; want %+v, resumed: %t", got, tls.VersionName(state.Version), state.DidResume, want, resumed)
	}
	if wanted := m.answer("https", fmt.Sprint("/", c.n)); body != wanted {
		return fmt.Errorf("answered %q, want %q", body, wanted)
	}
	return nil
}

// A statusError is an answer other than 200.
type statusError string

func (e statusError) Error() string { return string(e) }

// exchange asks for path.
func exchange(conn *tls.Conn, h2 bool, authority, path string) (body string, err error) {
	r, err := http.NewRequest("GET", "https://"+authority+path, nil)
	if err != nil {
		return "", err
	}
	var res *http.Response
	if h2 {
		client, err := new(http2.Transport).NewClientConn(conn) //nolint:staticcheck // that of net/http wants ALPN
		if err != nil {
			return "", err
		}
		defer client.Close()
		if res, err = client.RoundTrip(r); err != nil {
			return "", err
		}
	} else {
		if err := r.Write(conn); err != nil {
			return "", err
		}
		if res, err = http.ReadResponse(bufio.NewReader(conn), r); err != nil {
			return "", err
		}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = statusError(res.Status)
	}
	return string(b), err
}

// alertOf is the alert that err says the server has sent; 0 if it is about something else.
func alertOf(err error) uint8 {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 { // its type is not exported
			return uint8(v.Uint())
		}
	}
	return 0
}

// A tally is what the gateways have counted.
type tally struct {
	handshakes
	accepted map[string]int // connections, by loop
}

// handshakes are counts of them.
type handshakes struct{ done, resumed, failed int }

var (
	loopAccepted    = regexp.MustCompile(`^sluice_loop_connections_accepted_total\{loop="\d+"\}$`)
	handshakeFailed = regexp.MustCompile(`^sluice_tls_handshake_failures_total\{reason="\w+",side="down"\}$`)
)

func (m *tlsMatrix) count() tally {
	all := tally{accepted: map[string]int{}}
	for _, g := range m.gateways {
		for series, n := range g.metrics() {
			switch {
			case series == `sluice_tls_handshakes_total{side="down"}`:
				all.done += n
			case series == `sluice_tls_handshakes_resumed_total{side="down"}`:
				all.resumed += n
			case handshakeFailed.MatchString(series):
				all.failed += n
			case loopAccepted.MatchString(series):
				all.accepted[series] += n
			}
		}
	}
	return all
}

// since is what has come since before.
func (t tally) since(before tally) handshakes {
	return handshakes{t.done - before.done, t.resumed - before.resumed, t.failed - before.failed}
}

// both wants connections on either loop. Which loop gets one nobody chooses, so half of the tickets are opened by the loop
// that has not made them.
func (t tally) both(test *testing.T, before tally) {
	test.Helper()
	for loop, n := range t.accepted {
		if n == before.accepted[loop] {
			test.Errorf("%s has not grown: the other loop has resumed every session", loop)
		}
	}
	if len(t.accepted) != 2 {
		test.Errorf("%d loops, want 2", len(t.accepted))
	}
}
