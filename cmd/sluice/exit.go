package main

import "errors"

// The exit codes; doc.go says what they mean.
const (
	exitOK         = 0
	exitFailed     = 1
	exitDrainLimit = 4
	exitUsage      = 64 // EX_USAGE of sysexits.h: 2 has a meaning of its own in MOSN
)

// A codedError ends the process with a code other than exitFailed.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usageError marks a wrong command line.
func usageError(err error) error { return &codedError{exitUsage, err} }

func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if coded, ok := errors.AsType[*codedError](err); ok {
		return coded.code
	}
	return exitFailed
}
