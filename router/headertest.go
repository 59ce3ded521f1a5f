package router

import (
	"regexp"

	"sluice/protocols"
)

// headerName is a field name with its id looked up.
type headerName struct {
	id   protocols.NameID
	name string
}

func newHeaderName(name string) headerName {
	return headerName{id: protocols.LookupNameString(name), name: lower(name)}
}

// value is the first value of the field, or nil.
func (n *headerName) value(h *protocols.Header) []byte {
	if n.id != protocols.NameOther {
		return h.Get(n.id)
	}
	return h.Lookup(n.name)
}

// headerTest is a compiled HeaderMatch.
type headerTest struct {
	kind  testKind
	field headerName
	value string
	regex *regexp.Regexp
}

type testKind uint8

const (
	testValue       testKind = iota // the field has this value
	testRegex                       // the field has a value that the expression finds something in
	testFilled                      // the field is there and not empty: MOSN's service ".*"
	testMethod                      // the method is this
	testMethodRegex                 // the expression finds something in the method
)

func (t *headerTest) match(h *protocols.Header) bool {
	switch t.kind {
	case testValue:
		v := t.field.value(h)
		return v != nil && string(v) == t.value
	case testRegex:
		v := t.field.value(h)
		return v != nil && t.regex.Match(v)
	case testFilled:
		return len(t.field.value(h)) > 0
	case testMethod:
		return string(t.method(h)) == t.value
	case testMethodRegex:
		return t.regex.Match(t.method(h))
	}
	return false
}

// method is the method of an HTTP request; protocols that have none may have a field of that name.
func (t *headerTest) method(h *protocols.Header) []byte {
	if m := h.MethodBytes(); len(m) > 0 {
		return m
	}
	return t.field.value(h)
}
