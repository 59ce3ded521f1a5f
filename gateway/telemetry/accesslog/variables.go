package accesslog

import (
	"bytes"
	"strconv"
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// A variable is what may stand between two percent signs.
type variable struct {
	name   string               // in lower case; a prefix when it ends in "_" and takes an operand
	proto  protocols.ProtocolID // it has a value only in requests of this protocol; ProtocolUnknown for any
	own    bool                 // the value is made here, and needs no escape
	append appendFunc
}

// An appendFunc appends the value as it is, or nothing when there is none.
type appendFunc func(dst []byte, r *Record, o *operand) []byte

// An operand is the header, argument or cookie that a variable names.
type operand struct {
	name string
	id   protocols.NameID
}

// variables are those without an operand.
var variables = []variable{
	{name: "start_time", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return appendTime(dst, r.Start) }},
	{name: "request_received_duration", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return appendDuration(dst, r.RequestReceived) }},
	{name: "request_finished_duration", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return appendDuration(dst, r.RequestFinished) }},
	{name: "response_received_duration", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return appendDuration(dst, r.ResponseReceived) }},
	{name: "process_time_duration", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return appendDuration(dst, r.Process) }},
	{name: "duration", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return appendDuration(dst, r.Duration) }},
	{name: "bytes_sent", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return strconv.AppendUint(dst, r.BytesSent, 10) }},
	{name: "bytes_received", own: true, append: appendBytesReceived},
	{name: "protocol", append: func(dst []byte, r *Record, _ *operand) []byte { return append(dst, r.Protocol...) }},
	{name: "response_code", own: true, append: appendStatus},
	{name: "response_flag", own: true, append: appendReason},
	{name: "response_flags", own: true, append: appendReason},
	{name: "reason", own: true, append: appendReason},
	{name: "upstream_transport_failure_reason", own: true, append: appendTransportFailure},
	{name: "upstream_local_address", append: func(dst []byte, r *Record, _ *operand) []byte { return appendAddr(dst, r.UpstreamLocal) }},
	{name: "upstream_remote_address", append: func(dst []byte, r *Record, _ *operand) []byte { return appendAddr(dst, r.UpstreamRemote) }},
	{name: "downstream_local_address", append: func(dst []byte, r *Record, _ *operand) []byte { return appendAddr(dst, r.DownstreamLocal) }},
	{name: "downstream_remote_address", append: func(dst []byte, r *Record, _ *operand) []byte { return appendAddr(dst, r.DownstreamRemote) }},
	{name: "upstream_host", append: appendUpstreamHost},
	{name: "upstream_cluster", append: func(dst []byte, r *Record, _ *operand) []byte { return append(dst, r.Cluster...) }},
	{name: "virtual_host", append: func(dst []byte, r *Record, _ *operand) []byte { return append(dst, r.VirtualHost...) }},
	{name: "attempts", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return strconv.AppendInt(dst, int64(r.Attempts), 10) }},
	{name: "connection_id", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return strconv.AppendUint(dst, r.ConnectionID, 10) }},
	{name: "upstream_connection_id", own: true, append: appendUpstreamConnectionID},
	{name: "stream_id", own: true, append: func(dst []byte, r *Record, _ *operand) []byte { return strconv.AppendUint(dst, uint64(r.StreamID), 10) }},
	{name: "requested_server_name", append: func(dst []byte, r *Record, _ *operand) []byte { return append(dst, r.ServerName...) }},
	{name: "listener_name", append: func(dst []byte, r *Record, _ *operand) []byte { return append(dst, r.Listener...) }},
	{name: "listener_type", append: func(dst []byte, r *Record, _ *operand) []byte { return append(dst, r.ListenerType...) }},
	{name: "listener_port", own: true, append: appendListenerPort},
	{name: "request_id", append: func(dst []byte, r *Record, _ *operand) []byte { return append(dst, r.RequestID...) }},
	{name: "trace_id", append: appendTraceID},

	{name: "authority", append: appendAuthority},
	{name: "x-mosn-host", append: appendAuthority},
	{name: "x-mosn-path", append: appendPath},
	{name: "x-mosn-path-original", append: appendPathOriginal},
	{name: "x-mosn-querystring", append: appendQuery},
	{name: "x-mosn-method", append: appendMethod},
	{name: "x-mosn-scheme", append: appendScheme},
	{name: "x-mosn-status", own: true, append: appendStatus},

	{name: "request_class", append: appendClass},
	{name: "response_class", append: appendResponseClass},
	{name: "bolt_status", own: true, append: appendBoltStatus},
	{name: "x-mosn-rpc-service", append: appendService},
	{name: "x-mosn-rpc-method", append: appendRPCMethod},

	{name: "request_scheme", append: appendScheme},
	{name: "request_method", append: appendMethod},
	{name: "request_length", own: true, append: appendBytesReceived},
	{name: "request_uri", append: appendURI},
	{name: "request_path", append: appendPath},
	{name: "request_path_original", append: appendPathOriginal},
	{name: "request_arg", append: appendQuery},
	{name: "http1_request_scheme", proto: protocols.ProtocolHTTP1, append: appendScheme},
	{name: "http1_request_method", proto: protocols.ProtocolHTTP1, append: appendMethod},
	{name: "http1_request_length", proto: protocols.ProtocolHTTP1, append: appendBytesReceived},
	{name: "http1_request_uri", proto: protocols.ProtocolHTTP1, append: appendURI},
	{name: "http1_request_path", proto: protocols.ProtocolHTTP1, append: appendPath},
	{name: "http1_request_path_original", proto: protocols.ProtocolHTTP1, append: appendPathOriginal},
	{name: "http1_request_arg", proto: protocols.ProtocolHTTP1, append: appendQuery},
	{name: "http2_request_scheme", proto: protocols.ProtocolHTTP2, append: appendScheme},
}

// prefixes are the variables with an operand.
var prefixes = []variable{
	{name: "request_header_", append: appendRequestHeader},
	{name: "response_header_", append: appendResponseHeader},
	{name: "request_arg_", append: appendArg},
	{name: "cookie_", append: appendCookie},
	{name: "http1_request_header_", proto: protocols.ProtocolHTTP1, append: appendRequestHeader},
	{name: "http1_request_arg_", proto: protocols.ProtocolHTTP1, append: appendArg},
	{name: "http1_cookie_", proto: protocols.ProtocolHTTP1, append: appendCookie},
	{name: "http2_request_header_", proto: protocols.ProtocolHTTP2, append: appendRequestHeader},
	{name: "http2_cookie_", proto: protocols.ProtocolHTTP2, append: appendCookie},
}

// valueless are MOSN's names that have no value here; they are "-", with a warning that says so.
var valueless = []string{"upstream_index", "x-mosn-direction",
	"x-mosn-router-meta", "x-mosn-req-raw-data", "x-mosn-resp-raw-data"}

// appendTime writes t as MOSN does: "2006/01/02 15:04:05.000".
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = append(dst, '/')
	dst = appendDigits(dst, int(month), 2)
	dst = append(dst, '/')
	dst = appendDigits(dst, day, 2)
	dst = append(dst, ' ')
	dst = appendDigits(dst, hour, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, minute, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second, 2)
	dst = append(dst, '.')
	return appendDigits(dst, t.Nanosecond()/1e6, 3)
}

// appendDigits writes the last width decimal digits of n.
func appendDigits(dst []byte, n, width int) []byte {
	start := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= start && n > 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
	return dst
}

func appendDuration(dst []byte, d time.Duration) []byte { return append(dst, d.String()...) }

func appendAddr(dst []byte, a loop.Addr) []byte {
	switch {
	case a.Path != "":
		dst = append(dst, "unix:"...)
		return append(dst, a.Path...)
	case a.AddrPort.IsValid():
		return a.AddrPort.AppendTo(dst)
	}
	return dst
}

func appendBytesReceived(dst []byte, r *Record, _ *operand) []byte {
	return strconv.AppendUint(dst, r.BytesReceived, 10)
}

func appendStatus(dst []byte, r *Record, _ *operand) []byte {
	return strconv.AppendInt(dst, int64(r.ResponseCode), 10)
}

func appendReason(dst []byte, r *Record, _ *operand) []byte {
	if r.Reason == protocols.ReasonNone {
		return dst
	}
	if r.Reason >= protocols.NumReasons {
		return append(dst, "unknown"...)
	}
	return append(dst, r.Reason.String()...)
}

// appendTransportFailure is the reason, when it is one of the connection to the upstream.
func appendTransportFailure(dst []byte, r *Record, o *operand) []byte {
	switch r.Reason {
	case protocols.ReasonConnectFailed, protocols.ReasonConnectTimeout, protocols.ReasonUpstreamReset,
		protocols.ReasonUpstreamCut, protocols.ReasonUpstreamTruncated, protocols.ReasonUpstreamSilent,
		protocols.ReasonUpstreamProtocol, protocols.ReasonUpstreamHeadTooLarge:
		return appendReason(dst, r, o)
	default:
		return dst
	}
}

func appendUpstreamHost(dst []byte, r *Record, _ *operand) []byte {
	if r.UpstreamHost != "" {
		return append(dst, r.UpstreamHost...)
	}
	return appendAddr(dst, r.UpstreamRemote)
}

func appendUpstreamConnectionID(dst []byte, r *Record, _ *operand) []byte {
	if r.UpstreamConnectionID == 0 {
		return dst
	}
	return strconv.AppendUint(dst, r.UpstreamConnectionID, 10)
}

func appendListenerPort(dst []byte, r *Record, _ *operand) []byte {
	if !r.DownstreamLocal.AddrPort.IsValid() {
		return dst
	}
	return strconv.AppendUint(dst, uint64(r.DownstreamLocal.AddrPort.Port()), 10)
}

func appendTraceID(dst []byte, r *Record, _ *operand) []byte {
	if len(r.TraceID) > 0 {
		return append(dst, r.TraceID...)
	}
	return append(dst, r.RequestID...)
}

func appendAuthority(dst []byte, r *Record, _ *operand) []byte {
	if r.Request == nil {
		return dst
	}
	return append(dst, r.Request.Authority()...)
}

func appendScheme(dst []byte, r *Record, _ *operand) []byte {
	if r.Request == nil {
		return dst
	}
	return append(dst, r.Request.Scheme()...)
}

func appendMethod(dst []byte, r *Record, _ *operand) []byte {
	if r.Request == nil {
		return dst
	}
	return append(dst, r.Request.MethodBytes()...)
}

// appendURI is the path with its query, as it was sent upstream.
func appendURI(dst []byte, r *Record, _ *operand) []byte {
	if r.Request == nil {
		return dst
	}
	return append(dst, r.Request.Path()...)
}

func appendPath(dst []byte, r *Record, _ *operand) []byte {
	if r.Request == nil {
		return dst
	}
	path, _, _ := bytes.Cut(r.Request.Path(), []byte{'?'})
	return append(dst, path...)
}

func appendPathOriginal(dst []byte, r *Record, o *operand) []byte {
	if r.OriginalPath == nil {
		return appendPath(dst, r, o)
	}
	path, _, _ := bytes.Cut(r.OriginalPath, []byte{'?'})
	return append(dst, path...)
}

func appendQuery(dst []byte, r *Record, _ *operand) []byte { return append(dst, query(r)...) }

func query(r *Record) []byte {
	if r.Request == nil {
		return nil
	}
	_, q, _ := bytes.Cut(r.Request.Path(), []byte{'?'})
	return q
}

func appendRequestHeader(dst []byte, r *Record, o *operand) []byte {
	return append(dst, o.lookup(r.Request)...)
}

func appendResponseHeader(dst []byte, r *Record, o *operand) []byte {
	return append(dst, o.lookup(r.Response)...)
}

func (o *operand) lookup(h *protocols.Header) []byte {
	switch {
	case h == nil:
		return nil
	case o.id != protocols.NameOther:
		return h.Get(o.id)
	}
	return h.Lookup(o.name)
}

// appendArg is the value of the first query argument of that name, as it was sent: percent-encoded.
func appendArg(dst []byte, r *Record, o *operand) []byte {
	return append(dst, pair(query(r), '&', o.name)...)
}

// appendCookie is the value of the first cookie of that name.
func appendCookie(dst []byte, r *Record, o *operand) []byte {
	if r.Request == nil {
		return dst
	}
	return append(dst, pair(r.Request.Get(protocols.NameCookie), ';', o.name)...)
}

// pair returns the value of the first "name=value" in a list that sep separates; blanks before a name are skipped.
func pair(list []byte, sep byte, name string) []byte {
	for len(list) > 0 {
		one := list
		if i := bytes.IndexByte(list, sep); i >= 0 {
			one, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		for len(one) > 0 && one[0] == ' ' {
			one = one[1:]
		}
		if len(one) > len(name) && one[len(name)] == '=' && string(one[:len(name)]) == name {
			return one[len(name)+1:]
		}
	}
	return nil
}
