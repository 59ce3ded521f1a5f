package router

import (
	"bytes"
	"strings"

	"sluice/protocols"
)

// A Template is a header value that holds a %variable%. The gateway compiles each one once per table.
type Template struct {
	Text   string
	Origin string // of the first rule that has it
	Key    string
}

// Values gives the values of templates for one exchange.
type Values interface {
	// Value returns what Table.Templates()[template] stands for now. The bytes need to live until the next call.
	// A value that is nil, or that a header can't hold, leaves its header alone.
	Value(template int) []byte
}

// headerStep is one change of a header. The steps of a route are in order: the route's, the virtual host's, the
// configuration's.
type headerStep struct {
	kind     stepKind
	name     string
	value    string
	template int // >= 0: the value is that template's
}

type stepKind uint8

const (
	stepSet       stepKind = iota
	stepAppend             // "old,new"
	stepRemove             //
	stepAuthority          // the host is not among the fields
)

// EditRequest does the route's request_headers_to_add and _to_remove, and those of its virtual host and configuration.
// values may be nil when the table has no templates.
func (r *Route) EditRequest(h *protocols.Header, values Values) { edit(h, r.steps.request, values) }

// EditResponse is EditRequest for the answer.
func (r *Route) EditResponse(h *protocols.Header, values Values) { edit(h, r.steps.response, values) }

func edit(h *protocols.Header, steps []headerStep, values Values) {
	for i := range steps {
		s := &steps[i]
		switch {
		case s.kind == stepRemove:
			h.DelName(s.name)
		case s.template < 0:
			editString(h, s)
		case values != nil:
			// A value may hold what a client sent in another form: never let it end the line (RFC 9110 section 5.5).
			if v := values.Value(s.template); v != nil && !bytes.ContainsAny(v, "\r\n\x00") {
				editBytes(h, s, v)
			}
		}
	}
}

func editString(h *protocols.Header, s *headerStep) {
	switch s.kind {
	case stepSet:
		h.SetString(s.name, s.value)
	case stepAppend:
		h.AppendString(s.name, s.value)
	case stepAuthority:
		h.SetAuthorityString(s.value)
	case stepRemove:
	}
}

func editBytes(h *protocols.Header, s *headerStep, v []byte) {
	switch s.kind {
	case stepSet:
		h.Set(s.name, v)
	case stepAppend:
		h.Append(s.name, v)
	case stepAuthority:
		if validAuthority(v) {
			h.SetAuthority(v)
		}
	case stepRemove:
	}
}

// stepLists are the steps for both directions.
type stepLists struct{ request, response []headerStep }

// before returns the steps of s and then those of outer; without own steps it shares outer's, for a table may have very
// many routes.
func (s stepLists) before(outer stepLists) stepLists {
	return stepLists{joinSteps(s.request, outer.request), joinSteps(s.response, outer.response)}
}

func joinSteps(own, outer []headerStep) []headerStep {
	if len(own) == 0 {
		return outer
	}
	return append(own, outer...)
}

func (c *compiler) headerSteps(origin, prefix string, ops *HeaderOps) (s stepLists) {
	for i := range ops.RequestAdd {
		s.request = append(s.request, c.addStep(origin, prefix+"request_headers_to_add", &ops.RequestAdd[i], true))
	}
	for _, name := range ops.RequestRemove {
		s.request = append(s.request, c.removeStep(origin, prefix+"request_headers_to_remove", name))
	}
	for i := range ops.ResponseAdd {
		s.response = append(s.response, c.addStep(origin, prefix+"response_headers_to_add", &ops.ResponseAdd[i], false))
	}
	for _, name := range ops.ResponseRemove {
		s.response = append(s.response, c.removeStep(origin, prefix+"response_headers_to_remove", name))
	}
	return s
}

func (c *compiler) addStep(origin, key string, op *HeaderOp, request bool) headerStep {
	s := headerStep{kind: stepSet, name: op.Name, value: op.Value, template: -1}
	id := protocols.LookupNameString(op.Name)
	switch {
	case request && id == protocols.NameHost:
		s.kind = stepAuthority
		if !isTemplate(op.Value) && !validAuthority([]byte(op.Value)) {
			c.fail(origin, key, "%q is no host", op.Value)
		}
	case op.Append:
		s.kind = stepAppend
	}
	c.fieldName(origin, key, op.Name, id == protocols.NameHost && request)
	if strings.ContainsAny(op.Value, "\r\n\x00") {
		c.fail(origin, key, "the value of %s holds a line break or NUL", op.Name)
	}
	if isTemplate(op.Value) {
		s.template = c.template(origin, key, op.Value)
	}
	return s
}

func (c *compiler) removeStep(origin, key, name string) headerStep {
	c.fieldName(origin, key, name, false)
	return headerStep{kind: stepRemove, name: name, template: -1}
}

// fieldName refuses names that no rule may touch: the codecs write these fields from what they know of the message, and
// a message with others could be taken for two.
func (c *compiler) fieldName(origin, key, name string, hostAllowed bool) {
	if !isToken(name) {
		c.fail(origin, key, "%q is no header name", name)
		return
	}
	switch protocols.LookupNameString(name) {
	case protocols.NameHost:
		if hostAllowed {
			return
		}
	case protocols.NameContentLength, protocols.NameTransferEncoding, protocols.NameConnection, protocols.NameKeepAlive,
		protocols.NameProxyConnection, protocols.NameTE, protocols.NameTrailer, protocols.NameUpgrade,
		protocols.NameHTTP2Settings:
	default:
		return
	}
	c.fail(origin, key, "%s belongs to the connection: the gateway writes it itself, so take it out here", name)
}

// isTemplate reports whether a header value holds a %variable%; "50% off" and "100%" do not.
func isTemplate(value string) bool {
	pieces := strings.Split(value, "%")
	for _, name := range pieces[1:max(1, len(pieces)-1)] {
		if isToken(name) {
			return true
		}
	}
	return false
}

func (c *compiler) template(origin, key, text string) int {
	i, ok := c.templates[text]
	if !ok {
		i = len(c.table.templates)
		c.templates[text] = i
		c.table.templates = append(c.table.templates, Template{Text: text, Origin: origin, Key: key})
	}
	return i
}
