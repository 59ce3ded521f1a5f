package admin

import (
	"net/http"

	"github.com/bytedance/sonic"
	"github.com/valyala/bytebufferpool"
)

// A layout is how an answer's JSON is laid out; MOSN's answers differ in it.
type layout struct {
	indent string // of one level; "" puts everything on one line
	html   bool   // <, > and & are escaped
	line   bool   // a line break ends it
}

// appendJSON renders v into b, the keys of maps sorted.
func (l layout) appendJSON(b *bytebufferpool.ByteBuffer, v any) error {
	e := sonic.ConfigStd.NewEncoder(b)
	e.SetEscapeHTML(l.html)
	e.SetIndent("", l.indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	if !l.line {
		b.B = b.B[:b.Len()-1] // the line break that Encode adds
	}
	return nil
}

// writeJSON answers with v. What does not render is answered with a 500, and returned for the log.
func writeJSON(w http.ResponseWriter, status int, l layout, v any) error {
	b := bytebufferpool.Get()
	defer bytebufferpool.Put(b)
	err := l.appendJSON(b, v)
	if err != nil {
		status = http.StatusInternalServerError
		b.SetString(`{"error":"internal error","detail":"see the log"}` + "\n")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.B) // the client is gone, or it is not
	return err
}
