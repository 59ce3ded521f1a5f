package mosn

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// parseJSON reads exactly what RFC 8259 allows, and keeps the position of everything. Keys that are there twice are kept;
// the reader of objects reports them.
func parseJSON(src *source) (*node, error) {
	p := &jsonParser{src: src, s: src.text, line: 1}
	if e := p.encoding(); e != nil {
		return nil, e
	}
	p.space()
	if p.pos == len(p.s) {
		return nil, p.fail("the file is empty; expected an object: { ... }")
	}
	if p.otherLanguage() {
		return nil, p.fail("expected an object: { ... }, found " + p.here() + "; a file that is YAML needs a name that ends in .yaml or .yml")
	}
	n, e := p.value("an object: { ... }", 0)
	if e != nil {
		return nil, e
	}
	end := p.mark()
	p.space()
	if p.pos < len(p.s) {
		if c := p.s[p.pos]; c == '}' || c == ']' {
			return nil, p.fail(fmt.Sprintf("an unmatched %q: the document has ended at %s", c, end))
		}
		if e := p.comment(); e != nil {
			return nil, e
		}
		return nil, p.fail(fmt.Sprintf("unexpected %s: the document has ended at %s", p.here(), end))
	}
	return n, nil
}

// jsonParser is a position in a document.
type jsonParser struct {
	src       *source
	s         string
	pos       int
	line      int
	lineStart int // offset of the line's first byte
	nodes     int

	// The place of the last mark: a document may be one long line, so columns are counted on from there.
	markPos, markCol int
}

// mark is a place to name in a message.
type mark struct{ line, col int }

func (m mark) String() string { return fmt.Sprintf("%d:%d", m.line, m.col) }

func (p *jsonParser) mark() mark {
	if p.markPos < p.lineStart || p.markPos > p.pos {
		p.markPos, p.markCol = p.lineStart, 0
	}
	p.markCol += utf8.RuneCountInString(p.s[p.markPos:p.pos])
	p.markPos = p.pos
	return mark{p.line, p.markCol + 1}
}

func (p *jsonParser) fail(message string) *syntaxError { return p.failAt(p.mark(), message) }

func (p *jsonParser) failAt(m mark, message string) *syntaxError {
	return &syntaxError{line: m.line, col: m.col, message: message}
}

// encoding refuses what is not UTF-8. "JSON text exchanged between systems that are not part of a closed ecosystem MUST
// be encoded using UTF-8." and "Implementations MUST NOT add a byte order mark" (RFC 8259, section 8.1).
func (p *jsonParser) encoding() *syntaxError {
	if strings.HasPrefix(p.s, "\ufeff") {
		return p.fail("the file starts with a byte order mark; save it as UTF-8 without one")
	}
	if utf8.ValidString(p.s) {
		return nil
	}
	for p.pos < len(p.s) {
		r, size := utf8.DecodeRuneInString(p.s[p.pos:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		p.pos += size
		if r == '\n' {
			p.line++
			p.lineStart = p.pos
		}
	}
	return p.fail(fmt.Sprintf("byte 0x%02x is not UTF-8; save the file as UTF-8", p.s[p.pos]))
}

func (p *jsonParser) space() {
	for p.pos < len(p.s) {
		switch p.s[p.pos] {
		case '\n':
			p.line++
			p.lineStart = p.pos + 1
		case ' ', '\t', '\r':
		default:
			return
		}
		p.pos++
	}
}

// here names what stands at the position.
func (p *jsonParser) here() string {
	if p.pos >= len(p.s) {
		return "the end of the file"
	}
	if word := p.word(); word != "" {
		return quote(word)
	}
	r, _ := utf8.DecodeRuneInString(p.s[p.pos:])
	return fmt.Sprintf("%q", r)
}

// word is the run of letters, digits and what numbers consist of at the position.
func (p *jsonParser) word() string {
	end := p.pos
	for end < len(p.s) {
		c := p.s[end]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_+-.", c) >= 0 {
			end++
			continue
		}
		break
	}
	return p.s[p.pos:end]
}

// value reads one value; what says what is expected there.
func (p *jsonParser) value(what string, depth int) (*node, *syntaxError) {
	m := p.mark()
	if p.nodes++; p.nodes > maxNodes {
		return nil, p.failAt(m, fmt.Sprintf("the document has more than %d values", maxNodes))
	}
	n := &node{src: p.src, line: m.line, col: m.col}
	if p.pos >= len(p.s) {
		return nil, p.fail("expected " + what + ", found the end of the file")
	}
	switch c := p.s[p.pos]; {
	case c == '{' || c == '[':
		if depth++; depth > maxDepth {
			return nil, p.fail(fmt.Sprintf("nested deeper than %d levels", maxDepth))
		}
		if c == '{' {
			return n, p.object(n, m, depth)
		}
		return n, p.array(n, m, depth)
	case c == '"':
		n.kind = kindString
		var e *syntaxError
		n.text, e = p.str()
		return n, e
	case c == '-' || c >= '0' && c <= '9':
		n.kind = kindNumber
		var e *syntaxError
		n.text, e = p.number()
		return n, e
	}
	return n, p.literal(n, what)
}

// literal reads true, false and null.
func (p *jsonParser) literal(n *node, what string) *syntaxError {
	word := p.word()
	switch word {
	case "true", "false":
		n.kind, n.text = kindBool, word
	case "null":
		n.kind = kindNull
	default:
		return p.notAValue(word, what)
	}
	p.pos += len(word)
	return nil
}

// empty passes an opening bracket, and the closing one when nothing is between them.
func (p *jsonParser) empty(closing byte) bool {
	p.pos++
	p.space()
	if p.pos >= len(p.s) || p.s[p.pos] != closing {
		return false
	}
	p.pos++
	return true
}

// object reads the members of n, from its brace.
func (p *jsonParser) object(n *node, open mark, depth int) *syntaxError {
	n.kind = kindObject
	if p.empty('}') {
		return nil
	}
	for {
		m, e := p.member(n, open, depth)
		if e != nil {
			return e
		}
		n.members = append(n.members, m)
		more, e := p.separator(open, '}', "the value of "+quote(m.key))
		if e != nil || !more {
			return e
		}
	}
}

// member reads `"key": value`.
func (p *jsonParser) member(n *node, open mark, depth int) (member, *syntaxError) {
	at := p.mark()
	if p.pos >= len(p.s) {
		return member{}, p.unclosed(open, '}')
	}
	if p.s[p.pos] != '"' {
		return member{}, p.notAKey()
	}
	key, e := p.str()
	if e != nil {
		return member{}, e
	}
	after := p.mark()
	p.space()
	if p.pos >= len(p.s) || p.s[p.pos] != ':' {
		found := p.here()
		return member{}, p.failAt(after, fmt.Sprintf("expected ':' after the key %s, found %s", quote(key), found))
	}
	p.pos++
	p.space()
	v, e := p.value("the value of "+quote(key), depth)
	if e != nil {
		return member{}, e
	}
	v.parent, v.key = n, key
	return member{key: key, line: at.line, col: at.col, value: v}, nil
}

// array reads the items of n, from its bracket.
func (p *jsonParser) array(n *node, open mark, depth int) *syntaxError {
	n.kind = kindArray
	if p.empty(']') {
		return nil
	}
	for {
		if p.pos >= len(p.s) {
			return p.unclosed(open, ']')
		}
		if p.s[p.pos] == ',' {
			return p.fail("two commas in a row; remove one")
		}
		v, e := p.value("a value", depth)
		if e != nil {
			return e
		}
		v.parent, v.index = n, len(n.items)
		n.items = append(n.items, v)
		more, e := p.separator(open, ']', "an item")
		if e != nil || !more {
			return e
		}
	}
}

// separator reads what follows a member or an item: a comma (more is true) or the end of what was opened.
func (p *jsonParser) separator(open mark, end byte, behind string) (more bool, e *syntaxError) {
	after := p.mark()
	p.space()
	if p.pos >= len(p.s) {
		return false, p.unclosed(open, end)
	}
	switch c := p.s[p.pos]; c {
	case end:
		p.pos++
		return false, nil
	case ',':
		comma := p.mark()
		p.pos++
		p.space()
		if p.pos < len(p.s) && p.s[p.pos] == end {
			return false, p.failAt(comma, fmt.Sprintf("a comma in front of %q is not allowed in JSON; remove it", end))
		}
		return true, nil
	case '}', ']':
		return false, p.fail(fmt.Sprintf("found %q, but what was opened at %s ends with %q", c, open, end))
	case '"', '{', '[':
		return false, p.failAt(after, fmt.Sprintf("a comma is missing after %s (in front of %s at %s)", behind, p.here(), p.mark()))
	}
	if e := p.comment(); e != nil {
		return false, e
	}
	return false, p.fail(fmt.Sprintf("expected ',' or %q after %s, found %s", end, behind, p.here()))
}

func (p *jsonParser) unclosed(open mark, end byte) *syntaxError {
	return p.fail(fmt.Sprintf("the file ends, but what was opened at %s is not closed with %q", open, end))
}

// number reads a number: "-"? int frac? exp?, as in RFC 8259, section 6. It returns it as written.
func (p *jsonParser) number() (string, *syntaxError) {
	word := p.word()
	if !validNumber(word) {
		hint := "a JSON number is like 10, -3 or 1.5e3"
		if len(word) > 1 && word[0] == '0' && word[1] >= '0' && word[1] <= '9' {
			hint = "a number must not start with a zero"
		} else if c := word[len(word)-1]; c >= 'a' && c <= 'z' {
			hint = "a duration needs double quotes, as in \"30s\""
		}
		return "", p.fail(quote(word) + " is not a number; " + hint)
	}
	p.pos += len(word)
	return word, nil
}

func validNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	digits := func() bool {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n > 0
	}
	// "Leading zeros are not allowed."
	if strings.HasPrefix(s, "0") {
		s = s[1:]
	} else if !digits() {
		return false
	}
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if !digits() {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if !digits() {
			return false
		}
	}
	return s == ""
}

// str reads a string, from its quote, and undoes its escapes.
func (p *jsonParser) str() (string, *syntaxError) {
	open := p.mark()
	p.pos++
	start := p.pos
	var b []byte // nil as long as nothing was escaped
	for p.pos < len(p.s) {
		switch c := p.s[p.pos]; {
		case c == '"':
			s := p.s[start:p.pos]
			p.pos++
			return string(append(b, s...)), nil
		case c == '\n' || c == '\r':
			return "", p.failAt(open, "the string is not closed on its line; a line break in it is written \\n")
		case c < ' ':
			return "", p.fail(fmt.Sprintf("a control character (0x%02x) in a string; write it as \\u%04x or, for a tab, \\t", c, c))
		case c == '\\':
			b = append(b, p.s[start:p.pos]...)
			r, e := p.escape()
			if e != nil {
				return "", e
			}
			b = utf8.AppendRune(b, r)
			start = p.pos
		default:
			p.pos++
		}
	}
	return "", p.failAt(open, "the string is not closed")
}

// escape reads one escape sequence, or the two of a surrogate pair. Half a pair becomes U+FFFD.
func (p *jsonParser) escape() (rune, *syntaxError) {
	at := p.mark()
	p.pos++
	if p.pos >= len(p.s) {
		return 0, p.failAt(at, "the string is not closed")
	}
	c := p.s[p.pos]
	p.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, ok := p.hex4()
		if !ok {
			return 0, p.failAt(at, "\\u needs four hexadecimal digits, as in \\u00e9")
		}
		if !utf16.IsSurrogate(r) {
			return r, nil
		}
		back := p.pos
		if strings.HasPrefix(p.s[p.pos:], `\u`) {
			p.pos += 2
			if low, ok := p.hex4(); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return pair, nil
				}
			}
		}
		p.pos = back
		return utf8.RuneError, nil
	}
	return 0, p.failAt(at, fmt.Sprintf("%q is not an escape of JSON; a backslash itself is written \\\\", p.s[p.pos-2:p.pos]))
}

func (p *jsonParser) hex4() (rune, bool) {
	if len(p.s)-p.pos < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.s[p.pos : p.pos+4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.pos += 4
	return r, true
}
