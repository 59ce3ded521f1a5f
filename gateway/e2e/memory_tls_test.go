package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// TestMemoryOfTLS measures the command as it is shipped: connections that have made small requests, and such that have sent
// an upload, and lie idle. What counts is the heap behind a collection, with what lies unused between objects: beside it the
// process keeps up to 48 MiB of the handshakes' garbage, however many they were. (bench's idle-tls is resident memory.)
func TestMemoryOfTLS(t *testing.T) {
	const n = idleOfEach
	bin := command(t)
	for _, tt := range []struct {
		name         string
		version      uint16
		upload, most int
	}{
		{"1.3, small requests", tls.VersionTLS13, 0, 10 << 10},
		{"1.3, upload", tls.VersionTLS13, 16 << 10, 20 << 10}, {"1.2, upload", tls.VersionTLS12, 16 << 10, 20 << 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, ca := newWorld(t), newAuthority(t)
			upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
				got, _ := io.Copy(io.Discard, r.Body)
				fmt.Fprint(rw, got)
			})
			p := w.command(bin, sketch{hosts: []string{upstream}, document: adminOnAnyPort, chain: `"tls_context":` + ca.context("", "a.test")}.String())
			front := p.addr("l")
			body := make([]byte, tt.upload)
			cfg := &tls.Config{RootCAs: ca.pool, MaxVersion: tt.version}
			serve := func() {
				c, err := tls.Dial("tcp", front, cfg)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.NetConn().Close() })
				_ = c.SetDeadline(time.Now().Add(hang))
				in := bufio.NewReaderSize(c, 512)
				for range 2 {
					_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
					r, err := http.ReadResponse(in, nil) // tells of the Write, too
					if err != nil {
						t.Fatal(err)
					}
					answer, err := io.ReadAll(r.Body)
					if err != nil || string(answer) != fmt.Sprint(len(body)) {
						t.Fatalf("%q, %v", answer, err)
					}
				}
			}
			for range 100 {
				serve() // what the process makes once, and what it makes in blocks
			}
			before, resident := p.heap(), p.resident()
			for range n {
				serve()
			}
			each := (p.heap() - before) / n
			t.Logf("%d idle connections: %d bytes each; resident memory has grown from %d to %d KiB", n, each, resident>>10, p.resident()>>10)
			if each > tt.most {
				t.Errorf("an idle connection costs %d bytes, want at most %d", each, tt.most)
			}
			if grown := p.resident() - resident; grown > n*tt.most+48<<20 {
				t.Errorf("%d idle connections cost %d KiB of resident memory", n, grown>>10)
			}
		})
	}
}
