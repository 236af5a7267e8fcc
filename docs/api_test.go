package docs_test

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Everything that the four packages export is documented, and its functions and
// methods are shown in Examples.
func TestAPI(t *testing.T) {
	for _, name := range []string{"core", "group", "errgroup", "pool"} {
		t.Run(name, func(t *testing.T) {
			api := parseAPI(t, name)
			t.Run("all that is exported has a doc comment", func(t *testing.T) {
				for _, without := range api.undocumented() {
					t.Error(without)
				}
			})
			t.Run("each function and method is shown in an Example", func(t *testing.T) {
				for _, without := range api.unexemplified() {
					t.Error(without)
				}
			})
		})
	}
}

type api struct{ *doc.Package }

// parseAPI reads a package and its tests.
func parseAPI(t *testing.T, name string) api {
	dir := filepath.Join("..", name)
	found, err := build.ImportDir(dir, 0)
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(found.GoFiles, found.TestGoFiles, found.XTestGoFiles) {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, module+"/"+name)
	require.NoError(t, err)
	return api{pkg}
}

func (p api) funcs() map[string]*doc.Func {
	funcs := make(map[string]*doc.Func)
	for _, f := range p.Funcs {
		funcs[f.Name] = f
	}
	for _, typ := range p.Types {
		for _, f := range typ.Funcs {
			funcs[f.Name] = f
		}
		for _, f := range typ.Methods {
			funcs[typ.Name+"."+f.Name] = f
		}
	}
	return funcs
}

func (p api) undocumented() []string {
	var without []string
	check := func(doc, name string) {
		if ast.IsExported(name[strings.LastIndex(name, ".")+1:]) && strings.TrimSpace(doc) == "" {
			without = append(without, name)
		}
	}
	check(p.Doc, "Package")
	for name, f := range p.funcs() {
		check(f.Doc, name)
	}
	values := slices.Concat(p.Consts, p.Vars)
	for _, typ := range p.Types {
		check(typ.Doc, typ.Name)
		values = slices.Concat(values, typ.Consts, typ.Vars)
		for _, spec := range typ.Decl.Specs {
			for _, field := range members(spec.(*ast.TypeSpec).Type) {
				for _, name := range field.Names {
					check(field.Doc.Text()+field.Comment.Text(), typ.Name+"."+name.Name)
				}
			}
		}
	}
	for _, v := range values {
		for _, spec := range v.Decl.Specs {
			spec := spec.(*ast.ValueSpec)
			for _, name := range spec.Names {
				check(v.Doc+spec.Doc.Text()+spec.Comment.Text(), name.Name)
			}
		}
	}
	slices.Sort(without)
	return without
}

// members returns the fields of a struct or the methods of an interface.
func members(typ ast.Expr) []*ast.Field {
	switch typ := typ.(type) {
	case *ast.StructType:
		return typ.Fields.List
	case *ast.InterfaceType:
		return typ.Methods.List
	}
	return nil
}

// unexemplified returns the functions and methods that are not shown. A function is
// shown by its own Example, or by another that calls it; a method by its own, or by
// one of its type that calls it. What fmt calls to print an error needs no more
// than an Example of the error.
func (p api) unexemplified() []string {
	var all []*doc.Example
	ofType := make(map[string][]*doc.Example)
	all = append(all, p.Examples...)
	for _, f := range p.funcs() {
		all = append(all, f.Examples...)
	}
	for _, typ := range p.Types {
		ofType[typ.Name] = typ.Examples
		for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
			ofType[typ.Name] = append(ofType[typ.Name], f.Examples...)
		}
		all = append(all, typ.Examples...)
	}
	var without []string
	for name, f := range p.funcs() {
		typ, method, isMethod := strings.Cut(name, ".")
		shown := len(f.Examples) > 0
		switch {
		case !isMethod:
			shown = shown || calledIn(name, all)
		case method == "Error" || method == "Unwrap":
			shown = shown || len(ofType[typ]) > 0
		default:
			shown = shown || calledIn(method, ofType[typ])
		}
		if !shown {
			without = append(without, name)
		}
	}
	slices.Sort(without)
	return without
}

// calledIn reports whether one of the examples calls something of that name.
func calledIn(name string, examples []*doc.Example) bool {
	called := false
	for _, example := range examples {
		ast.Inspect(example.Code, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok && selector.Sel.Name == name {
				called = true
			}
			return !called
		})
	}
	return called
}
