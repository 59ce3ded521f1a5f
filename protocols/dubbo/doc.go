// Package dubbo is the codec of Dubbo's own RPC protocol: the server's end and the client's end of a connection that carries
// many calls at once. It was made by following docs/add-a-protocol.md.
//
// The ends are those of package rpc, which says how calls, heartbeats, turns and faults are handled. This package says what
// a frame looks like.
//
// # A frame as events
//
// A frame is 16 bytes and a body. The body of a request in Hessian 2 begins with four strings, which belong to the Head and
// are its fields: "dubbo" (the version of Dubbo), "service" (the path), "version" (the service's) and "method". One that is
// null is no field; one that another program could misread (control characters, broken UTF-8) is refused, as is a request
// that does not begin with them. The rest of the body, parameter types, arguments and attachments, is content, and nobody
// reads it. Requests in other serializations, and all answers, have no fields and the whole body as content.
//
// Code is an answer's own status, Status what HTTP would call it (status.go). There is no method and no path, and the caller
// does not say when it gives up.
//
// An unchanged head leaves as it came but for its id and length. One of whose fields any was changed, added or deleted is
// made anew from those four; others can't be said in it. A head of another protocol becomes a request in Hessian 2: it needs
// the fields service and method, its ContentLength must be known, and what its body holds is the sender's affair.
//
// # What the codec does by itself
//
// Heartbeats are events without data, answered in Hessian 2. The event "R" (read-only), with which a Dubbo server says that
// it takes no more calls, is goaway: it is understood in Hessian 2, and sent. Answers of the codec's own carry a status and a
// text with the reason, in Hessian 2: BAD_REQUEST for a frame that is refused, SERVER_THREADPOOL_EXHAUSTED_ERROR for a call
// over Limits.Calls.
package dubbo
