package gateway

import (
	"strings"
	"testing"
	"time"

	"sluice/loop/looptest"
)

// TestFallbackForSilence: a client that says nothing is one whose server speaks first, when there is a filter for it; so is one
// whose byte Bolt could begin with.
func TestFallbackForSilence(t *testing.T) {
	const fallback = `,"fallback_for_unknown_protocol":true`
	doc := strings.Replace(plain(toCluster, fallback), `"Http1"`, `"Auto"`, 1)
	doc = strings.Replace(doc, fallback+`}}`, fallback+`}},{"type":"tcp_proxy","config":{"cluster":"c"}}`, 1)
	for _, said := range []string{"", "\x01"} {
		r := newRig(t, doc)
		ups := r.upstream(func(p *looptest.Peer) {
			p.Send("220 ready\r\n")
			p.CloseWrite()
		})
		client := r.connect()
		client.Send(said)
		r.l.Advance(detectTimeout - 100*time.Millisecond)
		if len(*ups) != 0 {
			t.Fatalf("%q: the upstream is connected to at once", said)
		}
		r.l.Advance(200 * time.Millisecond)
		r.want(client, "220 ready\r\n")
		if len(*ups) != 1 || (*ups)[0].Received() != said || !client.EOF() {
			t.Errorf("%q: the upstream has got %q; the client has the end: %t", said, (*ups)[0].Received(), client.EOF())
		}
		client.CloseWrite()
		r.l.Run()
		if !client.Closed() {
			t.Errorf("%q: open at the end", said)
		}
	}
}
