package router

import (
	"bytes"

	"sluice/protocols"
)

// NormalPath returns the path that routes are matched on: target without its query, percent-escapes decoded once, runs
// of slashes merged and dot segments resolved. nginx and MOSN match on the same form. What is forwarded is the original.
//
// A target whose path is in that form already is returned as a slice of itself; otherwise the result is built in dst's
// storage, whose contents it replaces. An empty target (CONNECT) and "*" (OPTIONS *) are matched as "/".
//
// A path that two servers may read differently, so that a rule could be passed by, is refused: dot segments above the
// root, .. together with an encoded slash, a backslash or an empty segment, "..;", an encoded NUL, a fragment.
func NormalPath(dst, target []byte) ([]byte, *protocols.Error) {
	path, _, err := normalPath(dst, target)
	return path, err
}

// pathForm says how far the path of a target was from its normal form.
type pathForm uint8

const (
	formPlain    pathForm = iota // the target's bytes were normal
	formDecoded                  // escapes were decoded or slashes merged
	formResolved                 // dot segments were resolved, too
)

// suspicious marks the bytes that ask for a closer look.
var suspicious = buildSuspicious()

func buildSuspicious() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	for _, c := range []byte("%\\#/\x7f") {
		t[c] = true
	}
	return t
}

// rootPath is read only.
var rootPath = []byte("/")

func normalPath(dst, target []byte) ([]byte, pathForm, *protocols.Error) {
	path := target[:pathEnd(target)]
	if len(path) == 0 || len(path) == 1 && path[0] == '*' {
		return rootPath, formPlain, nil
	}
	if path[0] != '/' {
		return nil, 0, errPathStart
	}
	for i, c := range path {
		if !suspicious[c] {
			continue
		}
		if c == '/' && (i+1 == len(path) || path[i+1] != '/' && path[i+1] != '.') {
			continue
		}
		return buildNormalPath(dst[:0], path)
	}
	return path, formPlain, nil
}

// pathEnd returns where the query of target starts, or its length.
func pathEnd(target []byte) int {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		return i
	}
	return len(target)
}

// pathBuilder builds a normal path segment by segment.
type pathBuilder struct {
	out       []byte
	segment   int // where the segment in progress starts in out
	piece     int // like segment, but a backslash starts one too: some servers take it for a slash
	form      pathForm
	climbed   bool // a .. was resolved
	ambiguous bool // an encoded slash, a backslash or an empty segment was seen
}

func buildNormalPath(dst, path []byte) ([]byte, pathForm, *protocols.Error) {
	b := pathBuilder{out: append(dst, '/'), segment: 1, piece: 1}
	for i := 1; i < len(path); i++ {
		c, escaped := path[i], false
		if c == '%' && i+2 < len(path) && unhex(path[i+1]) >= 0 && unhex(path[i+2]) >= 0 {
			c, escaped = byte(unhex(path[i+1])<<4|unhex(path[i+2])), true
			i += 2
			b.decoded()
		}
		switch {
		case c == '/':
			b.ambiguous = b.ambiguous || escaped
			if err := b.slash(); err != nil {
				return nil, 0, err
			}
		case c == '\\':
			if isDotDot(b.out[b.piece:]) {
				return nil, 0, errPathDots
			}
			b.out = append(b.out, c)
			b.piece, b.ambiguous = len(b.out), true
		case c == '#' && !escaped:
			return nil, 0, errPathFragment
		case c == 0 || (c < 0x20 || c == 0x7f) && !escaped:
			return nil, 0, errPathNUL
		default:
			b.out = append(b.out, c)
		}
	}
	if err := b.endSegment(); err != nil {
		return nil, 0, err
	}
	if b.climbed && b.ambiguous {
		return nil, 0, errPathDots
	}
	return b.out, b.form, nil
}

func (b *pathBuilder) decoded() {
	if b.form == formPlain {
		b.form = formDecoded
	}
}

// slash ends a segment and starts the next.
func (b *pathBuilder) slash() *protocols.Error {
	if len(b.out) == b.segment {
		// An empty segment: merged. RFC 3986 would let a following .. remove it, most servers do not.
		b.ambiguous = true
		b.decoded()
		return nil
	}
	if err := b.endSegment(); err != nil {
		return err
	}
	if len(b.out) > b.segment {
		b.out = append(b.out, '/')
	}
	b.segment, b.piece = len(b.out), len(b.out)
	return nil
}

// endSegment resolves the segment in progress when it is a dot segment (RFC 3986 section 5.2.4); the slash in front of
// it stays.
func (b *pathBuilder) endSegment() *protocols.Error {
	switch s := b.out[b.piece:]; {
	case b.piece != b.segment:
		if isDotDot(s) {
			return errPathDots
		}
	case len(s) == 1 && s[0] == '.':
		b.form = formResolved
		b.out = b.out[:b.segment]
	case len(s) == 2 && isDotDot(s):
		b.form, b.climbed = formResolved, true
		if b.segment == 1 {
			return errPathClimbs
		}
		b.segment = bytes.LastIndexByte(b.out[:b.segment-1], '/') + 1
		b.out, b.piece = b.out[:b.segment], b.segment
	case isDotDot(s):
		return errPathDots
	}
	return nil
}

// isDotDot reports whether a server may take s for "..": "..;x" is ".." to those that cut path parameters off first.
func isDotDot(s []byte) bool {
	return len(s) >= 2 && s[0] == '.' && s[1] == '.' && (len(s) == 2 || s[2] == ';')
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// pathSafe marks the bytes that a path may hold as they are: RFC 3986 pchar without "%", and "/".
var pathSafe = buildPathSafe()

func buildPathSafe() (t [256]bool) {
	for c := range 256 {
		t[c] = 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
	}
	for _, c := range []byte("-._~!$&'()*+,;=:@/") {
		t[c] = true
	}
	return t
}

// appendEscaped appends a decoded path so that it can be sent.
func appendEscaped[S []byte | string](dst []byte, path S) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(path) {
		if c := path[i]; pathSafe[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
