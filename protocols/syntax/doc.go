// Package syntax is the grammar of HTTP that all of its versions share (RFC 9110): which bytes a name, a value, a target and
// an authority may be made of. It is strict: what two readers could take for different things is refused.
package syntax
