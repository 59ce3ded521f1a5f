// Package e2e has the tests of the gateway from outside: over loopback, with clients and servers of others where there are
// some, and with the built command. They see what a user sees: sockets, metrics, logs, exit codes. What needs virtual time, or
// looks into a session, is tested in package gateway, in memory.
//
// A [world] is what a test starts, and ends with it; a [sketch] is a configuration in a few words.
package e2e
