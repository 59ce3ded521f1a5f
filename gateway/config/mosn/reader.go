package mosn

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/gateway/config"
	"sluice/upstream"
)

// maxProblems bounds what one document can make us say.
const maxProblems = 500

// Limits of what a document may have of one thing. Nobody needs as many; they keep mistakes cheap.
const (
	maxKeys      = 256 // of one object
	maxListeners = 4096
)

// A reader walks one configuration, makes the model and collects what is wrong.
type reader struct {
	o        Options
	cfg      *config.Config
	problems config.Problems
	dropped  int // problems past maxProblems
	failed   bool

	clusters names // that exist
	routers  names
	// managerTLS is the tls_context of the cluster manager.
	managerTLS *upstream.TLSConfig
	refs       []reference
	places     map[string]*node // by Origin
	ports      []boundPort
}

func (r *reader) add(p config.Problem) {
	r.failed = r.failed || p.Severity == config.Error
	if len(r.problems) >= maxProblems {
		r.dropped++
		return
	}
	r.problems = append(r.problems, p)
}

// room reports whether a further problem would be shown: if not, finding a hint for it is wasted.
func (r *reader) room() bool { return len(r.problems) < maxProblems }

func (r *reader) report(s config.Severity, n *node, line, col int, format string, args []any) {
	if !r.room() {
		r.add(config.Problem{Severity: s})
		return
	}
	r.add(config.Problem{
		Severity: s, File: n.src.file, Line: line, Column: col, Path: n.path(),
		Message: fmt.Sprintf(format, args...), Source: n.src.line(line),
	})
}

func (r *reader) errorf(n *node, format string, args ...any) {
	r.report(config.Error, n, n.line, n.col, format, args)
}

func (r *reader) warnf(n *node, format string, args ...any) {
	r.report(config.Warning, n, n.line, n.col, format, args)
}

func (r *reader) notef(n *node, format string, args ...any) {
	r.report(config.Note, n, n.line, n.col, format, args)
}

// place returns the Origin of n and remembers whose it is.
func (r *reader) place(n *node) string {
	origin := n.origin()
	r.places[origin] = n
	return origin
}

// adopt adds a problem that was found in the model, at the key that it speaks of. What was already said about that key,
// about something in it, or about what stands at the Origin as a whole, is not said again.
func (r *reader) adopt(p config.Problem) {
	n := r.places[p.Origin()]
	if n == nil {
		r.add(p)
		return
	}
	whole := n.path()
	for key := range strings.SplitSeq(p.Path, ".") {
		v := n.member(key)
		if v == nil {
			break
		}
		n = v
	}
	path := n.path()
	for _, known := range r.problems {
		if known.Severity == config.Error && known.File == n.src.file &&
			(within(known.Path, path) || within(path, known.Path) && within(known.Path, whole)) {
			return
		}
	}
	message := p.Message
	if !strings.HasSuffix(path, p.Path) {
		message = p.Path + ": " + message
	}
	r.report(p.Severity, n, n.line, n.col, "%s", []any{message})
}

// within reports whether path is outer or something in it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || outer == "" || rest[0] == '.' || rest[0] == '[')
}

// expected reports that n is something else than it should be; hint may be empty.
func (r *reader) expected(n *node, what, hint string) {
	if hint != "" {
		hint = "; " + hint
	}
	r.errorf(n, "expected %s, found %s%s", what, n.found(), hint)
}

// An object is a view of a node with the keys that its schema names. The view of an absent object is empty.
type object struct {
	r *reader
	n *node // nil: absent
	s *schema
}

// object checks that n is an object with valid keys, reports what is not, and returns a view of it.
func (r *reader) object(n *node, s *schema) object {
	o := object{r: r, s: s}
	if n == nil || n.kind == kindNull {
		return o
	}
	if n.kind != kindObject {
		r.expected(n, "an object ("+s.what+")", "")
		return o
	}
	if len(n.members) > maxKeys {
		r.errorf(n, "%s has %d keys at most, this one has %d", s.what, maxKeys, len(n.members))
		return o
	}
	o.n = n
	for i := range n.members {
		r.member(n, i, s)
	}
	return o
}

// member checks the i-th key of n: that it is there once, that it exists, and what this version does about it.
func (r *reader) member(n *node, i int, s *schema) {
	m := &n.members[i]
	for j := range n.members[:i] {
		first := &n.members[j]
		if !strings.EqualFold(first.key, m.key) {
			continue
		}
		spelling := ""
		if first.key != m.key {
			spelling = fmt.Sprintf(" as %q, and the case of keys does not matter", first.key)
		}
		r.report(config.Error, n, m.line, m.col, "the key %s is there twice: it is already at %d:%d%s; remove one",
			[]any{quote(m.key), first.line, first.col, spelling})
		return
	}
	k := s.key(m.key)
	if k == nil {
		severity, hint := config.Warning, ""
		if r.o.Strict || s.strict {
			severity = config.Error
		}
		if r.room() {
			hint = didYouMean(m.key, s.names())
		}
		r.report(severity, n, m.line, m.col, "unknown key %s%s", []any{quote(m.key), hint})
		return
	}
	if k.use == used || !k.asks(m.value) {
		return
	}
	r.unavailable(n, m.line, m.col, k.use, k.name, k.why)
}

// unavailable reports, at a place in n, something that is known and not served.
func (r *reader) unavailable(n *node, line, col int, u use, name, why string) {
	switch u {
	case noEffect:
		r.report(config.Note, n, line, col, "%q is accepted and has no effect: %s", []any{name, why})
	case plainer:
		r.report(config.Warning, n, line, col, "%q is not available in this version: %s", []any{name, why})
	case refused:
		r.report(config.Error, n, line, col, "%q is not available in this version, and serving without it would be wrong: %s",
			[]any{name, why})
	case used:
	}
}

// node returns the value of key, nil when it is absent or null.
func (o object) node(key string) *node {
	if k := o.s.key(key); k == nil || k.use != used {
		panic("mosn: " + o.s.what + " is read for " + key + ", which its schema does not have")
	}
	if v := o.n.member(key); v != nil && v.kind != kindNull {
		return v
	}
	return nil
}

// at returns the value of key, or the object itself when it is absent: a place for a message.
func (o object) at(key string) *node {
	if v := o.node(key); v != nil {
		return v
	}
	return o.n
}

func (o object) child(key string, s *schema) object { return o.r.object(o.node(key), s) }

// str returns a string; "" when it is absent or something else.
func (o object) str(key string) string {
	v := o.node(key)
	if v == nil {
		return ""
	}
	return o.r.str(v)
}

func (r *reader) str(v *node) string {
	if v.kind == kindString {
		return v.text
	}
	hint := ""
	if v.kind == kindNumber || v.kind == kindBool {
		hint = "put it in double quotes"
	}
	r.expected(v, "a string", hint)
	return ""
}

// name returns a string that must be there; it reports when it is not.
func (o object) name(key, what string) string {
	s := o.str(key)
	if s != "" || o.n == nil {
		return s
	}
	if v := o.node(key); v != nil {
		if v.kind == kindString {
			o.r.errorf(v, "expected %s, found an empty string", what)
		}
		return ""
	}
	o.r.errorf(o.n, "%q is missing: expected %s", key, what)
	return ""
}

// boolean returns true or false; otherwise when it is absent or something else.
func (o object) boolean(key string, otherwise bool) bool {
	v := o.node(key)
	if v == nil {
		return otherwise
	}
	if v.kind == kindBool {
		return v.text == "true"
	}
	hint := ""
	if v.kind == kindString && (v.text == "true" || v.text == "false") {
		hint = "remove the quotes"
	}
	o.r.expected(v, "true or false", hint)
	return otherwise
}

// integer returns a number within both ends; 0 when it is absent or something else.
func (o object) integer(key string, from, to int64) int64 {
	v := o.node(key)
	if v == nil {
		return 0
	}
	n, _ := o.r.integer(v, from, to)
	return n
}

func (r *reader) integer(v *node, from, to int64) (int64, bool) {
	what := fmt.Sprintf("a whole number from %d to %d", from, to)
	if v.kind != kindNumber {
		hint := ""
		if _, err := strconv.ParseInt(v.text, 10, 64); err == nil && v.kind == kindString {
			hint = "remove the quotes"
		}
		r.expected(v, what, hint)
		return 0, false
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil || n < from || n > to {
		r.expected(v, what, "")
		return 0, false
	}
	return n, true
}

// array returns the items of an array that are not null; none when it is absent or something else.
func (o object) array(key string) []*node {
	v := o.node(key)
	if v == nil {
		return nil
	}
	return o.r.array(v)
}

func (r *reader) array(v *node) []*node {
	if v.kind != kindArray {
		r.expected(v, "an array", "put it in [ ]")
		return nil
	}
	items := make([]*node, 0, len(v.items))
	for _, item := range v.items {
		if item.kind == kindNull {
			r.expected(item, "a value", "remove it")
			continue
		}
		items = append(items, item)
	}
	return items
}

// strings returns the items of an array of strings.
func (o object) strings(key string) []string {
	items := o.array(key)
	out := make([]string, 0, len(items))
	for _, item := range items {
		if s := o.r.str(item); s != "" {
			out = append(out, s)
		} else if item.kind == kindString {
			o.r.errorf(item, "expected a string that is not empty")
		}
	}
	return slices.Clip(out)
}

// duration returns a length of time; set is false when it is absent or not one. Negative ones are reported unless signed.
func (o object) duration(key string, signed bool) (d time.Duration, set bool) {
	v := o.node(key)
	if v == nil {
		return 0, false
	}
	d, ok := o.r.duration(v)
	if ok && d < 0 && !signed {
		o.r.errorf(v, "expected a duration that is not negative, found %s", v.found())
		return 0, false
	}
	return d, ok
}

// offDuration returns a duration of which an explicit 0 means none, which the model writes as a negative one; 0 when it is
// absent.
func (o object) offDuration(key string) time.Duration {
	if v := o.node(key); v != nil && v.kind == kindString && (v.text == "off" || v.text == "none") {
		return -1
	}
	d, set := o.duration(key, false)
	if set && d == 0 {
		return -1
	}
	return d
}

// duration reads what Go's time.ParseDuration reads, as a string, and 0 also as a number.
func (r *reader) duration(v *node) (time.Duration, bool) {
	const what = `a duration such as "30s" or "300ms"`
	switch v.kind {
	case kindNumber:
		if v.text == "0" {
			return 0, true
		}
		r.expected(v, what, fmt.Sprintf("did you mean %q?", v.text+"s"))
		return 0, false
	case kindString:
		d, err := time.ParseDuration(v.text)
		if err == nil {
			return d, true
		}
		hint := "the units are h, m, s, ms, us and ns"
		if _, err := strconv.ParseFloat(v.text, 64); err == nil {
			hint = fmt.Sprintf("did you mean %q?", v.text+"s")
		}
		r.expected(v, what, hint)
		return 0, false
	case kindNull, kindBool, kindArray, kindObject:
	}
	r.expected(v, what, "")
	return 0, false
}

// choice returns the canonical spelling of one of a few words; "" when it is absent or none of them.
func (o object) choice(key, what string, words ...string) string {
	v := o.node(key)
	if v == nil {
		return ""
	}
	s := o.r.str(v)
	if s == "" {
		return ""
	}
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return w
		}
	}
	o.r.errorf(v, "unknown %s %s%s", what, quote(s), didYouMean(s, words))
	return ""
}

// finish adds what can only be said at the end and sorts.
func (r *reader) finish() {
	r.problems.Sort()
	if r.dropped > 0 {
		severity := config.Warning
		if r.failed {
			severity = config.Error
		}
		r.problems = append(r.problems, config.Problem{
			Severity: severity, File: r.cfg.Source, Message: fmt.Sprintf("and %d more problems", r.dropped),
		})
	}
}
