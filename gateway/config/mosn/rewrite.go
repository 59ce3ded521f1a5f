package mosn

import (
	"errors"
	"regexp/syntax"
)

// highestGroup returns the highest group that a substitution names as \1 or $1; 0 when it names none.
func highestGroup(s string) int {
	highest := 0
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '\\' && s[i] != '$' {
			continue
		}
		n := 0
		for j := i + 1; j < len(s) && s[j] >= '0' && s[j] <= '9' && n < 1000; j++ {
			n = n*10 + int(s[j]-'0')
		}
		highest = max(highest, n)
		i++ // a doubled \ or $ stands for itself
	}
	return highest
}

// regexpMistake is what is wrong with a regular expression, without repeating it.
func regexpMistake(err error) string {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if e.Expr == "" {
		return e.Code.String()
	}
	return e.Code.String() + ": " + clip(e.Expr)
}
