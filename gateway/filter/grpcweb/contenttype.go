package grpcweb

import (
	"bytes"

	"sluice/protocols"
)

// The content types, without what names the messages' own format ("+proto") or parameters behind them.
const (
	grpcType  = "application/grpc"
	webBinary = "application/grpc-web"
	webText   = "application/grpc-web-text"
)

// webType tells in which variant of gRPC-Web a message with this content type is, modePlain if it is in none, and returns
// what stands behind the type's name.
func webType(v []byte) (m mode, rest []byte) {
	if rest, ok := cutType(v, webText); ok {
		return modeText, rest
	}
	if rest, ok := cutType(v, webBinary); ok {
		return modeBinary, rest
	}
	return modePlain, nil
}

// grpcRest returns what stands behind gRPC's own type; false when v is another.
func grpcRest(v []byte) (rest []byte, ok bool) { return cutType(v, grpcType) }

// cutType cuts the name of a type, whatever its case, off v, if nothing or a format or a parameter stands behind it.
func cutType(v []byte, name string) (rest []byte, ok bool) {
	if len(v) < len(name) || !protocols.EqualFold(v[:len(name)], name) {
		return nil, false
	}
	rest = v[len(name):]
	if len(rest) == 0 || rest[0] == '+' || rest[0] == ';' || rest[0] == ' ' {
		return rest, true
	}
	return nil, false
}

// answerMode is the variant that the client wants of the answer: the first in its Accept, and otherwise that of its
// request.
func answerMode(req *protocols.Header, request mode) mode {
	for i := range req.Len() {
		id, _, value, ok := req.Field(i)
		for more := ok && id == protocols.NameAccept; more; {
			var item []byte
			item, value, more = bytes.Cut(value, comma)
			if m, _ := webType(bytes.TrimLeft(item, " \t")); m != modePlain {
				return m
			}
		}
	}
	return request
}

var comma = []byte{','}
