package gateway

// A State is where the gateway is in its life; the numbers are those that MOSN's /api/v1/states shows.
//
//	init ──> starting ──> running ──Drain──> graceful stopping ──> stopping ──> stopped
type State int32

// The states that exist here.
const (
	StateInit             State = 2
	StateStarting         State = 4
	StateRunning          State = 6
	StateGracefulStopping State = 8
	StateStopping         State = 9
	StateStopped          State = 11
)

func (s State) String() string {
	switch s {
	case StateInit:
		return "initialising"
	case StateStarting:
		return "starting"
	case StateRunning:
		return "running"
	case StateGracefulStopping:
		return "draining"
	case StateStopping:
		return "stopping"
	case StateStopped:
		return "stopped"
	}
	return "unknown"
}
