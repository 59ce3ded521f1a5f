// Package mosn reads configurations written for MOSN, in JSON or YAML, into the gateway's own model.
//
// Both languages become one tree of nodes that know their line and column ([node]); one reader walks it. Which keys
// exist, and what is done about a key that this version cannot serve, stands in one table (schemas.go): a key whose
// absence would change who may do what, or where a request goes, is refused; one whose absence only makes the service
// plainer is a warning; one that MOSN itself never uses is a note. The reader looks at everything before it gives up, so
// that all mistakes are reported at once.
//
// Nothing here is called on the path of a request.
package mosn
