package http2

import "time"

// A bucket is a token bucket that remembers one time: when it will be full again.
type bucket struct{ full time.Duration }

// take takes a token at now from a bucket that gets one every interval and holds burst. It reports whether there was one.
func (b *bucket) take(now, interval time.Duration, burst int) bool {
	if b.full < now {
		b.full = now
	}
	if b.full-now > time.Duration(burst-1)*interval {
		return false
	}
	b.full += interval
	return true
}

// What a peer may send that costs it nothing and asks for nothing.
const (
	perSecond100   = 10 * time.Millisecond
	perSecond50    = 20 * time.Millisecond
	resetBurst     = 1000
	cheapBurst     = 100
	settingsBurst  = 50
	maxFaults      = 500  // RST_STREAM that we sent because of what the peer did, for life (CVE-2025-8671)
	maxUnread      = 1000 // control frames that we sent while the peer did not read
	updatesPerData = 10   // WINDOW_UPDATE per DATA frame sent
	updatesBase    = 1000 // and so many without any
	maxEntries     = 32   // in a SETTINGS frame
	maxInterim     = 32   // 1xx answers to one request
	maxFragments   = 16   // CONTINUATION frames of one block
	maxStarts      = 64   // streams that one Decode starts

	// maxBlock bounds a field block on the wire, with the headers of its frames: it stays with the loop until it is
	// whole, and the loop keeps no more than 64 KiB.
	maxBlock = 60 << 10

	// hardFactor times Limits.HeadBytes is where decoding a field block stops: what was decoded has cost the peer next to
	// nothing (an HPACK bomb).
	hardFactor = 4
)

// rates are the budgets of what a peer may send.
type rates struct {
	resets, pings, settings, priorities, empties, late bucket

	updates int32  // WINDOW_UPDATE that may still come without DATA sent
	faults  uint16 // RST_STREAM sent for the peer's faults
}

// update takes a WINDOW_UPDATE. A budget that is used up grows again slowly, and by every DATA frame that is sent.
func (r *rates) update(now time.Duration) bool {
	if r.updates > 0 {
		r.updates--
		return true
	}
	return r.late.take(now, perSecond100, cheapBurst)
}

func (r *rates) sentData() {
	if r.updates < updatesBase*10 {
		r.updates += updatesPerData
	}
}
