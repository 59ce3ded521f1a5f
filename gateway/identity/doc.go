// Package identity is about who a client with a certificate is: whether one of the names that its certificate is made out to
// is on a list (List), and what an upstream is told about it (Details, the X-Forwarded-Client-Cert field).
//
// Nothing here verifies a certificate: who asks has done that. What comes out of a certificate is text that somebody else
// has written, so it is escaped until nothing in it can be taken for the end of a value, of a field or of a line.
package identity
