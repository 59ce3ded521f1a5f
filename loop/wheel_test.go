package loop

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

type noExpirer struct{}

func (noExpirer) Expired(*Timer, time.Duration) {}

// TestWheelAgreesWithAList arms, moves and disarms timers at random, over all levels, and compares with a plain list.
func TestWheelAgreesWithAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w wheel
		now := rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "start")
		timers := make([]Timer, 20)
		want := make([]time.Duration, len(timers))
		latest := make([]time.Duration, len(timers))
		spans := []time.Duration{10 * time.Millisecond, time.Second, 30 * time.Second, time.Hour, 1000 * time.Hour}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			i := rapid.IntRange(0, len(timers)-1).Draw(t, "timer")
			span := int64(rapid.SampledFrom(spans).Draw(t, "span"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				at := time.Duration(max(now+rapid.Int64Range(-span/10, span).Draw(t, "in"), 1))
				w.arm(&timers[i], at, time.Duration(now))
				want[i], latest[i] = at, max(at, time.Duration(now))+Tick
			case 2:
				w.disarm(&timers[i])
				want[i] = 0
			case 3:
				now += rapid.Int64Range(0, span).Draw(t, "pass")
				checkPopped(t, &w, timers, want, latest, time.Duration(now))
			}
			checkNext(t, &w, want)
		}
		now += int64(2000 * time.Hour)
		checkPopped(t, &w, timers, want, latest, time.Duration(now))
		if w.linked != 0 {
			t.Fatalf("%d timers are left", w.linked)
		}
	})
}

// checkPopped wants every timer whose tick has begun, and no other.
func checkPopped(t *rapid.T, w *wheel, timers []Timer, want, latest []time.Duration, now time.Duration) {
	for timer := w.pop(now); timer != nil; timer = w.pop(now) {
		i := 0
		for timer != &timers[i] {
			i++
		}
		if want[i] == 0 || want[i] > now {
			t.Fatalf("timer %d fired at %v, armed for %v", i, now, want[i])
		}
		want[i] = 0
	}
	for i, at := range want {
		if at != 0 && latest[i] <= now {
			t.Fatalf("timer %d for %v has not fired at %v", i, at, now)
		}
	}
}

// checkNext wants next never to be later than a tick after the earliest deadline.
func checkNext(t *rapid.T, w *wheel, want []time.Duration) {
	var first time.Duration
	for _, at := range want {
		if at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	next, ok := w.next()
	if ok != (first != 0) {
		t.Fatalf("next says %v, the first deadline is %v", ok, first)
	}
	if ok && next > max(first, time.Duration(w.tick)*Tick)+Tick {
		t.Fatalf("next is %v, the first deadline %v", next, first)
	}
}

func TestMovingATimerLaterTouchesNothing(t *testing.T) {
	var w wheel
	var timer Timer
	timer.Init(noExpirer{})
	if !w.arm(&timer, time.Minute, time.Second) {
		t.Fatal("the first Arm must link")
	}
	for i := range 100 {
		if w.arm(&timer, time.Minute+time.Duration(i)*time.Second, time.Second) {
			t.Fatal("moving a timer later linked it anew")
		}
	}
	if n := testing.AllocsPerRun(1000, func() { w.arm(&timer, time.Hour, time.Second); w.disarm(&timer) }); n != 0 {
		t.Errorf("arming allocates %v times", n)
	}
}

func BenchmarkArmLater(b *testing.B) {
	var w wheel
	var timer Timer
	w.arm(&timer, time.Minute, time.Second)
	for i := range b.N {
		w.arm(&timer, time.Minute+time.Duration(i), time.Second)
	}
}

func BenchmarkArmDisarm(b *testing.B) {
	var w wheel
	var timer Timer
	for i := range b.N {
		w.arm(&timer, time.Minute+time.Duration(i), time.Second)
		w.disarm(&timer)
	}
}
