// Package router compiles routing rules to an immutable table that every loop holds. Matching is pure: it takes a
// header, allocates nothing, and writes nothing but its Input.
//
// # Usage
//
// [Compile] turns a [Config], which a configuration front end has read, into a [Table], or reports all of its mistakes.
// For each request a loop fills in its [Input] and calls [Table.Match]; the [Route] that it gets then edits the header:
// [Route.RewritePath], [Route.EditRequest] and, once an endpoint is chosen, [Route.RewriteHost]; [Route.EditResponse]
// for the answer.
//
// # Order
//
// The virtual host is chosen by the authority, the most specific domain first; then the first rule of its list that
// matches is taken. The index behind it (a radix tree of prefixes, hashes of exact paths and of header values) gives the
// same answer as trying the rules one by one, but does not slow down with their number; only regular expressions, and
// header rules without a fixed value, are tried one by one.
//
// # Paths
//
// Rules look at the normal path, see [NormalPath]; what is forwarded is the path as the client wrote it, unless the rule
// rewrites it.
package router
