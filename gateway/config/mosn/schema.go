package mosn

import "strings"

// use says what this version does about a key that MOSN knows.
type use uint8

const (
	used use = iota // it is read and has its effect
	// noEffect: MOSN does not use it either, or it speaks of a mechanism that this gateway does not have and does not
	// need. A note.
	noEffect
	// plainer: without it the service is plainer (slower, less observed, less protected against a failing endpoint) and
	// still does what was asked. A warning.
	plainer
	// refused: without it requests would go somewhere else, or be answered where they should be refused. An error.
	refused
)

// A key is one key of an object.
type key struct {
	name string
	use  use
	why  string
	on   func(*node) bool // whether a value asks for the feature; nil: unless it is inert
}

func (k *key) asks(v *node) bool {
	if v.inert() {
		return false
	}
	return k.on == nil || k.on(v)
}

// A schema lists the keys of one kind of object.
type schema struct {
	what string
	keys []key
	// strict: an unknown key is always an error, for without it more would be matched than was meant.
	strict bool
}

func newSchema(what string, groups ...[]key) *schema {
	s := &schema{what: what}
	for _, g := range groups {
		s.keys = append(s.keys, g...)
	}
	return s
}

func strict(s *schema) *schema {
	s.strict = true
	return s
}

func (s *schema) key(name string) *key {
	for i := range s.keys {
		if strings.EqualFold(s.keys[i].name, name) {
			return &s.keys[i]
		}
	}
	return nil
}

// names are the keys to suggest.
func (s *schema) names() []string {
	out := make([]string, len(s.keys))
	for i := range s.keys {
		out[i] = s.keys[i].name
	}
	return out
}

func reads(names ...string) []key { return group(used, "", nil, names) }

func ignores(why string, names ...string) []key { return group(noEffect, why, nil, names) }

func lacks(why string, names ...string) []key { return group(plainer, why, nil, names) }

func refuses(why string, names ...string) []key { return group(refused, why, nil, names) }

// refusesIf refuses a key whose value asks for something in a way of its own.
func refusesIf(on func(*node) bool, why string, names ...string) []key {
	return group(refused, why, on, names)
}

// lacksIf is lacks for a key whose value asks for something in a way of its own.
func lacksIf(on func(*node) bool, why string, names ...string) []key {
	return group(plainer, why, on, names)
}

func group(u use, why string, on func(*node) bool, names []string) []key {
	keys := make([]key, len(names))
	for i, name := range names {
		keys[i] = key{name: name, use: u, why: why, on: on}
	}
	return keys
}

// statusOn: TLS contexts and the like are on when "status" is true, or when it is one of a list.
func statusOn(v *node) bool {
	if v.kind == kindArray {
		for _, item := range v.items {
			if statusOn(item) {
				return true
			}
		}
		return false
	}
	if v.kind != kindObject {
		return true // a mistake that must not pass for "off"
	}
	status := v.member("status")
	return status != nil && !status.inert()
}

// enableOn: tracing and plug-ins are on when "enable" is true.
func enableOn(v *node) bool {
	if v.kind != kindObject {
		return true
	}
	enable := v.member("enable")
	return enable != nil && !enable.inert()
}
