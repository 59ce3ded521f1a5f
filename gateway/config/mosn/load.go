package mosn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/gateway/config"
)

// Options say how to read a configuration. The zero value is what a command uses.
type Options struct {
	// Strict makes unknown keys errors instead of warnings.
	Strict bool
	// Getenv reads the environment (GOMAXPROCS overrides `processor`, as in MOSN); nil means os.Getenv.
	Getenv func(name string) string
	// Lookup resolves the host names of listening addresses; nil means the system's resolver, for at most 5 s.
	Lookup func(host string) ([]netip.Addr, error)
	// ReadDir returns the documents of a directory (router_configs, clusters_configs) in the order of their names; nil
	// means the directory of that name, looked for in the working directory and then beside the configuration file.
	ReadDir func(path string) ([]Document, error)
}

// A Document is the content of one file.
type Document struct {
	Name string // the name decides the language: .yaml and .yml are YAML, everything else is JSON
	Data []byte
}

// Load reads the configuration file at path. The Config is nil exactly when err is not; problems holds everything that
// was found, errors included, by position, and err the errors alone.
func Load(path string, o Options) (c *config.Config, problems config.Problems, err error) {
	f, err := os.Open(path)
	if err != nil {
		return unreadable(path, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return unreadable(path, errors.New("it is a directory; name the file in it"))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return unreadable(path, err)
	}
	return Parse(path, data, o)
}

func unreadable(path string, err error) (*config.Config, config.Problems, error) {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	problems := config.Problems{{
		Severity: config.Error, File: path, Message: fmt.Sprintf("the configuration can't be read: %v", err),
	}}
	return nil, problems, problems.Err()
}

// Default reads the embedded default.
func Default() (*config.Config, config.Problems, error) {
	return Parse(config.DefaultSource, config.DefaultJSON(), Options{})
}

// Parse reads a configuration. name is what problems and Origins call it; its extension tells the language. The results
// are as Load's.
func Parse(name string, data []byte, o Options) (c *config.Config, problems config.Problems, err error) {
	r := &reader{
		o: o.withDefaults(name), cfg: &config.Config{Source: name},
		clusters: make(names), routers: make(names), places: make(map[string]*node),
	}
	if root := r.document(name, data); root != nil {
		r.configuration(root)
		for _, p := range config.Validate(r.cfg) {
			r.adopt(p)
		}
		r.cfg.Document = redacted(root)
	}
	r.finish()
	if r.failed {
		return nil, r.problems, r.problems.Err()
	}
	return r.cfg, r.problems, nil
}

// document makes the tree of one document; nil when it is none.
func (r *reader) document(name string, data []byte) *node {
	src := &source{file: name, text: string(data)}
	if len(data) > maxDocument {
		src.text = ""
		r.add(config.Problem{
			Severity: config.Error, File: name,
			Message: fmt.Sprintf("the file is larger than %d MiB; a configuration is not", maxDocument>>20),
		})
		return nil
	}
	parse := parseJSON
	if isYAML(name) {
		parse = parseYAML
	}
	root, err := parse(src)
	if err == nil {
		return root
	}
	var syntax *syntaxError
	if errors.As(err, &syntax) {
		r.add(syntax.problem(src))
	} else {
		r.add(config.Problem{Severity: config.Error, File: name, Message: err.Error()})
	}
	return nil
}

func isYAML(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

func (o Options) withDefaults(name string) Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Lookup == nil {
		o.Lookup = lookup
	}
	if o.ReadDir == nil {
		o.ReadDir = func(path string) ([]Document, error) { return readDir(path, filepath.Dir(name)) }
	}
	return o
}

func lookup(host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// readDir reads the JSON and YAML files of a directory. A relative one is looked for in the working directory, as MOSN
// does, and then beside the configuration.
func readDir(path, beside string) ([]Document, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(path) {
		path = filepath.Join(beside, path)
		entries, err = os.ReadDir(path)
	}
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, err
	}
	var docs []Document
	total := 0
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if e.IsDir() || !isYAML(name) && !strings.EqualFold(filepath.Ext(name), ".json") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if total += len(data); total > maxDocument {
			return nil, fmt.Errorf("its files are larger than %d MiB together", maxDocument>>20)
		}
		docs = append(docs, Document{Name: name, Data: data})
	}
	return slices.Clip(docs), nil
}

// directory reads the documents of the directory that v names and gives the tree of each to read.
func (r *reader) directory(v *node, read func(*node)) {
	path := r.str(v)
	if path == "" {
		return
	}
	docs, err := r.o.ReadDir(path)
	if err != nil {
		r.errorf(v, "the directory %s can't be read: %v", quote(path), err)
		return
	}
	if len(docs) == 0 {
		r.warnf(v, "the directory %s has no .json, .yaml or .yml file", quote(path))
	}
	for _, d := range docs {
		if root := r.document(d.Name, d.Data); root != nil {
			read(root)
		}
	}
}
