package mosn

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"sluice/gateway/config"
)

// Limits of a document. They bound what a mistaken path (a log file, a device) can cost.
const (
	maxDocument = 16 << 20 // bytes
	maxDepth    = 128      // nested arrays and objects
	maxNodes    = 1 << 20  // values, after the expansion of YAML's aliases
)

// A source is one document.
type source struct {
	file  string
	lines []string // for problems; split lazily
	text  string
}

// line returns the text of line n, counted from 1.
func (s *source) line(n int) string {
	if s.lines == nil {
		s.lines = strings.Split(s.text, "\n")
	}
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return strings.TrimSuffix(s.lines[n-1], "\r")
}

// kind is the type of a value, in JSON's terms.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// A node is one value of a document.
type node struct {
	src       *source
	line, col int
	kind      kind
	text      string   // a string's value, a number as JSON would write it, "true" or "false"
	items     []*node  // of an array
	members   []member // of an object, in the order of the document

	parent *node
	key    string // in parent, when that is an object
	index  int    // in parent, when that is an array
}

// A member is one key of an object with its value.
type member struct {
	key       string
	line, col int
	value     *node
}

// path is where n stands in its document: "servers[0].listeners[1].address".
func (n *node) path() string {
	if n == nil || n.parent == nil {
		return ""
	}
	head := n.parent.path()
	if n.parent.kind == kindArray {
		return head + "[" + strconv.Itoa(n.index) + "]"
	}
	key := n.key
	if strings.ContainsFunc(key, func(r rune) bool { return r == '.' || r == '[' || !unicode.IsPrint(r) }) {
		key = strconv.Quote(key)
	}
	if head == "" {
		return key
	}
	return head + "." + key
}

// origin is "file:line:column".
func (n *node) origin() string {
	return fmt.Sprintf("%s:%d:%d", n.src.file, n.line, n.col)
}

// found describes n for a message of the form "expected ..., found ...".
func (n *node) found() string {
	switch n.kind {
	case kindString:
		return "the string " + quote(n.text)
	case kindNumber:
		return "the number " + clip(n.text)
	case kindBool:
		return n.text
	case kindArray:
		if len(n.items) == 0 {
			return "an empty array"
		}
	case kindObject:
		if len(n.members) == 0 {
			return "an empty object"
		}
	case kindNull:
	}
	return n.kind.String()
}

// inert reports whether n asks for nothing: null, false, 0, "", {}, [].
func (n *node) inert() bool {
	switch n.kind {
	case kindNull:
		return true
	case kindBool:
		return n.text == "false"
	case kindNumber:
		v, err := strconv.ParseFloat(n.text, 64)
		return err == nil && v == 0
	case kindString:
		return n.text == ""
	case kindArray:
		return len(n.items) == 0
	case kindObject:
		return len(n.members) == 0
	}
	return false
}

// member returns the value of the key with that name, whatever its case, or nil; of several the last, as MOSN does.
func (n *node) member(name string) *node {
	if n == nil || n.kind != kindObject {
		return nil
	}
	for i := len(n.members) - 1; i >= 0; i-- {
		if strings.EqualFold(n.members[i].key, name) {
			return n.members[i].value
		}
	}
	return nil
}

// quote quotes s for a message and cuts it when it is long.
func quote(s string) string { return strconv.Quote(clip(s)) }

func clip(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "..."
		}
		n++
	}
	return s
}

// A syntaxError is where a document stops being JSON or YAML.
type syntaxError struct {
	line, col int
	message   string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.line, e.col, e.message) }

// problem makes e a Problem of src.
func (e *syntaxError) problem(src *source) config.Problem {
	return config.Problem{
		Severity: config.Error, File: src.file, Line: e.line, Column: e.col, Message: e.message, Source: src.line(e.line),
	}
}
