package http1

import (
	"sluice/protocols"
	"sluice/protocols/syntax"
)

const (
	maxName = 1024    // bytes of a field name
	maxHead = 1 << 30 // bytes of a head whose limit is none: offsets are 32 bits
)

// progress is how far a head (or trailer section) that is not yet whole was read, so that the bytes of a head that
// arrives in many pieces are read twice at most: once as they come, once when all are there.
type progress struct {
	line   uint32 // the lines before this offset are whole and valid
	seen   uint32 // when not zero: the current line is valid up to here, and here is within its value (or target)
	fields uint32 // fields before line
}

// section is what scanFields knows of the lines that it has read.
type section struct {
	set, repeated protocols.NameSet
	host          span // the value of the last Host field
	end           int  // behind the empty line; -1 while that has not arrived
}

type span struct{ off, len int }

// scanFields reads the field lines of b from offset p.line on, adds them to h and advances p. It reads strictly from
// left to right and stops at the first byte that breaks a rule, so that the verdict does not depend on how the bytes
// were cut on their way. b is already cut to its limit of bytes; maxFields is the other limit.
func (s *section) scanFields(b []byte, p *progress, maxFields int, h *protocols.Header) rule {
	s.end = -1
	i := int(p.line)
	for {
		if i >= len(b) {
			return ruleOK
		}
		if b[i] == '\r' {
			return s.scanEnd(b, i)
		}
		if int(p.fields) >= maxFields {
			return ruleHeadFields
		}
		start := i
		for i < len(b) && syntax.Token.Has(b[i]) {
			i++
		}
		colon := i
		if colon-start > maxName {
			return ruleNameLong
		}
		if i == len(b) {
			return ruleOK
		}
		if b[i] != ':' || i == start {
			return badName(b[i], i == start)
		}
		i++
		for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
			i++
		}
		value := i
		i = syntax.ScanValue(b, i)
		if i+1 >= len(b) {
			if i == len(b) {
				p.seen = uint32(i)
				return ruleOK
			}
			return badValue(b[i], '\n')
		}
		if b[i] != '\r' || b[i+1] != '\n' {
			return badValue(b[i], b[i+1])
		}
		end := i
		for end > value && (b[end-1] == ' ' || b[end-1] == '\t') {
			end--
		}
		i += 2
		id := protocols.LookupName(b[start:colon])
		bit := protocols.NameSet(1) << id
		s.repeated |= s.set & bit
		s.set |= bit
		if id == protocols.NameHost {
			s.host = span{value, end - value}
		}
		clean := value == colon+2 && b[colon+1] == ' ' && end == i-2
		h.AddSpan(id, start, colon-start, value, end-value, clean)
		p.line, p.seen = uint32(i), 0
		p.fields++
	}
}

// scanEnd reads the empty line that ends the section.
func (s *section) scanEnd(b []byte, i int) rule {
	if i+1 == len(b) {
		return ruleOK
	}
	if b[i+1] != '\n' {
		return ruleBareCR
	}
	s.end = i + 2
	return ruleOK
}

// more reports whether a line that was cut within its value is still cut, with what has arrived since.
func (p *progress) more(b []byte, scan func([]byte, int) int) bool {
	if p.seen == 0 {
		return false
	}
	i := scan(b, int(p.seen))
	if i == len(b) {
		p.seen = uint32(i)
		return true
	}
	return false
}

// badName says which rule the byte c breaks that follows a field name, or stands where one must start.
func badName(c byte, first bool) rule {
	switch {
	case first && (c == ' ' || c == '\t'):
		// RFC 9112 section 5.2: "A server that receives an obs-fold in a request message [...] MUST either reject the
		// message [...] or replace [it]". Section 2.2 says the same of white space before the first field.
		return ruleFold
	case c == '\n':
		return ruleBareLF
	case c == '\r':
		return ruleNameByte
	case first && c == ':':
		return ruleNameEmpty
	case c == ' ' || c == '\t':
		// RFC 9112 section 5.1: "No whitespace is allowed between the field name and colon. [...] A server MUST
		// reject, with a response status code of 400 (Bad Request), any received request message that contains
		// whitespace between a header field name and colon."
		return ruleNameSpace
	}
	return ruleNameByte
}

// badValue says which rule the bytes c and next break, of which c ended a field value.
func badValue(c, next byte) rule {
	switch {
	case c == '\n':
		// RFC 9112 section 2.2 allows a recipient to accept a single LF; peers that differ in it are how requests
		// are smuggled, so it is refused.
		return ruleBareLF
	case c == '\r' && next != '\n':
		return ruleBareCR
	case c == '\r':
		return ruleOK
	}
	return ruleValueByte
}

// clip cuts b to limit bytes, and says whether that was all that may come.
func clip(b []byte, limit int) (clipped []byte, full bool) {
	if len(b) >= limit {
		return b[:limit], true
	}
	return b, false
}
