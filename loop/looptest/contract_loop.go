package looptest

import (
	"slices"
	"testing"
	"time"

	"sluice/loop"
)

func loopTests() []contractTest {
	return []contractTest{
		{name: "timers fire in order, once, never early", run: testTimers},
		{name: "a timer that is moved later fires at its new time", run: testTimerMoved},
		{name: "Disarm stops a timer, and its owner may be zeroed", run: testDisarm},
		{name: "posted functions run in order", run: testPostOrder},
		{name: "a function that posts itself starves nobody", run: testPostFlood},
		{name: "Wall follows Now", run: testWall},
	}
}

func testTimers(t *testing.T, w World) {
	const n = 50
	timers := make([]loop.Timer, n)
	var fired []int
	w.Do(func() {
		start := w.Loop().Now()
		for i := range timers {
			at := start + time.Duration((i*37)%n)*10*time.Millisecond
			timers[i].Init(expire(func(now time.Duration) {
				fired = append(fired, int((at-start)/(10*time.Millisecond)))
				if now < at {
					t.Errorf("a timer for %v fired at %v", at, now)
				}
				if timers[i].Armed() || timers[i].At() != 0 {
					t.Error("a timer that fires is still armed")
				}
			}))
			w.Loop().Arm(&timers[i], at)
			if !timers[i].Armed() || timers[i].At() != at {
				t.Errorf("armed for %v, want %v", timers[i].At(), at)
			}
		}
	})
	w.Pass(n * 10 * time.Millisecond)
	w.Until("all have fired", func() bool { return len(fired) >= n })
	w.Do(func() {
		if len(fired) != n || !slices.IsSorted(fired) {
			t.Errorf("fired %v", fired)
		}
	})
}

func testTimerMoved(t *testing.T, w World) {
	var timer loop.Timer
	var at []time.Duration
	timer.Init(expire(func(now time.Duration) { at = append(at, now) }))
	var start time.Duration
	w.Do(func() {
		start = w.Loop().Now()
		w.Loop().Arm(&timer, start+20*time.Millisecond)
		w.Loop().Arm(&timer, start+200*time.Millisecond)
	})
	w.Pass(100 * time.Millisecond)
	w.Do(func() {
		if now := w.Loop().Now(); len(at) != 0 && now < start+200*time.Millisecond {
			t.Error("it fired at its old time")
		}
	})
	w.Pass(110 * time.Millisecond)
	w.Until("it fires", func() bool { return len(at) == 1 && at[0] >= start+200*time.Millisecond })
	w.Do(func() {
		at = nil
		start = w.Loop().Now()
		w.Loop().Arm(&timer, start+time.Hour)
		w.Loop().Arm(&timer, start+10*time.Millisecond)
	})
	w.Pass(20 * time.Millisecond)
	w.Until("it fires at an earlier time", func() bool { return len(at) == 1 })
	w.Do(func() { // a time that has passed is soon
		w.Loop().Arm(&timer, 1)
	})
	w.Pass(10 * time.Millisecond)
	w.Until("it fires at once", func() bool { return len(at) == 2 })
}

func testDisarm(t *testing.T, w World) {
	timers := make([]loop.Timer, 3)
	fired := 0
	w.Do(func() {
		for i := range timers {
			timers[i].Init(expire(func(time.Duration) { fired++ }))
			w.Loop().Arm(&timers[i], w.Loop().Now()+10*time.Millisecond)
		}
		w.Loop().Disarm(&timers[1])
		w.Loop().Disarm(&timers[1])
		if timers[1].Armed() {
			t.Error("a disarmed timer is armed")
		}
		timers[1] = loop.Timer{}
	})
	w.Pass(50 * time.Millisecond)
	w.Until("two fire", func() bool { return fired >= 2 })
	w.Do(func() {
		if fired != 2 {
			t.Errorf("%d timers fired, want 2", fired)
		}
	})
}

func testPostOrder(t *testing.T, w World) {
	var got []int
	for i := range 1000 {
		if !w.Loop().Post(func() { got = append(got, i) }) {
			t.Fatal("Post was refused")
		}
	}
	w.Until("all have run", func() bool { return len(got) == 1000 })
	w.Do(func() {
		if !slices.IsSorted(got) {
			t.Error("they did not run in order")
		}
	})
}

func testPostFlood(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	var flood func()
	flood = func() {
		if len(h.got) < 3 {
			w.Loop().Post(flood)
		}
	}
	w.Loop().Post(flood)
	r.Send([]byte("abc"))
	w.Until("the bytes are received", func() bool { return string(h.got) == "abc" })
}

func testWall(t *testing.T, w World) {
	w.Do(func() {
		now := w.Loop().Now()
		a, b := w.Loop().Wall(now), w.Loop().Wall(now+time.Minute)
		if b.Sub(a) != time.Minute {
			t.Errorf("a minute later is %v later", b.Sub(a))
		}
		if _, sockets := w.(interface{ Real() }); !sockets {
			return
		}
		if d := time.Since(a); d < -time.Minute || d > time.Minute {
			t.Errorf("Wall is off by %v", d)
		}
	})
}
