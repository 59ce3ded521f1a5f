// Package router compiles routing rules to an immutable table that every loop holds. Matching is pure: it takes a header,
// allocates nothing, and writes nothing.
package router
