package http2bolt

import (
	"sluice/protocols"
	"sluice/protocols/syntax"
)

var (
	errMethod = &protocols.Error{Reason: protocols.ReasonProtocolError, Detail: "x-http-method: expected a method of requests that may have a body, such as POST"}
	errPath   = &protocols.Error{Reason: protocols.ReasonProtocolError, Detail: "x-http-path: expected a path that starts with / and has no spaces"}
)

// ofConnection are the fields that HTTP has for a connection, or that a length and a target of their own stand for.
var ofConnection = protocols.NameSetOf(protocols.NameConnection, protocols.NameKeepAlive, protocols.NameProxyConnection,
	protocols.NameTE, protocols.NameTrailer, protocols.NameTransferEncoding, protocols.NameUpgrade, protocols.NameContentLength,
	protocols.NameExpect, protocols.NameHTTP2Settings, protocols.NameHost)

// clean takes out what HTTP can't say: a header map may hold any bytes. An entry that is no field is left out.
func clean(h *protocols.Header) {
	for i := range h.Len() {
		id, name, value, ok := h.Field(i)
		if ok && (ofConnection.Has(id) || len(name) == 0 || !syntax.Token.All(name) || syntax.ScanValue(value, 0) < len(value) ||
			len(value) > 0 && (blank(value[0]) || blank(value[len(value)-1]))) {
			h.Delete(i)
		}
	}
}

// blank: RFC 9110 section 5.5: "A field value does not include leading or trailing whitespace".
func blank(c byte) bool { return c == ' ' || c == '\t' }

// requestOf makes a call an HTTP request.
func (f *converter) requestOf(h *protocols.Header) *protocols.Error {
	method, path := f.method, f.path
	if v := h.Lookup(entryMethod); v != nil {
		if method = v; !usableMethod(v) {
			return errMethod
		}
	}
	if v := h.Lookup(entryPath); v != nil {
		if path = v; !usablePath(v) {
			return errPath
		}
	}
	if len(path) == 0 {
		path = f.rpcPath(h)
	}
	h.SetMethod(method)
	h.SetPath(path)
	h.SetScheme(schemeHTTP)
	if v := h.Lookup(entryHost); len(v) > 0 && syntax.Host.All(v) {
		h.SetAuthority(v)
	}
	h.DelName(entryMethod)
	h.DelName(entryPath)
	f.describe(h)
	if h.Timeout > 0 {
		f.setNumber(h, fieldTimeout, h.Timeout)
	}
	return nil
}

var schemeHTTP = []byte("http")

// rpcPath is /service/method, from where SOFA's clients put the names.
func (f *converter) rpcPath(h *protocols.Header) []byte {
	service := h.Get(protocols.NameService)
	if len(service) == 0 {
		service = h.Lookup("sofa_head_target_service")
	}
	b := append(f.scratch[:0], '/')
	b = appendSegment(b, service)
	if method := h.Lookup("sofa_head_method_name"); len(method) > 0 {
		b = appendSegment(append(b, '/'), method)
	}
	f.scratch = b
	return b
}

// appendSegment appends s as a segment of a path: what could be read as anything else is percent-encoded, and so are the
// dots of "." and "..".
func appendSegment(b, s []byte) []byte {
	const hex = "0123456789ABCDEF"
	dots := string(s) == "." || string(s) == ".."
	for _, c := range s {
		if c == '%' || c == '/' || c == '?' || c == '\\' || c == ';' || c == '.' && dots || !syntax.Target.Has(c) {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

// describe makes the fields of a message of Bolt those of HTTP, with class, serialization and length among them.
func (f *converter) describe(h *protocols.Header) {
	clean(h)
	if class := h.Class(); len(class) > 0 && syntax.ScanValue(class, 0) == len(class) && !blank(class[0]) && !blank(class[len(class)-1]) {
		h.Set(fieldClass, class)
	} else {
		h.DelName(fieldClass)
	}
	f.setNumber(h, fieldCoding, int64(h.Coding))
	if !h.Has(protocols.NameContentType) && h.ContentLength > 0 {
		for _, t := range contentTypes {
			if t.coding == h.Coding {
				h.PutString(protocols.NameContentType, t.name)
			}
		}
	}
	h.AddInt("content-length", max(h.ContentLength, 0))
}

// responseOf makes an answer of Bolt an HTTP answer. MOSN's simple way knows the statuses 200 and 500.
func (f *converter) responseOf(h *protocols.Header) {
	if f.simple {
		clean(h)
		h.AddInt("content-length", max(h.ContentLength, 0))
		if h.Code != 0 {
			h.Status = 500
		}
		return
	}
	f.describe(h)
	f.setNumber(h, fieldStatus, int64(h.Code))
}
