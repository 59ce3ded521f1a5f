package mosn

import (
	"fmt"
	"strings"
)

// otherLanguage reports whether the document starts as files in other languages than JSON do: with a word, or ---.
func (p *jsonParser) otherLanguage() bool {
	switch word := p.word(); {
	case word == "", strings.EqualFold(word, "true"), strings.EqualFold(word, "false"), strings.EqualFold(word, "null"):
		return false
	case strings.HasPrefix(word, "---"):
		return true
	}
	c := p.s[p.pos] | 0x20
	return c >= 'a' && c <= 'z'
}

// comment recognises what people write who think that JSON has comments.
func (p *jsonParser) comment() *syntaxError {
	rest := p.s[p.pos:]
	if strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "/*") || strings.HasPrefix(rest, "#") {
		return p.fail("JSON has no comments; remove it, or write the file as YAML (.yaml)")
	}
	return nil
}

// notAValue explains what stands where a value belongs.
func (p *jsonParser) notAValue(word, what string) *syntaxError {
	if e := p.comment(); e != nil {
		return e
	}
	switch c := p.s[p.pos]; {
	case c == '\'':
		return p.fail("strings are written in double quotes in JSON, not in single ones")
	case word == "":
		return p.fail("expected " + what + ", found " + p.here())
	case c == '+' || c == '.':
		return p.fail("expected " + what + ", found " + quote(word) + "; a number starts with a digit or '-' in JSON")
	}
	for _, w := range []string{"true", "false", "null"} {
		if strings.EqualFold(w, word) {
			return p.fail("expected " + what + ", found " + quote(word) + "; did you mean " + w + "?")
		}
	}
	return p.fail("expected " + what + ", found " + quote(word) + "; a string needs double quotes")
}

// notAKey explains what stands where a key belongs.
func (p *jsonParser) notAKey() *syntaxError {
	if e := p.comment(); e != nil {
		return e
	}
	switch word := p.word(); {
	case p.s[p.pos] == ',':
		return p.fail("two commas in a row; remove one")
	case p.s[p.pos] == '\'':
		return p.fail("keys are written in double quotes in JSON, not in single ones")
	case word != "":
		return p.fail(fmt.Sprintf("the key %s needs double quotes", quote(word)))
	}
	return p.fail("expected a key in double quotes, found " + p.here())
}
