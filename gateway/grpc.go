package gateway

import (
	"bytes"
	"time"

	"sluice/protocols"
)

// grpcCode is a value of grpc-status.
type grpcCode uint8

// The values that a gateway says itself; the numbers are gRPC's.
const (
	grpcCancelled         grpcCode = 1
	grpcUnknown           grpcCode = 2
	grpcDeadlineExceeded  grpcCode = 4
	grpcPermissionDenied  grpcCode = 7
	grpcResourceExhausted grpcCode = 8
	grpcUnimplemented     grpcCode = 12
	grpcInternal          grpcCode = 13
	grpcUnavailable       grpcCode = 14
	grpcUnauthenticated   grpcCode = 16
)

// isGRPC reports whether h heads a gRPC request: its failures are told as grpc-status, which gRPC's clients look at, not as
// an HTTP status. gRPC-Web is not meant: a filter makes it gRPC.
func isGRPC(h *protocols.Header) bool {
	const grpc = "application/grpc"
	v := h.Get(protocols.NameContentType)
	if len(v) < len(grpc) || !protocols.EqualFold(v[:len(grpc)], grpc) {
		return false
	}
	return len(v) == len(grpc) || v[len(grpc)] == '+' || v[len(grpc)] == ';'
}

// grpcStatus is what a local reply with the HTTP status for reason r is called in gRPC: gRPC's table of HTTP statuses, and
// better where the reason says more.
func grpcStatus(r protocols.Reason, status int) grpcCode {
	switch r {
	case protocols.ReasonClientGone:
		return grpcCancelled
	case protocols.ReasonRequestTimeout, protocols.ReasonTryTimeout:
		return grpcDeadlineExceeded
	case protocols.ReasonBodyTooLarge, protocols.ReasonHeadTooLarge:
		return grpcResourceExhausted
	case protocols.ReasonInternal:
		return grpcInternal
	case protocols.ReasonMisdirected:
		// gRPC's table, and so other proxies, know no 421 and make it UNKNOWN. It is the TLS policy that refuses: the call may
		// not be made on this connection. UNAVAILABLE would have it tried again where it is refused again, since a channel
		// keeps its connections.
		return grpcPermissionDenied
	default:
	}
	switch status {
	case 400:
		return grpcInternal
	case 401:
		return grpcUnauthenticated
	case 403:
		return grpcPermissionDenied
	case 404:
		return grpcUnimplemented
	case 429, 502, 503, 504:
		return grpcUnavailable
	}
	return grpcUnknown
}

// replyGRPC answers from here in gRPC's form: status 200, and trailers only.
func (st *stream) replyGRPC(code grpcCode, message []byte) {
	st.w.giveHead(st)
	h := st.resp
	h.Reset()
	h.Status = 200
	h.AddString("content-type", "application/grpc")
	h.AddInt("grpc-status", int64(code))
	st.w.value = appendPercent(st.w.value[:0], message)
	h.Add("grpc-message", st.w.value)
	st.answerLocally(nil)
}

// appendPercent appends text as grpc-message holds it: bytes outside of printable ASCII, and the percent sign, as %XX.
func appendPercent(dst, text []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range text {
		if c >= ' ' && c <= '~' && c != '%' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// maxGRPCTimeout is the longest deadline that is kept: longer ones are as good as none.
const maxGRPCTimeout = int64(1<<63-1) / int64(time.Millisecond) / 2

// grpcTimeout is the client's deadline in milliseconds, rounded up; 0 for none. The field is at most 8 digits and a unit;
// what is malformed is no deadline, and left to the server to complain of.
func grpcTimeout(v []byte) int64 {
	if len(v) < 2 || len(v) > 9 {
		return 0
	}
	n := int64(0)
	for _, c := range v[:len(v)-1] {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	switch v[len(v)-1] {
	case 'H':
		n *= 3600 * 1000
	case 'M':
		n *= 60 * 1000
	case 'S':
		n *= 1000
	case 'm':
	case 'u':
		n = (n + 999) / 1000
	case 'n':
		n = (n + 999_999) / 1_000_000
	default:
		return 0
	}
	return min(max(n, 1), maxGRPCTimeout)
}

// grpcFailure is the grpc-status of an answer that says at its head how the call ended; -1 for another answer.
func grpcFailure(h *protocols.Header) int {
	v := bytes.TrimSpace(h.Get(protocols.NameGRPCStatus))
	if len(v) == 0 || len(v) > 2 {
		return -1
	}
	n := 0
	for _, c := range v {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
