package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity says what a Problem means for the configuration.
type Severity uint8

// The severities.
const (
	// Error: the configuration is refused.
	Error Severity = iota
	// Warning: the configuration is used, and does not do all that it asks for.
	Warning
	// Note: something that is as MOSN does it and that one may want to know.
	Note
)

func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	case Note:
		return "note"
	}
	return "unknown"
}

// A Problem is one mistake, or one thing to know, in a configuration.
type Problem struct {
	Severity Severity
	File     string
	Line     int    // from 1; 0 when the problem belongs to the whole file
	Column   int    // from 1, in characters
	Path     string // of the key: "servers[0].listeners[1].address"; empty for the document
	Message  string // what is wrong, what was expected, and the nearest valid thing
	Source   string // the source line, for a caret; empty when there is none
}

// Origin is "file:line:column", as far as they are known.
func (p Problem) Origin() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// String is one line: "config.json:12:9: error: servers[0]: unknown key "adress"; did you mean "address"?".
func (p Problem) String() string {
	var b strings.Builder
	if origin := p.Origin(); origin != "" {
		b.WriteString(origin)
		b.WriteString(": ")
	}
	b.WriteString(p.Severity.String())
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems are all that was found in one configuration, by position.
type Problems []Problem

// Err returns nil when no problem is an Error, and otherwise an error whose text has one line for each Error.
func (ps Problems) Err() error {
	var errs []error
	for _, p := range ps {
		if p.Severity == Error {
			errs = append(errs, errors.New(p.String()))
		}
	}
	return errors.Join(errs...)
}

// Sort orders ps by file, then line and column. Files keep the order in which they first appear.
func (ps Problems) Sort() {
	order := make(map[string]int, 1)
	for _, p := range ps {
		if _, seen := order[p.File]; !seen {
			order[p.File] = len(order)
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(order[a.File], order[b.File]),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity),
		)
	})
}

// Format writes ps to w, one line each; when w is a terminal, each with its source line and a caret below the place.
func Format(w io.Writer, ps Problems) error {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return FormatSource(w, ps)
		}
	}
	for _, p := range ps {
		if _, err := fmt.Fprintln(w, p); err != nil {
			return err
		}
	}
	return nil
}

// FormatSource writes ps to w, each with its source line and a caret below the place.
func FormatSource(w io.Writer, ps Problems) error {
	for _, p := range ps {
		if _, err := fmt.Fprintln(w, p); err != nil {
			return err
		}
		if p.Source == "" || p.Column < 1 {
			continue
		}
		line, caret := snippet(p.Source, p.Column)
		if _, err := fmt.Fprintf(w, "    %s\n    %s^\n", line, caret); err != nil {
			return err
		}
	}
	return nil
}

// snippet cuts a source line to what fits a terminal around column, with tabs and control characters as spaces, and
// returns it with the blanks that lead to the caret.
func snippet(source string, column int) (line, blanks string) {
	const width, before = 100, 40
	runes := make([]rune, 0, utf8.RuneCountInString(source))
	for _, r := range source {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		runes = append(runes, r)
	}
	at := min(column-1, len(runes))
	from := 0
	if at > width-before {
		from = at - before
	}
	to := min(from+width, len(runes))
	return strings.TrimRight(string(runes[from:to]), " "), strings.Repeat(" ", at-from)
}
