//go:build !linux

package secure

// lowerPriority does nothing: other systems change the priority of a whole process only, or need privileges.
func lowerPriority() {}
