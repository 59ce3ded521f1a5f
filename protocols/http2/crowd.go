package http2

import (
	"time"

	"sluice/protocols"
)

// A window is a promise to keep what comes, should nobody read it. So clients promise less to each stream when there are many
// of them on the loop: what ten thousand streams may leave with us is then no more than what two thousand may.
const (
	crowdFrom      = 2048 // streams of clients from which on there is a crowd
	crowdUntil     = 1024 // and so few end it
	crowdedWindow  = 4 << 10
	growUntilOwed  = 16 // no window grows when what the loop's streams hold is this part of Limits.OwedOnLoop
	windowsPerOwed = 2  // a client's connection may hold the first windows of its streams so many times
)

// opened counts a stream of a client.
func (l *shared) opened() {
	if l.requests++; l.requests >= crowdFrom {
		l.crowded = true
	}
}

// ended counts n streams of clients less.
func (l *shared) ended(n int) {
	if l.requests -= n; l.requests <= crowdUntil {
		l.crowded = false
	}
}

// adapt tells the peer of a client about the window that streams begin with from now on. RFC 9113 section 6.9.2: "In addition
// to changing the flow-control window for streams that are not yet active, a SETTINGS frame can alter the initial flow-control
// window size for streams with active flow-control windows": a lower value takes back what those have not used.
func (c *conn) adapt(now time.Duration, out protocols.Output) {
	by := c.window() - c.recvFirst
	if by == 0 || c.timers.settings != 0 {
		return
	}
	c.timers.settings = now + 1
	c.recvFirst += by
	c.resizeBy, c.resizeTo = by, c.fates.last
	b := appendFrame(out.Reserve(headerLen+settingLen), settingLen, frameSettings, 0, 0)
	out.Commit(appendSetting(b, settingWindow, uint32(c.recvFirst)))
}

// mostOwed is what the streams of the connection may hold together.
func (c *conn) mostOwed() int {
	most := c.env.Limits.Owed
	if c.role == roleClient {
		most = max(most, windowsPerOwed*c.streams.n*int(max(c.recvFirst, clientWindow)))
	}
	return most
}
