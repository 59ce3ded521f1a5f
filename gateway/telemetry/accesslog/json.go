package accesslog

import (
	"strconv"
	"time"

	"sluice/loop"
)

// appendJSON appends r as one JSON object and a newline. Fields without a value are left out; durations are in
// milliseconds, with microseconds behind the point.
func appendJSON(dst []byte, r *Record) []byte {
	dst = append(dst, `{"start_time":"`...)
	dst = r.Start.AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, `","protocol":`...)
	dst = appendJSONString(dst, r.Protocol)
	dst = appendJSONRequest(dst, r)

	dst = append(dst, `,"response_code":`...)
	dst = strconv.AppendInt(dst, int64(r.ResponseCode), 10)
	dst = append(dst, `,"reason":`...)
	dst = appendJSONString(dst, r.Reason.String())
	dst = append(dst, `,"bytes_received":`...)
	dst = strconv.AppendUint(dst, r.BytesReceived, 10)
	dst = append(dst, `,"bytes_sent":`...)
	dst = strconv.AppendUint(dst, r.BytesSent, 10)
	dst = append(dst, `,"duration_ms":`...)
	dst = appendMillis(dst, r.Duration)
	dst = appendJSONMillis(dst, `,"request_received_ms":`, r.RequestReceived)
	dst = appendJSONMillis(dst, `,"request_finished_ms":`, r.RequestFinished)
	dst = appendJSONMillis(dst, `,"response_received_ms":`, r.ResponseReceived)
	dst = appendJSONMillis(dst, `,"process_ms":`, r.Process)

	dst = appendJSONField(dst, `,"listener":`, r.Listener)
	dst = appendJSONField(dst, `,"server_name":`, r.ServerName)
	dst = appendJSONField(dst, `,"virtual_host":`, r.VirtualHost)
	dst = appendJSONField(dst, `,"upstream_cluster":`, r.Cluster)
	dst = appendJSONField(dst, `,"upstream_host":`, r.UpstreamHost)
	dst = appendJSONAddr(dst, `,"upstream_remote_address":`, r.UpstreamRemote)
	dst = appendJSONAddr(dst, `,"upstream_local_address":`, r.UpstreamLocal)
	dst = appendJSONAddr(dst, `,"downstream_remote_address":`, r.DownstreamRemote)
	dst = appendJSONAddr(dst, `,"downstream_local_address":`, r.DownstreamLocal)
	dst = appendJSONUint(dst, `,"attempts":`, uint64(max(r.Attempts, 0)))
	dst = appendJSONUint(dst, `,"connection_id":`, r.ConnectionID)
	dst = appendJSONUint(dst, `,"upstream_connection_id":`, r.UpstreamConnectionID)
	dst = appendJSONUint(dst, `,"stream_id":`, uint64(r.StreamID))
	dst = appendJSONField(dst, `,"request_id":`, r.RequestID)
	dst = appendJSONField(dst, `,"trace_id":`, r.TraceID)
	return append(dst, "}\n"...)
}

func appendJSONRequest(dst []byte, r *Record) []byte {
	h := r.Request
	if h == nil {
		return dst
	}
	dst = appendJSONField(dst, `,"method":`, h.MethodBytes())
	dst = appendJSONField(dst, `,"scheme":`, h.Scheme())
	dst = appendJSONField(dst, `,"authority":`, h.Authority())
	dst = appendJSONField(dst, `,"path":`, h.Path())
	return appendJSONField(dst, `,"original_path":`, r.OriginalPath)
}

// The four below append `,"key":` and the value, or nothing for a zero one.

func appendJSONField[S []byte | string](dst []byte, key string, s S) []byte {
	if len(s) == 0 {
		return dst
	}
	return appendJSONString(append(dst, key...), s)
}

func appendJSONUint(dst []byte, key string, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, key...), n, 10)
}

func appendJSONMillis(dst []byte, key string, d time.Duration) []byte {
	if d == 0 {
		return dst
	}
	return appendMillis(append(dst, key...), d)
}

func appendJSONAddr(dst []byte, key string, a loop.Addr) []byte {
	if a.Path != "" {
		// A path is a configuration's and may hold anything.
		return appendJSONString(append(dst, key...), a.String())
	}
	if !a.AddrPort.IsValid() {
		return dst
	}
	dst = append(append(dst, key...), '"')
	return append(appendAddr(dst, a), '"')
}

func appendMillis(dst []byte, d time.Duration) []byte {
	us := max(d, 0).Microseconds()
	dst = strconv.AppendInt(dst, us/1000, 10)
	dst = append(dst, '.')
	return appendDigits(dst, int(us%1000), 3)
}
