package gateway_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "sluice"

// maxLines is the length of the longest file.
const maxLines = 500

// layers says which packages of this module a package may import, beside its own folder's subpackages that it names. The
// first entry whose pattern matches counts; "x/..." matches x and everything below it. A package that no entry matches
// fails the test: say where it stands when it is made.
func layers() []layer {
	return []layer{
		{"cmd/sluice", []string{"gateway/..."}},
		{"bench/...", []string{"bench/...", "gateway/...", "protocols/...", "router", "upstream/...", "loop/..."}},
		{"gateway", []string{
			"gateway/admin", "gateway/telemetry/...", "gateway/config/...", "gateway/certificates", "gateway/identity", "gateway/filter/...",
			"protocols/...", "router", "upstream/...", "loop/...",
		}},
		{"gateway/e2e", nil}, // tests, which may import what they like
		{"gateway/config/mosn", []string{"gateway/config", "gateway/identity", "router", "upstream", "loop", "protocols"}},
		{"gateway/config", []string{"gateway/identity", "router", "upstream", "loop", "protocols"}},
		{"gateway/filter", []string{"router", "protocols"}},
		{"gateway/filter/...", []string{"gateway/filter", "router", "protocols", "protocols/syntax"}},
		{"gateway/certificates", nil},
		{"gateway/identity", nil},
		{"gateway/admin", []string{"gateway/config", "gateway/telemetry/..."}},
		{"gateway/telemetry/...", []string{"gateway/telemetry/...", "protocols", "loop"}},
		{"protocols/protocoltest", []string{"protocols"}},
		{"protocols", nil},
		{"protocols/http1", []string{"protocols", "protocols/syntax"}},
		{"protocols/http2", []string{"protocols", "protocols/http2/hpack", "protocols/syntax"}},
		{"protocols/...", []string{"protocols", "protocols/rpc"}},
		{"router", []string{"protocols"}},
		{"upstream/balance", nil},
		{"upstream", []string{"upstream/balance", "protocols", "loop"}},
		{"loop", nil},
		{"loop/...", []string{"loop"}},
	}
}

type layer struct {
	pattern string
	imports []string
}

// outside says who may import what from other modules; everybody may import the standard library. A module that is not
// listed here may be imported by every package that is not pure.
func outside() map[string][]string {
	return map[string][]string{
		"github.com/panjf2000/gnet":    {"loop"},
		"github.com/spf13/cobra":       {"cmd/sluice"},
		"github.com/spf13/pflag":       {"cmd/sluice"},
		"github.com/goccy/go-yaml":     {"gateway/config/mosn"},
		"github.com/miekg/dns":         {"upstream"},
		"gonum.org/v1/plot":            {"bench"},
		"golang.org/x/sys":             {"loop", "loop/...", "cmd/sluice", "bench/..."},
		"github.com/prometheus":        {"gateway/telemetry/...", "gateway/admin", "gateway"},
		"golang.org/x/net/http2/hpack": {"protocols/http2/..."},
	}
}

// pure are the packages that do no I/O, have no clock and start nothing.
func pure() []string {
	return []string{"protocols", "protocols/...", "router", "upstream/balance", "gateway/filter", "gateway/filter/..."}
}

// TestImportDirections fails when a package imports what stands above or beside it.
func TestImportDirections(t *testing.T) {
	for _, f := range sources(t) {
		allowed, found := allowedImports(f.pkg)
		if !found {
			t.Errorf("%s: package %s has no entry in layers(): say there what it may import", f.path, f.pkg)
			continue
		}
		for _, spec := range f.ast.Imports {
			imported, ours := ourPackage(importPath(t, spec))
			if ours && imported != f.pkg && !matchAny(imported, allowed) {
				t.Errorf("%s: %s must not import %s; it may import %v", f.position(spec), f.pkg, imported, allowed)
			}
		}
	}
}

// TestOutsideImports keeps each dependency where it belongs, and all of them out of the pure packages.
func TestOutsideImports(t *testing.T) {
	for _, f := range sources(t) {
		for _, spec := range f.ast.Imports {
			imported := importPath(t, spec)
			if _, ours := ourPackage(imported); ours || !strings.Contains(strings.Split(imported, "/")[0], ".") {
				continue
			}
			users, restricted := restrictedTo(imported)
			if restricted && !matchAny(f.pkg, users) {
				t.Errorf("%s: %s belongs to %v; %s must not import it", f.position(spec), imported, users, f.pkg)
			}
			if !restricted && matchAny(f.pkg, pure()) {
				t.Errorf("%s: %s is pure: it must not import %s", f.position(spec), f.pkg, imported)
			}
		}
	}
}

// TestPurePackages fails when a pure package reads the clock, sleeps, starts a goroutine or does I/O.
func TestPurePackages(t *testing.T) {
	banned := []string{"net", "net/http", "os", "syscall", "log", "log/slog", "crypto/tls", "os/exec", "os/signal"}
	clock := []string{"Now", "Sleep", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	for _, f := range sources(t) {
		if !matchAny(f.pkg, pure()) || f.pkg == "protocols/protocoltest" {
			continue
		}
		for _, spec := range f.ast.Imports {
			if name := importPath(t, spec); slices.Contains(banned, name) {
				t.Errorf("%s: %s is pure: it must not import %s", f.position(spec), f.pkg, name)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: %s is pure: it must not start a goroutine", f.position(n), f.pkg)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s: %s is pure: time.%s; take `now` as an argument", f.position(n), f.pkg, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestOneFileNamesCodecs fails when a second file of gateway knows which protocols there are.
func TestOneFileNamesCodecs(t *testing.T) {
	var files []string
	for _, f := range sources(t) {
		for _, spec := range f.ast.Imports {
			imported, _ := ourPackage(importPath(t, spec))
			if f.pkg == "gateway" && strings.HasPrefix(imported, "protocols/") && !slices.Contains(files, f.path) {
				files = append(files, f.path)
			}
		}
	}
	if len(files) > 1 {
		t.Errorf("%v import codecs; one file of gateway lists them, the rest sees protocols.Codec", files)
	}
}

// TestNoInit fails when something runs by being imported.
func TestNoInit(t *testing.T) {
	for _, f := range sources(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: no init(): call it from where it is needed", f.position(fn))
			}
		}
		for _, spec := range f.ast.Imports {
			if name := importPath(t, spec); spec.Name != nil && spec.Name.Name == "_" && name != "embed" {
				t.Errorf("%s: %s is imported for its side effects", f.position(spec), name)
			}
		}
	}
}

// TestFileLength fails when a file is longer than a person reads at once.
func TestFileLength(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	names, err := goFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: it holds two things, or more", name, n, maxLines)
		}
	}
}

// TestPackageComments fails when a package does not say what it is, or says it elsewhere than in doc.go.
func TestPackageComments(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		documented[f.pkg] = documented[f.pkg] || f.ast.Doc != nil && path.Base(f.path) == "doc.go"
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment in %s/doc.go", pkg, pkg)
		}
	}
}

// A source is one file that is not a test.
type source struct {
	path string // from the module's root
	pkg  string // import path without the module's name
	ast  *ast.File
	fset *token.FileSet
}

func (s source) position(n ast.Node) string {
	at := s.fset.Position(n.Pos())
	return s.path + ":" + strconv.Itoa(at.Line)
}

// sources returns every file of the module but the tests: those may import what they like.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// parsed is what sources returns: all rules are about the same files.
var parsed = sync.OnceValues(func() (all []source, err error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	names, err := goFiles(root)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		all = append(all, source{name, path.Dir(name), file, fset})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no Go files below %s", root)
	}
	return all, nil
})

// goFiles lists the module's Go files, with "/" and from its root.
func goFiles(root string) (names []string, err error) {
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := entry.Name(); entry.IsDir() && (base == "testdata" || base == "bin" || strings.HasPrefix(base, ".")) && name != root {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") && !entry.IsDir() {
			relative, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			names = append(names, filepath.ToSlash(relative))
		}
		return nil
	})
	return names, err
}

// moduleRoot is the folder of go.mod, the parent of this package's.
func moduleRoot() (root string, err error) {
	if root, err = filepath.Abs(".."); err != nil {
		return "", err
	}
	_, err = os.Stat(filepath.Join(root, "go.mod"))
	return root, err
}

func importPath(t *testing.T, spec *ast.ImportSpec) string {
	t.Helper()
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// ourPackage cuts the module's name off.
func ourPackage(imported string) (string, bool) { return strings.CutPrefix(imported, module+"/") }

func allowedImports(pkg string) ([]string, bool) {
	for _, l := range layers() {
		if match(pkg, l.pattern) {
			return l.imports, true
		}
	}
	return nil, false
}

func restrictedTo(imported string) ([]string, bool) {
	for prefix, users := range outside() {
		if imported == prefix || strings.HasPrefix(imported, prefix+"/") {
			return users, true
		}
	}
	return nil, false
}

func matchAny(pkg string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(pkg, p) })
}

// match reports whether pkg is what pattern says: itself, or below "x/...".
func match(pkg, pattern string) bool {
	base, tree := strings.CutSuffix(pattern, "/...")
	return pkg == base || tree && strings.HasPrefix(pkg, base+"/")
}

// TestMatch pins the patterns that the rules above are written in.
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pkg, pattern string
		want         bool
	}{
		{"loop", "loop", true},
		{"loop/secure", "loop", false},
		{"loop/secure", "loop/...", true},
		{"loop", "loop/...", true},
		{"loopback", "loop/...", false},
	} {
		if got := match(c.pkg, c.pattern); got != c.want {
			t.Errorf("match(%q, %q) = %v, want %v", c.pkg, c.pattern, got, c.want)
		}
	}
}
