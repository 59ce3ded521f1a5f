package certificates

import (
	"sync"
	"time"
)

// DefaultInterval is how often files are looked at.
const DefaultInterval = time.Second

// settled is how old a file must be for its looks to tell whether it has changed.
const settled = 2 * time.Second

// watch calls refresh at every interval (0 means DefaultInterval) until stop is called, which waits for it.
func watch(interval time.Duration, refresh func()) (stop func()) {
	if interval <= 0 {
		interval = DefaultInterval
	}
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				refresh()
			case <-quit:
				return
			}
		}
	})
	return sync.OnceFunc(func() { close(quit); running.Wait() })
}
