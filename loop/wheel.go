package loop

import (
	"math/bits"
	"time"
)

const (
	wheelBits   = 6
	wheelSlots  = 1 << wheelBits
	wheelLevels = 7 // 64^7 ticks of 4 ms: 557 years
)

// wheel holds timers by deadline in levels of 64 slots; a slot of level n is 64^n ticks wide. A timer lies in the level
// of the highest digit (base 64) in which its tick differs from the current one, so that all slots that matter lie
// ahead within their level and the first occupied slot of the lowest level is the earliest. When a slot's start is
// reached its timers fire or move to a lower level.
//
// Moving a deadline later is a store: the timer is looked at when its old slot comes up, and moves on then.
type wheel struct {
	tick     int64 // every slot up to here is done
	linked   int
	occupied [wheelLevels]uint64 // a set bit may be stale, a clear one never is
	slots    [wheelLevels][wheelSlots]*Timer
	due      *Timer // the timers of the slot that is being looked at
}

func ceilTick(at time.Duration) int64 { return int64((at + Tick - 1) / Tick) }

// arm sets t's deadline and reports whether t was linked anew, so that the caller's alarm may be too late for it.
func (w *wheel) arm(t *Timer, at, now time.Duration) (linked bool) {
	if at <= 0 {
		at = 1 // zero means disarmed
	}
	t.at = at
	if t.pprev != nil {
		if t.slotAt <= at {
			return false
		}
		w.unlink(t)
	}
	w.catchUp(now)
	w.link(t)
	return true
}

func (w *wheel) disarm(t *Timer) {
	t.at = 0
	if t.pprev != nil {
		w.unlink(t)
	}
}

// catchUp moves the current tick to now if no slot lies between, so that link chooses the finest slot.
func (w *wheel) catchUp(now time.Duration) {
	target := int64(now / Tick)
	if target <= w.tick || w.due != nil {
		return
	}
	if w.linked > 0 {
		if _, _, tick, ok := w.first(); ok && tick <= target {
			return
		}
	}
	w.tick = target
}

func (w *wheel) link(t *Timer) {
	tick := max(ceilTick(t.at), w.tick+1)
	level := (63 - bits.LeadingZeros64(uint64(w.tick^tick)|1)) / wheelBits
	level = min(level, wheelLevels-1)
	shift := wheelBits * level
	slot := tick >> shift & (wheelSlots - 1)
	t.slotAt = time.Duration(tick>>shift<<shift) * Tick
	w.occupied[level] |= 1 << slot
	w.push(&w.slots[level][slot], t)
	w.linked++
}

func (w *wheel) push(head **Timer, t *Timer) {
	t.next = *head
	if t.next != nil {
		t.next.pprev = &t.next
	}
	t.pprev = head
	*head = t
}

func (w *wheel) unlink(t *Timer) {
	*t.pprev = t.next
	if t.next != nil {
		t.next.pprev = t.pprev
	}
	t.next, t.pprev, t.slotAt = nil, nil, 0
	w.linked--
}

// first finds the earliest occupied slot and its first tick.
func (w *wheel) first() (level int, slot int, tick int64, ok bool) {
	for level = range wheelLevels {
		shift := wheelBits * level
		here := uint(w.tick >> shift & (wheelSlots - 1))
		ahead := w.occupied[level] &^ (1<<(here+1) - 1) // for here = 63 the mask is all ones
		for ahead != 0 {
			slot = bits.TrailingZeros64(ahead)
			if w.slots[level][slot] != nil {
				block := w.tick >> (shift + wheelBits) << (shift + wheelBits)
				return level, slot, block | int64(slot)<<shift, true
			}
			w.occupied[level] &^= 1 << slot
			ahead &^= 1 << slot
		}
	}
	return 0, 0, 0, false
}

// next is when the wheel must be looked at again.
func (w *wheel) next() (time.Duration, bool) {
	if w.linked == 0 {
		return 0, false
	}
	if w.due != nil {
		return time.Duration(w.tick) * Tick, true
	}
	_, _, tick, ok := w.first()
	return time.Duration(tick) * Tick, ok
}

// pop unlinks and returns a timer whose deadline has passed, or nil when there is none left.
func (w *wheel) pop(now time.Duration) *Timer {
	target := int64(now / Tick)
	for {
		for w.due != nil {
			t := w.due
			w.unlink(t)
			if ceilTick(t.at) <= w.tick {
				t.at = 0
				return t
			}
			w.link(t)
		}
		level, slot, tick, ok := w.first()
		if !ok || tick > target {
			w.tick = max(w.tick, target)
			return nil
		}
		w.tick = tick
		w.due = w.slots[level][slot]
		w.due.pprev = &w.due
		w.slots[level][slot] = nil
		w.occupied[level] &^= 1 << slot
		w.reverse()
	}
}

// reverse puts the due timers in the order in which they were armed.
func (w *wheel) reverse() {
	var head *Timer
	for t := w.due; t != nil; {
		next := t.next
		t.next = head
		if head != nil {
			head.pprev = &t.next
		}
		head, t = t, next
	}
	w.due = head
	if head != nil {
		head.pprev = &w.due
	}
}
