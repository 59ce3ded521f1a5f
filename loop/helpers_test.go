package loop_test

import (
	"net/netip"

	"sluice/loop"
)

func mustAddr(s string) loop.Addr { return loop.Addr{AddrPort: netip.MustParseAddrPort(s)} }
