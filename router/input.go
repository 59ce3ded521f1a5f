package router

import "sluice/protocols"

// An Input is what a request is matched by. A loop keeps one and fills it in for each request, so that matching
// allocates nothing; it belongs to that loop.
type Input struct {
	Header     *protocols.Header
	ServerName string // the TLS server name; empty without TLS
	Listener   string // the listener's name
	Random     uint64 // uniform; fresh for each request

	path    []byte // the normal path of the request in progress: see Path
	scratch []byte // storage for a normal path
	lower   []byte // storage for the path in lower case, or rewritten
}

// Path is the path that the last Match looked at, without its query, in the form of NormalPath. It is valid until the
// next call that takes this Input, and empty when that Match refused the path.
func (in *Input) Path() []byte { return in.path }

// Reset forgets the request and keeps the storage.
func (in *Input) Reset() {
	in.Header, in.ServerName, in.Listener, in.Random = nil, "", "", 0
	in.path, in.scratch, in.lower = nil, in.scratch[:0], in.lower[:0]
	const keep = 64 << 10 // a path beyond this is rare: let its storage go
	if cap(in.scratch) > keep {
		in.scratch = nil
	}
	if cap(in.lower) > keep {
		in.lower = nil
	}
}

// normalise sets path from the header.
func (in *Input) normalise() (pathForm, *protocols.Error) {
	path, form, err := normalPath(in.scratch, in.Header.Path())
	in.path = path
	if form != formPlain {
		in.scratch = path[:0]
	}
	return form, err
}

// appendLower appends s with ASCII letters in lower case.
func appendLower(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
