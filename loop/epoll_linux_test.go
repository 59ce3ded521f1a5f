package loop

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// An eventWorld is a poller over counters that its handler may set again, so that the kernel decides nothing.
type eventWorld struct {
	t   *testing.T
	p   *poller
	fds []int
}

func newEventWorld(t *testing.T, n int) *eventWorld {
	t.Helper()
	p, err := openPoller()
	if err != nil {
		t.Fatal(err)
	}
	w := &eventWorld{t: t, p: p}
	t.Cleanup(func() {
		for _, fd := range w.fds {
			_ = unix.Close(fd)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	for range n {
		fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		w.fds = append(w.fds, fd)
		if err := p.add(fd, unix.EPOLLIN); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// raise makes the i-th counter ready once more.
func (w *eventWorld) raise(i int) {
	if _, err := unix.Write(w.fds[i], []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		w.t.Error(err)
	}
}

// batches polls, calls f with the number of each event, and returns how many events each of the first n batches had.
func (w *eventWorld) batches(n int, f func(event int)) []int {
	done := errors.New("done")
	var sizes []int
	events, inBatch := 0, 0
	err := w.p.Polling(func(int, uint32, uint16) error {
		if len(sizes) == n {
			return done
		}
		events++
		inBatch++
		f(events)
		return nil
	}, func() {
		if inBatch > 0 {
			sizes = append(sizes, inBatch)
			inBatch = 0
		}
		if len(sizes) == n {
			w.raise(0) // one more event, to leave
		}
	})
	if err != done {
		w.t.Error(err)
	}
	return sizes
}

// TestBatchGathers has events come while others are worked on: with a crowd they join its batch, with few they wait.
func TestBatchGathers(t *testing.T) {
	for ready, want := range map[int]int{crowd: crowd + 1, crowd - 1: crowd - 1, 1: 1} {
		w := newEventWorld(t, crowd+1)
		for i := range ready {
			w.raise(i)
		}
		got := w.batches(1, func(event int) {
			if event == ready {
				w.raise(crowd)
			}
		})
		if got[0] != want {
			t.Errorf("%d events, and one more during the last of them: the first batch had %d, want %d", ready, got[0], want)
		}
	}
}

// TestBatchIsBounded has every event cause another one: output is sent all the same.
func TestBatchIsBounded(t *testing.T) {
	const sockets = 2 * crowd
	w := newEventWorld(t, sockets)
	for i := range sockets {
		w.raise(i)
	}
	for i, n := range w.batches(3, func(event int) { w.raise(event % sockets) }) {
		if n != batchEvents {
			t.Errorf("batch %d had %d events, want %d", i, n, batchEvents)
		}
	}
}
