package dubbo

// Dubbo's statuses that stand for one of HTTP's, as its Response class numbers them.
const (
	statusOK              = 20
	statusClientTimeout   = 30
	statusServerTimeout   = 31
	statusChannelInactive = 35
	statusBadRequest      = 40
	statusBadResponse     = 50
	statusServiceNotFound = 60
	statusServiceError    = 70
	statusServerError     = 80
	statusExhausted       = 100 // SERVER_THREADPOOL_EXHAUSTED_ERROR
)

// httpStatus is HTTP's form of a Dubbo status.
func httpStatus(code uint16) int {
	switch code {
	case statusOK:
		return 200
	case statusClientTimeout, statusServerTimeout:
		return 504
	case statusChannelInactive, statusBadResponse:
		return 502
	case statusBadRequest:
		return 400
	case statusServiceNotFound:
		return 404
	case statusExhausted:
		return 503
	}
	return 500
}

// dubboStatus is what an HTTP status, or the one of a local reply's reason, becomes in a frame. It is MOSN's table but for
// 503, which MOSN calls a bad request, and for the statuses that MOSN has no reply of its own with.
func dubboStatus(status int) uint16 {
	switch {
	case status >= 200 && status < 300:
		return statusOK
	case status == 404 || status == 502:
		return statusServiceNotFound
	case status == 503 || status == 429:
		return statusExhausted
	case status == 504 || status == 408:
		return statusClientTimeout
	case status == 403:
		return statusServerError
	case status == 400 || status == 413 || status == 414 || status == 431:
		return statusBadRequest
	}
	return statusServiceError
}
