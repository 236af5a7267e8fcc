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

// Everything that the packages export is documented, and its functions and
// methods have an Example each.
func TestAPI(t *testing.T) {
	for _, name := range []string{"core", "group", "group/service", "group/tree", "group/grouptest", "errgroup", "pool"} {
		t.Run(name, func(t *testing.T) {
			api := parseAPI(t, name)
			t.Run("all that is exported has a doc comment", func(t *testing.T) {
				for _, without := range api.undocumented() {
					t.Error(without)
				}
			})
			t.Run("each function and method has an Example", func(t *testing.T) {
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

// unexemplified returns the functions and methods that have no Example.
func (p api) unexemplified() []string {
	var without []string
	for name, f := range p.funcs() {
		if len(f.Examples) == 0 {
			without = append(without, name)
		}
	}
	slices.Sort(without)
	return without
}
