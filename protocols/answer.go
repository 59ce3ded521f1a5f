package protocols

import "strconv"

// SetAnswer makes h the head of a local reply: the status, and the fields for a body of length bytes. An empty
// contentType leaves that field out, which an answer without a body does. More fields may be added behind it. It
// allocates only until h's storage has grown to its usual size.
func (h *Header) SetAnswer(status int, contentType string, length int64) {
	h.Reset()
	h.Status = status
	h.ContentLength = length
	if contentType != "" {
		h.AddString("content-type", contentType)
	}
	h.AddInt("content-length", length)
}

// AddInt is Add for a number.
func (h *Header) AddInt(name string, value int64) {
	var buf [20]byte
	addTo(h, LookupNameString(name), name, strconv.AppendInt(buf[:0], value, 10))
}
