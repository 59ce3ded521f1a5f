package router

import (
	"slices"

	"sluice/protocols"
)

// ruleIndex finds the first rule of a list that matches without trying them one by one: every structure gives its rules
// in list order, and a search never looks past the best rule found so far.
type ruleIndex struct {
	rules []*Route
	paths map[string][]int32 // exact paths in lower case
	tree  *prefixNode
	keyed []headerIndex // header-only rules that ask for a fixed value of a header
	rest  []int32       // regular expressions, and header-only rules that no key helps with
}

// headerIndex holds the rules that ask for a fixed value of one header.
type headerIndex struct {
	field  headerName
	values map[string][]int32
}

func newRuleIndex(rules []*Route) ruleIndex {
	x := ruleIndex{rules: rules}
	for i, r := range rules {
		switch r.kind {
		case kindPrefix:
			if x.tree == nil {
				x.tree = &prefixNode{}
			}
			x.tree.insert(r.pattern, int32(i))
		case kindPath:
			if x.paths == nil {
				x.paths = make(map[string][]int32)
			}
			x.paths[r.pattern] = append(x.paths[r.pattern], int32(i))
		case kindRegex:
			x.rest = append(x.rest, int32(i))
		case kindHeaders:
			x.addHeaders(r, int32(i))
		}
	}
	if x.tree != nil {
		x.tree.finish()
	}
	return x
}

// addHeaders files a header-only rule under its first header with a fixed value.
func (x *ruleIndex) addHeaders(r *Route, i int32) {
	k := slices.IndexFunc(r.headers, func(t headerTest) bool { return t.kind == testValue })
	if k < 0 {
		x.rest = append(x.rest, i)
		return
	}
	t := &r.headers[k]
	n := slices.IndexFunc(x.keyed, func(h headerIndex) bool { return h.field == t.field })
	if n < 0 {
		n = len(x.keyed)
		x.keyed = append(x.keyed, headerIndex{field: t.field, values: make(map[string][]int32)})
	}
	x.keyed[n].values[t.value] = append(x.keyed[n].values[t.value], i)
}

// match returns the first rule that takes the request, whose normal path is in.path, or nil.
func (x *ruleIndex) match(in *Input) *Route {
	best := int32(len(x.rules))
	if x.paths != nil {
		in.lower = appendLower(in.lower[:0], in.path)
		best = x.first(in, x.paths[string(in.lower)], best)
	}
	best = x.matchPrefix(in, best)
	for i := range x.keyed {
		if v := x.keyed[i].field.value(in.Header); v != nil {
			best = x.first(in, x.keyed[i].values[string(v)], best)
		}
	}
	best = x.first(in, x.rest, best)
	if int(best) == len(x.rules) {
		return nil
	}
	return x.rules[best]
}

// first returns the first rule of list, which is in ascending order, that is before best and takes the request; best
// when there is none.
func (x *ruleIndex) first(in *Input, list []int32, best int32) int32 {
	for _, i := range list {
		if i >= best {
			return best
		}
		if x.rules[i].accepts(in) {
			return i
		}
	}
	return best
}

// matchPrefix tries the prefix rules, shorter prefixes first; each node knows its subtree's first rule.
func (x *ruleIndex) matchPrefix(in *Input, best int32) int32 {
	path := in.path
	for n := x.tree; n != nil && n.least < best; n = n.child(path[0]) {
		if len(path) < len(n.label) || string(path[:len(n.label)]) != n.label {
			return best
		}
		path = path[len(n.label):]
		best = x.first(in, n.rules, best)
		if len(path) == 0 {
			return best
		}
	}
	return best
}

// accepts checks what the index did not.
func (r *Route) accepts(in *Input) bool {
	if r.regex != nil && !r.regex.Match(in.path) {
		return false
	}
	return matchHeaders(r.headers, in.Header)
}

func matchHeaders(tests []headerTest, h *protocols.Header) bool {
	for i := range tests {
		if !tests[i].match(h) {
			return false
		}
	}
	return true
}
