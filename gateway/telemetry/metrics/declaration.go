package metrics

import "slices"

// A Declaration is what a family is, whether or not it has a series yet.
type Declaration struct {
	Name   string
	Help   string
	Kind   Kind
	Labels []string // names
}

// Declared returns what there is to count: first what the loops count, then what is read when somebody looks, each in
// the order of declaration.
func (r *Registry) Declared() []Declaration {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Declaration, 0, len(r.families)+len(r.sources))
	for _, f := range r.families {
		all = append(all, Declaration{Name: f.name, Help: f.help, Kind: f.kind, Labels: slices.Clone(f.labels)})
	}
	for _, s := range r.sources {
		all = append(all, Declaration{Name: s.name, Help: s.help, Kind: s.kind, Labels: slices.Clone(s.labels)})
	}
	return all
}
