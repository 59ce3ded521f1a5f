package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"sluice/gateway/config/mosn"
)

// testBench has a workshop and a launcher, and leaves nothing behind.
func testBench(t *testing.T) *bench {
	t.Helper()
	shop, err := newWorkshop(t.Logf)
	if err != nil {
		t.Skip(err) // no C compiler
	}
	t.Cleanup(shop.close)
	shop.flags = []string{"-Werror"}
	b := &bench{shop: shop, launch: newLauncher(), report: &report{}}
	b.options.noInstall = true
	b.options.defaults()
	t.Cleanup(b.launch.stopAll)
	return b
}

// TestConfigurationsLoad lets every peer that is here check its own configuration.
func TestConfigurationsLoad(t *testing.T) {
	b := testBench(t)
	for _, p := range peers() {
		if p.check == nil || p.name == subject {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			binary, err := p.find(t.Context(), b)
			if errors.Is(err, errSkip) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range []link{{http1, http1}, {http2, http1}, {http2, http2}, {tcp, tcp}, {bolt, bolt}} {
				if !p.speaks(l) {
					continue
				}
				for _, secure := range p.security(l) {
					s := setupFor(t, b, p, l, secure)
					if text, err := output(t.Context(), s.Dir, binary, p.check(s)...); err != nil {
						t.Errorf("%v, TLS %t: %v", l, secure, err)
					} else if lower := strings.ToLower(text); strings.Contains(lower, "warn") {
						t.Errorf("%v, TLS %t: it warns: %s", l, secure, text)
					}
				}
			}
		})
	}
}

// TestSluiceConfigurationLoads without a problem, not even a warning.
func TestSluiceConfigurationLoads(t *testing.T) {
	b := testBench(t)
	for _, p := range peers() {
		if p.name != subject {
			continue
		}
		for _, l := range []link{{http1, http1}, {http2, http1}, {http2, http2}, {tcp, tcp}, {bolt, bolt}} {
			for _, secure := range p.security(l) {
				s := setupFor(t, b, p, l, secure)
				c, problems, err := mosn.Load(s.Config, mosn.Options{})
				if err != nil || len(problems) > 0 {
					t.Fatalf("%v, TLS %t: %v %v", l, secure, problems, err)
				}
				if (c.Listeners[0].TLS != nil) != secure {
					t.Errorf("%v: TLS %t, want %t", l, !secure, secure)
				}
				if c.Loops != 1 || len(c.Listeners) != 1 || (c.Listeners[0].HTTP == nil) != (l.down == tcp) || len(c.Listeners[0].AccessLogs) != 0 || c.Admin == nil {
					t.Errorf("%v: it means something else: %+v", l, c)
				}
			}
		}
	}
}

// security is with which clients a peer's link is measured: those without TLS, and those with it.
func (p peer) security(l link) []bool {
	if p.tls && (l.down == http1 || l.down == http2) {
		return []bool{false, true}
	}
	return []bool{false}
}

func setupFor(t *testing.T, b *bench, p peer, l link, secure bool) setup {
	t.Helper()
	id, err := newIdentity(b.shop)
	if err != nil {
		t.Fatal(err)
	}
	listen, errListen := freePort()
	admin, errAdmin := freePort()
	if err := errors.Join(errListen, errAdmin); err != nil {
		t.Fatal(err)
	}
	s, err := p.prepare(b.shop, setup{
		Listen: listen, Backend: 9, Admin: admin, Workers: 1, Connections: 100, Files: 1000, Buffer: "24k",
		Down: l.down.String(), Up: l.up.String(), TLS: secure, Certificate: id.certificate, Key: id.key, Both: id.both,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMissingPeerIsSkippedByName(t *testing.T) {
	b := testBench(t)
	_, err := b.debian(t.Context(), "no-such-server", "no-such-package")
	if !errors.Is(err, errSkip) || !strings.Contains(err.Error(), "no-such-server is not installed") {
		t.Error(err)
	}
	b.options.peers = []peer{{
		name: "absent",
		find: func(ctx context.Context, b *bench) (string, error) {
			return b.debian(ctx, "no-such-server", "no-such-package")
		},
	}}
	if _, err := b.findPeers(t.Context()); err == nil || len(b.report.Skipped) != 1 || !strings.HasPrefix(b.report.Skipped[0], "absent: skipped") {
		t.Errorf("%v, %q", err, b.report.Skipped)
	}
}

// TestTemplatesAreComplete: every template belongs to a peer, and every peer's template exists.
func TestTemplatesAreComplete(t *testing.T) {
	files, err := os.ReadDir("peers")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"README.md": true, "": true}
	for _, p := range peers() {
		used[p.config] = true
	}
	for _, f := range files {
		if !used[f.Name()] {
			t.Errorf("peers/%s belongs to no peer", f.Name())
		}
	}
}
