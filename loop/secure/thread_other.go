//go:build !linux

package secure

import "time"

// lowerPriority does nothing: other systems change the priority of a whole process only, or need privileges.
func lowerPriority() {}

// A moment is a time, where that of a thread is not known: a step may come out too long.
type moment time.Time

func now() moment { return moment(time.Now()) }

func (m moment) since(earlier moment) time.Duration { return time.Time(m).Sub(time.Time(earlier)) }
