package http2

import (
	"encoding/binary"
	"time"

	"sluice/protocols"
)

const (
	settingsTimeout = 30 * time.Second // for the acknowledgement of ours
	goAwayTimeout   = time.Second      // for the PING behind the first GOAWAY of a graceful shutdown
)

// The payloads of our own PING frames, by which their answers are known.
const (
	pingAlive  = 0x736c_7569_6365_0001
	pingLeaves = 0x736c_7569_6365_0002
)

// timers are the deadlines of a connection. A zero time is one that does not run.
type timers struct {
	last     time.Duration // when bytes came last, plus one
	pinged   time.Duration // when the PING was sent that asks whether the peer is there, plus one
	settings time.Duration // when our SETTINGS were sent, plus one, until they are acknowledged
	leave    time.Duration // when a graceful shutdown goes on without its PING's answer
	rtt      time.Duration // the shortest round trip so far, plus one
}

func (m *timers) heard(now time.Duration) { m.last, m.pinged = now+1, 0 }

func (m *timers) measured(rtt time.Duration) {
	if m.rtt == 0 || rtt+1 < m.rtt {
		m.rtt = rtt + 1
	}
}

// Deadline implements protocols.TimedCodec.
func (c *conn) Deadline() time.Duration {
	m := &c.timers
	at := m.leave
	if c.flags&starving != 0 {
		return 1 // at once
	}
	if m.settings > 0 {
		at = earlier(at, m.settings+settingsTimeout)
	}
	if m.pinged > 0 {
		at = earlier(at, m.pinged+c.env.Limits.PingTimeout)
	} else if c.env.Limits.PingInterval > 0 && m.last > 0 {
		at = earlier(at, m.last+c.env.Limits.PingInterval)
	}
	return at
}

func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}

// Advance implements protocols.TimedCodec.
func (c *conn) Advance(now time.Duration, sink protocols.Sink, out protocols.Output) error {
	m := &c.timers
	if c.flags&starving != 0 {
		c.flags &^= starving
		c.dropThose(&call{now, sink, out}, c.starves)
	}
	if m.settings > 0 && now >= m.settings+settingsTimeout {
		return c.fail(ruleSettingsTimeout, out)
	}
	if m.pinged > 0 && now >= m.pinged+c.env.Limits.PingTimeout {
		return c.fail(rulePingTimeout, out)
	}
	if m.leave > 0 && now >= m.leave {
		c.leave(out)
	}
	if interval := c.env.Limits.PingInterval; m.pinged == 0 && interval > 0 && m.last > 0 && now >= m.last+interval {
		m.pinged = now + 1
		c.writeOwnPing(out, pingAlive)
	}
	return nil
}

func (c *conn) writeOwnPing(out protocols.Output, payload uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], payload)
	c.writePing(out, 0, b[:])
}

func (c *conn) readPing(t *call, f frame, p []byte) rule {
	switch {
	case f.stream != 0:
		return ruleFrameStream
	case f.length != 8:
		return ruleFrameFixed
	case !c.rates.pings.take(t.now, perSecond100, cheapBurst):
		return ruleFloodPing
	case f.flags&flagAck == 0:
		c.writePing(t.out, flagAck, p)
	case binary.BigEndian.Uint64(p) == pingLeaves && c.leaving == leavingSoon:
		c.leave(t.out)
	}
	return ruleOK
}
