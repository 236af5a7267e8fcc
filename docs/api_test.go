package docs_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the files in docs/api")

// Everything that the packages export is documented, its functions and methods
// have an Example each, and docs/api says what there is. After a change:
//
//	go test ./docs -run TestAPI -update
func TestAPI(t *testing.T) {
	var want []string
	for _, name := range publicPackages(t) {
		file := strings.ReplaceAll(name, "/", "-") + ".txt"
		want = append(want, file)
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
			t.Run("links in doc comments name files of the repository", func(t *testing.T) {
				for _, broken := range api.brokenLinks() {
					t.Error(broken)
				}
			})
			t.Run("docs/api has its declarations", func(t *testing.T) {
				file := filepath.Join("api", file)
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(api.declarations(t)), 0o666))
				}
				written, err := os.ReadFile(file)
				require.NoError(t, err, "go test ./docs -run TestAPI -update makes it")
				require.Equal(t, strings.ReplaceAll(string(written), "\r\n", "\n"), api.declarations(t),
					"if the change is meant: go test ./docs -run TestAPI -update, and a line in docs/CHANGELOG.md")
			})
		})
	}
	t.Run("docs/api has no other file", func(t *testing.T) {
		entries, err := os.ReadDir("api")
		require.NoError(t, err)
		var got []string
		for _, entry := range entries {
			got = append(got, entry.Name())
		}
		require.ElementsMatch(t, want, got)
	})
}

// publicPackages returns the packages that are for users, by their path within
// the module. Those beneath core are for this module.
func publicPackages(t *testing.T) []string {
	var names []string
	public := regexp.MustCompile(`^(core$|group\b|errgroup\b|pool\b)`)
	for _, p := range goList(t, "") {
		name, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if ours && public.MatchString(name) && !strings.Contains(name, "internal/") {
			names = append(names, name)
		}
	}
	require.Contains(t, names, "core")
	return names
}

type api struct {
	*doc.Package
	fset *token.FileSet
}

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
	return api{pkg, fset}
}

// declarations returns what the package exports, without comments, in the order
// of the alphabet.
func (p api) declarations(t *testing.T) string {
	out := []string{"package " + p.Name + " // import \"" + p.ImportPath + "\""}
	add := func(decl ast.Decl) {
		var b bytes.Buffer
		config := printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 8}
		require.NoError(t, config.Fprint(&b, p.fset, uncommented(decl)))
		out = append(out, blankLines.ReplaceAllString(b.String(), "\n")) // where comments were
	}
	values := func(values []*doc.Value) {
		for _, v := range values {
			add(v.Decl)
		}
	}
	funcs := func(funcs []*doc.Func) {
		for _, f := range funcs {
			add(f.Decl)
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs(p.Funcs)
	for _, typ := range p.Types {
		add(typ.Decl)
		values(typ.Consts)
		values(typ.Vars)
		funcs(typ.Funcs)
		funcs(typ.Methods)
	}
	return strings.Join(out, "\n\n") + "\n"
}

var blankLines = regexp.MustCompile(`\n\n+`)

// uncommented takes the comments off a declaration, and a function's body.
func uncommented(decl ast.Decl) ast.Decl {
	ast.Inspect(decl, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			node.Doc, node.Body = nil, nil
		case *ast.GenDecl:
			node.Doc = nil
		case *ast.TypeSpec:
			node.Doc, node.Comment = nil, nil
		case *ast.ValueSpec:
			node.Doc, node.Comment = nil, nil
		case *ast.Field:
			node.Doc, node.Comment = nil, nil
		}
		return true
	})
	return decl
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

// fileURL is where a file of the repository can be read.
const fileURL = "https://github.com/coterie-go/coterie/blob/main/"

// plainPage matches the name of a page that is not the text of a link.
var plainPage = regexp.MustCompile(`(?:^|[^\[/\w])docs/[\w/-]+\.md`)

// brokenLinks returns the links in doc comments that no text uses or that name no file, and the
// pages that are named without a link.
func (p api) brokenLinks() (broken []string) {
	for _, text := range p.comments() {
		for _, link := range p.Parser().Parse(text).Links {
			name, ours := strings.CutPrefix(link.URL, fileURL)
			if !link.Used {
				broken = append(broken, link.Text+": no text uses it")
			} else if _, err := os.Stat(filepath.Join("..", name)); ours && err != nil {
				broken = append(broken, link.URL+": no such file")
			}
		}
		for _, page := range plainPage.FindAllString(text, -1) {
			broken = append(broken, page+": no link")
		}
	}
	return broken
}

// comments returns the doc comments of the package and of what it exports.
func (p api) comments() []string {
	texts := []string{p.Doc}
	add := func(values []*doc.Value, funcs ...[]*doc.Func) {
		for _, v := range values {
			texts = append(texts, v.Doc)
		}
		for _, f := range slices.Concat(funcs...) {
			texts = append(texts, f.Doc)
		}
	}
	add(slices.Concat(p.Consts, p.Vars), p.Funcs)
	for _, typ := range p.Types {
		texts = append(texts, typ.Doc)
		add(slices.Concat(typ.Consts, typ.Vars), typ.Funcs, typ.Methods)
	}
	return texts
}
