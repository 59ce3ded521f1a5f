package accesslog

import (
	"fmt"
	"strings"

	"sluice/protocols"
)

// DefaultFormat is MOSN's: what an access log without a format is written in.
const DefaultFormat = "%start_time% %trace_id%  %connection_id% %upstream_connection_id% %request_received_duration% " +
	"%response_received_duration% %bytes_sent% %bytes_received% %protocol% %response_code% %duration% %response_flag% " +
	"%response_code% %upstream_local_address% %downstream_local_address% %downstream_remote_address% %upstream_host%"

// A Format is a compiled text: immutable, and safe on any goroutine.
type Format struct {
	json bool
	ops  []op
}

// An op is a piece of literal text, or a variable.
type op struct {
	literal string
	append  appendFunc // nil for a literal
	own     bool       // see variable
	proto   protocols.ProtocolID
	operand operand
}

// Compile reads MOSN's format: text in which %name% stands for a variable's value and \% (or %%) for a percent sign. ""
// is DefaultFormat, and "json" one JSON object a line. It never fails: what it does not know is written as "-", and
// every such place gives a warning that names the nearest variable.
func Compile(text string) (*Format, []error) {
	switch text {
	case "":
		text = DefaultFormat
	case "json":
		return &Format{json: true}, nil
	}
	return compile(text)
}

// CompileValue is Compile for a text that makes a header value: "" is the empty value, and "json" just that word.
func CompileValue(text string) (*Format, []error) { return compile(text) }

func compile(text string) (*Format, []error) {
	f := &Format{}
	var warnings []error
	var literal strings.Builder
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], `\%`), strings.HasPrefix(text[i:], "%%"):
			literal.WriteByte('%')
			i += 2
		case text[i] != '%':
			literal.WriteByte(text[i])
			i++
		default:
			n := strings.IndexByte(text[i+1:], '%')
			if n < 0 {
				warnings = append(warnings, fmt.Errorf(`format: the %% at byte %d has no partner; write \%% for a percent sign`, i))
				literal.WriteString(text[i:])
				i = len(text)
				continue
			}
			o, err := find(text[i+1 : i+1+n])
			if err != nil {
				warnings = append(warnings, err)
			}
			f.addLiteral(&literal)
			f.ops = append(f.ops, o)
			i += n + 2
		}
	}
	f.addLiteral(&literal)
	return f, warnings
}

func (f *Format) addLiteral(b *strings.Builder) {
	if b.Len() > 0 {
		f.ops = append(f.ops, op{literal: b.String()})
		b.Reset()
	}
}

// Constant reports whether the format names no variable, so that its value is always the same.
func (f *Format) Constant() bool {
	for i := range f.ops {
		if f.ops[i].append != nil {
			return false
		}
	}
	return !f.json
}

// Append appends one line with its newline. It does not allocate when dst has room.
func (f *Format) Append(dst []byte, r *Record) []byte {
	if f.json {
		return appendJSON(dst, r)
	}
	for i := range f.ops {
		o := &f.ops[i]
		if o.append == nil {
			dst = append(dst, o.literal...)
			continue
		}
		from := len(dst)
		dst = o.value(dst, r)
		switch {
		case len(dst) == from:
			dst = append(dst, '-')
		case !o.own:
			dst = escapeTail(cutTail(dst, from), from)
		}
	}
	return append(dst, '\n')
}

// AppendValue appends the value of a header: as Append, but without escapes and newline, and what has no value is
// empty. The result holds no CR, LF or NUL.
func (f *Format) AppendValue(dst []byte, r *Record) []byte {
	for i := range f.ops {
		o := &f.ops[i]
		from := len(dst)
		if o.append == nil {
			dst = append(dst, o.literal...)
		} else {
			dst = cutTail(o.value(dst, r), from)
		}
		dst = cleanTail(dst, from)
	}
	return dst
}

func (o *op) value(dst []byte, r *Record) []byte {
	if o.proto != protocols.ProtocolUnknown && (r.Request == nil || r.Request.Proto != o.proto) {
		return dst
	}
	return o.append(dst, r, &o.operand)
}

func appendNothing(dst []byte, _ *Record, _ *operand) []byte { return dst }

// find returns the op of a variable, whatever its case. With an error it is one that has no value.
func find(name string) (op, error) {
	nothing := op{append: appendNothing}
	lower := strings.ToLower(name)
	for _, v := range variables {
		if v.name == lower {
			return op{append: v.append, own: v.own, proto: v.proto}, nil
		}
	}
	for _, v := range prefixes {
		if rest, ok := strings.CutPrefix(lower, v.name); ok && rest != "" {
			rest = name[len(v.name):] // arguments and cookies have a case
			return op{append: v.append, proto: v.proto, operand: operand{rest, protocols.LookupNameString(rest)}}, nil
		}
	}
	for _, v := range valueless {
		if v == lower {
			return nothing, fmt.Errorf("format: %%%s%% has no value in this gateway and is written as -", name)
		}
	}
	return nothing, fmt.Errorf("format: there is no variable %%%s%%; did you mean %%%s%%? It is written as -", name, nearest(lower))
}

// nearest returns the variable that takes the fewest edits to reach.
func nearest(name string) string {
	best, fewest := "", -1
	try := func(candidate, shown string) {
		if n := edits(name, candidate); fewest < 0 || n < fewest {
			best, fewest = shown, n
		}
	}
	for _, v := range variables {
		try(v.name, v.name)
	}
	for _, v := range prefixes {
		try(v.name, v.name+"NAME")
		if rest := len(v.name); rest < len(name) {
			// "request_headers_x" is nearer to "request_header_NAME" than to any name of its length.
			if n := edits(name[:rest], v.name); n > 0 && n+1 < fewest {
				best, fewest = v.name+"NAME", n+1
			}
		}
	}
	return best
}

// edits is the Levenshtein distance of a and b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
