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

// A budget is a bucket that can be filled by what the peer does beside: honest traffic pays for its frames.
type budget struct {
	bucket bucket
	earned int32
}

const maxEarned = 10_000

func (b *budget) earn(n int32) { b.earned = min(b.earned+n, maxEarned) }

func (b *budget) take(now, interval time.Duration, burst int) bool {
	if b.earned > 0 {
		b.earned--
		return true
	}
	return b.bucket.take(now, interval, burst)
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
	pingsPerData   = 1    // PING per DATA frame sent
	updatesBase    = 1000 // and so many before any
	perStream      = 4    // PRIORITY_UPDATE and the like for each stream
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
	settings, empties, late bucket

	// pings earns by every DATA frame that is sent: gRPC's peers measure a round trip whenever data comes.
	pings budget
	// resets earns one by every stream that ends well: who cancels some of many requests is no attacker.
	resets budget
	// priorities earns by every stream that is opened, since browsers say something about each; unknown frames count, too.
	priorities budget
	// updates earns by every DATA frame that is sent.
	updates budget

	faults uint16 // RST_STREAM sent for the peer's faults
}
