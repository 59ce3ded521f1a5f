package secure

import (
	"testing"

	"sluice/loop/looptest"
)

// A handshake whose peer shows a certificate is a worker's, however much the loop could afford.
func TestWhatVerifiesLeavesTheLoop(t *testing.T) {
	w := NewWorkers(WorkersOptions{Threads: 1})
	defer w.Close()
	e := NewEngine(looptest.New(t), EngineOptions{Executor: w})
	e.thrift.credit = mostSaved
	if r, ok := w.admit(e, nil, false).(*onLoop); !ok {
		t.Error("the loop does not take a handshake that it can afford")
	} else {
		r.worker.leave()
	}
	if k, ok := w.admit(e, nil, true).(*worker); !ok {
		t.Error("the loop takes a handshake that verifies")
	} else {
		k.leave()
	}
}
