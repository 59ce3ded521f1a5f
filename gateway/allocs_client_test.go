//go:build !race

package gateway

import (
	"strings"
	"testing"
)

// TestClientCertificateAllocatesNothing sends requests on a connection whose client has shown a certificate: what is told of it
// was made when the connection was, and whether a request is for the right host is remembered.
func TestClientCertificateAllocatesNothing(t *testing.T) {
	for _, mode := range []string{"SANITIZE", "SANITIZE_SET", "APPEND_FORWARD", "FORWARD_ONLY"} {
		r := newRig(t, strings.Replace(plain(toCluster, ""), `"downstream_protocol":`, `"forward_client_cert_details":"`+mode+`","downstream_protocol":`, 1))
		ups := r.upstream(nil)
		client := r.connect()
		request := []byte("GET / HTTP/1.1\r\nHost: Example.com:443\r\nX-Forwarded-Client-Cert: Hash=0\r\n\r\n")
		answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		exchange := func() {
			client.SendBytes(request)
			r.l.Run()
			(*ups)[0].SendBytes(answer)
			r.l.Run()
		}
		client.Send("")
		exchange()
		s := r.g.workers[0].sessions.first
		s.serverName, s.secure = "example.com", true
		s.client = &clientTLS{certified: true, element: "Hash=1"}
		exchange()
		want := map[string]string{"SANITIZE": "", "SANITIZE_SET": "Hash=1", "APPEND_FORWARD": "Hash=0, Hash=1", "FORWARD_ONLY": "Hash=0"}[mode]
		_, last, _ := strings.Cut((*ups)[0].Received()[1:], "GET /")
		if _, got, _ := strings.Cut(last, "X-Forwarded-Client-Cert: "); strings.SplitN(got, "\r\n", 2)[0] != want {
			t.Errorf("%s: the upstream got\n%s", mode, last)
		}
		run := func() {
			for range 500 {
				exchange()
			}
			client.Discard()
			(*ups)[0].Discard()
		}
		for range 10 {
			run()
		}
		if least := leastAllocations(0, run); least != 0 {
			t.Errorf("%s: %v allocations per 500 requests, want 0", mode, least)
		}
	}
}
