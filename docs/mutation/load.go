package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// This file holds how packages are loaded: with their types, as the build that is
// tested sees them.

// A listed is what go list says about a package.
type listed struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
	TestGoFiles             []string
	XTestGoFiles            []string
	TestImports             []string
	XTestImports            []string
	Deps                    []string
	Standard, DepOnly       bool
}

func (l *listed) hasTests() bool { return len(l.TestGoFiles)+len(l.XTestGoFiles) > 0 }

// A program is what is loaded.
type program struct {
	dir      string // of the module
	fset     *token.FileSet
	targets  []*target // that are mutated
	all      map[string]*listed
	empty    map[string]bool   // functions without statements, by their full names
	exported map[string]string // the export data of packages
	imports  types.Importer
}

// A target is a package that is mutated.
type target struct {
	*listed
	files []*file
	info  *types.Info
	pkg   *types.Package

	folding map[ast.Expr]bool // see known

	testsOnly bool // its tests run, but it is not mutated
}

// A file is a source file of a target.
type file struct {
	path string // absolute
	rel  string // within the module
	text []byte
	tree *ast.File
}

// load loads the packages, with the given flags of go build. The tests of those in with run, but they
// are not mutated.
func load(dir string, buildFlags, patterns, with []string) (*program, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	p := &program{dir: dir, fset: token.NewFileSet(), all: map[string]*listed{}, empty: map[string]bool{}, exported: map[string]string{}}
	args := slices.Concat([]string{"list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles,TestGoFiles,XTestGoFiles,TestImports,XTestImports,Deps,Standard,DepOnly"}, buildFlags, patterns, with)
	out, err := goOutput(dir, args...)
	if err != nil {
		return nil, err
	}
	var wanted []*listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		l := new(listed)
		if err := decoder.Decode(l); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		p.all[l.ImportPath] = l
		p.exported[l.ImportPath] = l.Export
		if !l.DepOnly {
			wanted = append(wanted, l)
		}
	}
	p.imports = importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(p.exported[path]) })
	for _, l := range p.all {
		within, err := filepath.Rel(dir, l.Dir)
		if err != nil || l.Standard || strings.HasPrefix(within, "..") {
			continue
		}
		t, err := p.check(l)
		if err != nil {
			return nil, err
		}
		t.addEmpty(p.empty)
		if slices.Contains(wanted, l) {
			p.targets = append(p.targets, t)
		}
	}
	if len(with) > 0 {
		names, err := goOutput(dir, append([]string{"list"}, with...)...)
		if err != nil {
			return nil, err
		}
		for _, t := range p.targets {
			t.testsOnly = slices.Contains(strings.Fields(string(names)), t.ImportPath)
		}
	}
	slices.SortFunc(p.targets, func(a, b *target) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	return p, nil
}

func goOutput(dir string, args ...string) ([]byte, error) {
	command := exec.Command("go", args...)
	command.Dir = dir
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return out, nil
}

// check parses a package and finds its types.
func (p *program) check(l *listed) (*target, error) {
	t := &target{listed: l, folding: map[ast.Expr]bool{}, info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{},
		Uses:  map[*ast.Ident]types.Object{},
		Defs:  map[*ast.Ident]types.Object{},
	}}
	var trees []*ast.File
	for _, name := range l.GoFiles {
		path := filepath.Join(l.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		tree, err := parser.ParseFile(p.fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(p.dir, path)
		if err != nil {
			return nil, err
		}
		t.files = append(t.files, &file{path, filepath.ToSlash(rel), text, tree})
		trees = append(trees, tree)
	}
	var err error
	t.pkg, err = (&types.Config{Importer: p.imports}).Check(l.ImportPath, p.fset, trees, t.info)
	return t, err
}

// addEmpty notes the functions without statements: to leave out a call of one changes nothing.
func (t *target) addEmpty(empty map[string]bool) {
	for _, f := range t.files {
		for _, d := range f.tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && len(f.Body.List) == 0 {
				if object, ok := t.info.Defs[f.Name].(*types.Func); ok {
					empty[object.FullName()] = true
				}
			}
		}
	}
}

// testers returns the packages whose tests can see a mutant of t: those whose tests are in t or depend
// on it.
func (p *program) testers(t *target) (all []*listed) {
	for _, other := range p.targets {
		if other.hasTests() && p.testsNeed(other.listed, t.ImportPath) {
			all = append(all, other.listed)
		}
	}
	return all
}

func (p *program) testsNeed(l *listed, path string) bool {
	needs := func(l *listed) bool { return l != nil && (l.ImportPath == path || slices.Contains(l.Deps, path)) }
	return needs(l) || slices.ContainsFunc(slices.Concat(l.TestImports, l.XTestImports), func(imported string) bool {
		return needs(p.all[imported])
	})
}

// builds reports whether the package of a mutant builds.
func (p *program) builds(m *mutant) bool {
	var trees []*ast.File
	for _, f := range m.target.files {
		tree := f.tree
		if f == m.file {
			var err error
			if tree, err = parser.ParseFile(p.fset, f.path, m.mutated(), parser.SkipObjectResolution); err != nil {
				return false
			}
		}
		trees = append(trees, tree)
	}
	_, err := (&types.Config{Importer: p.imports}).Check(m.target.ImportPath, p.fset, trees, nil)
	return err == nil
}
