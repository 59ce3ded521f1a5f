// Package balance chooses one of several endpoints. Selectors are immutable builds without a lock, a clock or a source
// of randomness of their own: what varies from request to request comes in as an [Input]. A change of the endpoints, of
// their weights or of their health makes a new selector.
//
// # Order of the endpoints
//
// A selector speaks of endpoints by their index in the slice that it was built from, healthy or not, so that the
// counters beside it keep their places.
package balance
