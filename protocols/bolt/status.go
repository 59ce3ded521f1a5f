package bolt

// Bolt's statuses that stand for one of HTTP's, as SOFABolt numbers them.
const (
	statusSuccess          = 0
	statusServerException  = 2
	statusUnknown          = 3
	statusBusy             = 4 // SERVER_THREADPOOL_BUSY
	statusNoProcessor      = 6
	statusTimeout          = 7
	statusCodecException   = 9
	statusConnectionClosed = 0x10
)

// httpStatus is HTTP's form of a Bolt status, as MOSN counts and retries by it.
func httpStatus(code uint16) int {
	switch code {
	case statusSuccess:
		return 200
	case statusBusy:
		return 503
	case statusTimeout:
		return 504
	case statusConnectionClosed:
		return 502
	}
	return 500
}

// boltStatus is what an HTTP status, or the one of a local reply's reason, becomes in a frame of the version. It is
// MOSN's table, and for the statuses that MOSN has no reply of its own with: what a client sent wrong is a codec
// exception, and what was too much is busy.
func boltStatus(status int, version uint8) uint16 {
	switch {
	case status >= 200 && status < 300:
		return statusSuccess
	case status == 404 || status == 502:
		return statusNoProcessor
	case status == 503 || status == 429:
		return statusBusy
	case status == 504 || status == 408:
		return statusTimeout
	case status == 403 && version == version1:
		return statusServerException
	case status == 400 || status == 413 || status == 414 || status == 431:
		return statusCodecException
	}
	return statusUnknown
}
