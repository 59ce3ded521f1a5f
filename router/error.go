package router

import "sluice/protocols"

// An Error is one mistake in a Config. Compile joins all of them, so that a person can mend a file in one go.
type Error struct {
	Origin string // file:line:column of what is wrong; empty when the front end knew none
	Key    string // the path of the key below Origin: "match.regex"
	Msg    string // what is wrong and what to do
}

func (e *Error) Error() string {
	s := e.Msg
	if e.Key != "" {
		s = e.Key + ": " + s
	}
	if e.Origin != "" {
		s = e.Origin + ": " + s
	}
	return s
}

// The refusals of Match. They are made once, so that refusing allocates nothing; nobody changes them.
var (
	errNoHost = &protocols.Error{Reason: protocols.ReasonNoRoute, Detail: "no virtual host has the request's host among its domains"}
	errNoRule = &protocols.Error{Reason: protocols.ReasonNoRoute, Detail: "no route of the virtual host matches"}

	errPathStart    = refuse("the path does not start with / (RFC 9112 section 3.2.1)")
	errPathFragment = refuse("the path has a fragment (RFC 9112 section 3.2.1 knows none)")
	errPathNUL      = refuse("the path holds %00 or a control byte")
	errPathClimbs   = refuse("the path's dot segments climb above the root (RFC 3986 section 5.2.4)")
	errPathDots     = refuse("the path mixes .. with an encoded slash, a backslash, an empty segment or a ; behind the dots: servers read it differently")

	errRewrittenDots = refuse("the rewritten path would have dot segments that the request's has not")
)

func refuse(detail string) *protocols.Error {
	return &protocols.Error{Reason: protocols.ReasonProtocolError, Detail: detail}
}
