package mosn

import "sluice/gateway/config"

// The largest that a frame of Bolt can say: its lengths are numbers of 16 and 32 bits, of which the latter are signed in
// Java; and the codec's table of calls.
const (
	maxBoltClass   = 1<<15 - 1
	maxBoltContent = 1<<31 - 1
	maxBoltCalls   = 4000
	// maxCollected bounds what is collected of a message before it can leave.
	maxCollected = 16 << 20
)

// boltOptions reads the settings of a listener's Bolt connections, and of those that its calls use.
func (r *reader) boltOptions(o object, p *config.HTTPProxy) {
	if o.n == nil {
		return
	}
	b := &p.Bolt
	b.ClassBytes = int(o.integer("class_bytes", 1, maxBoltClass))
	b.ContentBytes = int(o.integer("content_bytes", 1, maxBoltContent))
	b.Calls = int(o.integer("max_concurrent_calls", 1, maxBoltCalls))
	b.CollectBytes = int(o.integer("collect_bytes", 1, maxCollected))
	b.MaxConnectionAge = o.interval("max_connection_age")
}
