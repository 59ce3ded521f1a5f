package http2

import (
	"encoding/binary"
	"time"

	"sluice/protocols"
)

// setting is the identifier of an entry of SETTINGS (RFC 9113 section 6.5.2).
type setting uint16

const (
	settingTableSize    setting = 1
	settingPush         setting = 2
	settingStreams      setting = 3
	settingWindow       setting = 4
	settingFrameSize    setting = 5
	settingHeadBytes    setting = 6
	settingConnect      setting = 8 // RFC 8441 section 3
	settingNoPriorities setting = 9 // RFC 9218 section 2.1
	firstStreams                = 100
	manyStreams                 = 1 << 20 // what "no limit" means
	serverWindow                = 64 << 10
	clientWindow                = 16 << 10
	smallestConnWindow          = 1 << 20
	settingLen                  = 6
)

// begin sends what a connection starts with: the client's preface, our SETTINGS, and a window for the connection that is
// never what limits.
func (c *conn) begin(now time.Duration, out protocols.Output) {
	if c.flags&sentSettings != 0 {
		return
	}
	c.flags |= sentSettings
	c.timers.settings = now + 1
	c.timers.last = now + 1
	l := &c.env.Limits
	b := out.Reserve(len(preface) + 2*headerLen + 8*settingLen)
	if c.role == roleClient {
		b = append(b, preface...)
	}
	start := len(b)
	b = appendFrame(b, 0, frameSettings, 0, 0)
	if c.role == roleClient {
		b = appendSetting(b, settingPush, 0)
	} else {
		b = appendSetting(b, settingStreams, clamp(l.Streams))
		b = appendSetting(b, settingConnect, 1)
		b = appendSetting(b, settingNoPriorities, 1)
	}
	if w := c.window(); w != firstWindow {
		b = appendSetting(b, settingWindow, uint32(w))
	}
	b = appendSetting(b, settingHeadBytes, clamp(l.HeadBytes))
	b[start+2] = byte(len(b) - start - headerLen)
	if c.role == roleClient {
		// A client's SETTINGS go in front of every stream of its own, so the peer knows them when it answers one.
		c.recvFirst = c.window()
	}
	more := c.connWindow() - c.recv
	c.recv += more
	b = appendFrame(b, 4, frameWindowUpdate, 0, 0)
	out.Commit(binary.BigEndian.AppendUint32(b, uint32(more)))
}

func appendSetting(b []byte, id setting, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(id)), value)
}

func clamp(n int) uint32 { return uint32(min(n, maxWindow)) }

// window is the first receive window of a stream.
func (c *conn) window() int32 {
	switch w := c.env.Limits.Window; {
	case w > 0:
		return int32(min(w, maxWindow))
	case c.role == roleServer:
		return serverWindow
	case c.loop.crowded:
		return crowdedWindow
	}
	return clientWindow
}

// connWindow is the connection's receive window. What comes is given back at once, so it bounds nothing but what is on
// its way; it is larger than what the streams may have in flight before Limits.Owed stops them.
func (c *conn) connWindow() int32 {
	return int32(min(max(2*min(c.env.Limits.Owed, maxWindow/4), 2*min(c.env.Limits.WindowMax, maxWindow/4), smallestConnWindow), maxWindow/2))
}

func (c *conn) readSettings(t *call, f frame, p []byte) rule {
	switch {
	case f.stream != 0:
		return ruleFrameStream
	case !c.rates.settings.take(t.now, perSecond50, settingsBurst):
		return ruleFloodSettings
	case f.flags&flagAck != 0:
		return c.settingsAcked(t, f.length)
	case f.length%settingLen != 0:
		return ruleSettingsSize
	case f.length > maxEntries*settingLen:
		return ruleSettingsEntries
	}
	if c.input == inputFirst {
		c.input = inputFrames
		c.peerStreams = manyStreams // until this frame says otherwise
	}
	for ; len(p) > 0; p = p[settingLen:] {
		if r := c.apply(setting(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:])); r != ruleOK {
			return r
		}
	}
	c.flags |= gotSettings
	c.begin(t.now, t.out) // RFC 9113 section 3.4: a client's preface is the first thing that it sends
	c.control(t.out)
	t.out.Commit(appendFrame(t.out.Reserve(headerLen), 0, frameSettings, flagAck, 0))
	c.serve(t)
	if c.flags&asksEarly != 0 {
		for _, owner := range c.loop.takeEarly(c) {
			c.emit(t, protocols.Event{Kind: protocols.KindCredit, Owner: owner, N: 1})
		}
	}
	return ruleOK
}

// apply takes over one entry of the peer's.
func (c *conn) apply(id setting, value uint32) rule {
	switch id {
	case settingTableSize:
		c.enc.SetMax(int(min(value, maxWindow)))
	case settingPush:
		// RFC 9113 section 6.5.2: "A client MUST treat receipt of a SETTINGS frame with SETTINGS_ENABLE_PUSH set to 1 as
		// a connection error".
		if value > 1 || value == 1 && c.role == roleClient {
			return ruleSettingsPush
		}
	case settingStreams:
		c.peerStreams = int32(min(value, manyStreams))
	case settingWindow:
		if value > maxWindow {
			return ruleSettingsWindow
		}
		return c.resizeSend(int32(value))
	case settingFrameSize:
		// We never send more than every peer takes, but a value out of range is a fault (CVE-2026-33814 is what comes of
		// believing it).
		if value < frameSize || value > maxFrameSize {
			return ruleSettingsFrame
		}
	case settingConnect:
		// RFC 8441 section 3: "a sender MUST NOT send a SETTINGS_ENABLE_CONNECT_PROTOCOL parameter with the value of 0
		// after previously sending a value of 1."
		if value > 1 || value == 0 && c.flags&takesConnect != 0 {
			return ruleSettingsConnect
		}
		if value == 1 {
			c.flags |= takesConnect
		}
	case settingHeadBytes, settingNoPriorities:
		// Advice: a head is what it is; and we have never looked at the priorities of RFC 7540.
	}
	return ruleOK
}

// resizeSend applies SETTINGS_INITIAL_WINDOW_SIZE. RFC 9113 section 6.9.2: "a receiver MUST adjust the size of all stream
// flow-control windows that it maintains by the difference between the new value and the old value", which can make one
// negative.
func (c *conn) resizeSend(to int32) rule {
	by := int64(to) - int64(c.sendFirst)
	c.sendFirst = to
	if by == 0 {
		return ruleOK
	}
	for _, s := range c.streams.slots {
		if s == nil {
			continue
		}
		now := int64(s.send) + by
		if now > maxWindow {
			return ruleSettingsOverflow
		}
		s.send = int32(max(now, -maxWindow))
		if s.turn == turnParked && s.send > 0 {
			c.enqueue(s)
		}
	}
	return ruleOK
}

// settingsAcked is the peer's acknowledgement of our SETTINGS: from here on, its streams have our window.
func (c *conn) settingsAcked(t *call, length int) rule {
	if length != 0 {
		return ruleSettingsAck
	}
	if c.timers.settings == 0 {
		return ruleSettingsUnasked
	}
	c.timers.measured(t.now - (c.timers.settings - 1))
	c.timers.settings = 0
	c.flags |= ackedSettings
	if c.role == roleServer {
		c.resizeBy, c.resizeTo = c.window()-c.recvFirst, maxStream
		c.recvFirst = c.window()
	}
	by := c.resizeBy
	c.resizeBy = 0
	for _, s := range c.streams.slots {
		if s != nil && by != 0 && s.id <= c.resizeTo {
			s.recv += by
			s.recvMax += by
			c.replenish(t.now, s, t.out) // what was little of the old window may be half of the new one
		}
	}
	return ruleOK
}
