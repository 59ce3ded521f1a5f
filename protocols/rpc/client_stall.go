package rpc

import (
	"time"

	"sluice/protocols"
)

// stallPerMiB is how long an answer may keep the calls that share its connection waiting because its sink does not take
// it: so much for each MiB of its content that is begun.
const stallPerMiB = time.Second

// A stall is what one long answer has cost the calls behind it. There are no windows: to read nothing of one answer is to
// read nothing of any.
//
//	(flowing) ──Decode stops: the sink owes too much──> stalled ──Credit, the stream ends──> slow ──the answer ends──> (flowing)
//	                                                     ^────────────Decode stops─────────────┘
//	stalled, others wait ──the allowance is used up──> the stream is reset, the rest of its answer dropped
//
// No new stream is put behind an answer that is stalled or slow: so it is in the way only of those that were there first.
type stall struct {
	since time.Duration // when Decode stopped; 0: it has not
	spent time.Duration // what earlier stops within this answer took
	most  time.Duration // its allowance
}

// allow begins the account of an answer with so many bytes of content.
func (s *stall) allow(content int) {
	*s = stall{most: time.Duration(content>>20+1) * stallPerMiB}
}

// begin notes that Decode has stopped.
func (s *stall) begin(now time.Duration) {
	if s.since == 0 {
		s.since = max(now, 1)
	}
}

// over notes that Decode may go on.
func (s *stall) over(now time.Duration) {
	if s.since != 0 {
		s.spent += max(now-s.since, 1)
		s.since = 0
	}
}

// slow reports whether the answer that is being read has stopped Decode.
func (c *Client) slow() bool {
	return c.in.state == inContent && (c.stall.since != 0 || c.stall.spent != 0) || c.stalled()
}

// stallEnd is when the stream whose sink is in the way of others has to end; 0 if it is in nobody's. Only an answer that is
// still being read owes anything for long.
func (c *Client) stallEnd() time.Duration {
	if c.stall.since == 0 || c.used < 2 || !c.stalled() || c.lookup(c.in.id) < 0 {
		return 0
	}
	return max(c.stall.since+c.stall.most-c.stall.spent, 1)
}

// endStall resets the stream whose sink has been in the way of others for too long. The rest of its answer is dropped.
func (c *Client) endStall(now time.Duration, sink protocols.Sink) {
	if end := c.stallEnd(); end == 0 || now < end {
		return
	}
	i := c.lookup(c.in.id)
	id, owner := c.slots[i].id, c.slots[i].owner
	c.reset(i)
	c.stall = stall{}
	c.env.Ev.Set(&protocols.Event{Kind: protocols.KindReset, Stream: id, Owner: owner, Reason: protocols.ReasonSlowReader})
	sink.Event(&c.env.Ev)
}
