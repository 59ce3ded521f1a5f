package loop_test

import (
	"net/netip"
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice/loop"
)

var anyPort = loop.Addr{AddrPort: netip.MustParseAddrPort("127.0.0.1:0")}

func TestMain(m *testing.M) {
	if os.Getenv(fewFilesEnv) != "" {
		os.Exit(serveWithFewFiles())
	}
	goleak.VerifyTestMain(m)
}

// echo answers with what it gets.
type echo struct{}

func (echo) Accept(loop.Conn) loop.Handler { return echo{} }
func (echo) Opened(loop.Conn)              {}
func (echo) Received(c loop.Conn, b []byte) int {
	c.Commit(append(c.Reserve(len(b)), b...))
	return len(b)
}
func (echo) ReadClosed(c loop.Conn, _ []byte) { c.Close(loop.CloseFlushed, nil) }
func (echo) Drained(loop.Conn)                {}
func (echo) Closed(loop.Conn, error)          {}
