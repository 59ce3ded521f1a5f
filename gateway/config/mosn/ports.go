package mosn

import (
	"strconv"
	"strings"
	"time"

	"sluice/gateway/config"
)

// portRanges reads "80", "1-1024" or several of them, separated by commas, under either spelling of the key.
func (r *reader) portRanges(o object, keys ...string) []config.PortRange {
	var out []config.PortRange
	for _, key := range keys {
		v := o.node(key)
		if v == nil {
			continue
		}
		text := r.str(v)
		if text == "" {
			continue
		}
		for part := range strings.SplitSeq(text, ",") {
			p, ok := parsePorts(strings.TrimSpace(part))
			if !ok {
				r.expected(v, `ports such as "80", "1-1024" or "80,8000-9000"`, "")
				break
			}
			out = append(out, p)
		}
	}
	return out
}

func parsePorts(s string) (config.PortRange, bool) {
	from, to, ranged := strings.Cut(s, "-")
	if !ranged {
		to = from
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
	b, errB := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
	if errA != nil || errB != nil || a > b {
		return config.PortRange{}, false
	}
	return config.PortRange{From: uint16(a), To: uint16(b)}, true
}

// streamIdle reads tcp_proxy's idle_timeout: MOSN writes it as nanoseconds, and a duration in quotes is clear as well.
func (r *reader) streamIdle(o object) time.Duration {
	v := o.node("idle_timeout")
	if v == nil {
		return 0
	}
	if v.kind != kindNumber {
		d, _ := o.duration("idle_timeout", false)
		return d
	}
	n, ok := r.integer(v, 0, int64(1<<62))
	if ok && n > 0 && n < int64(time.Millisecond) {
		r.warnf(v, "idle_timeout is a number of nanoseconds here; did you mean %q?", v.text+"s")
	}
	return time.Duration(n)
}
