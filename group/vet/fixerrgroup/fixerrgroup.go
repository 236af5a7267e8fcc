// Package fixerrgroup moves code from golang.org/x/sync/errgroup to coterie's.
package fixerrgroup

import (
	"go/ast"
	"go/types"
	"strconv"

	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
	"github.com/coterie-go/coterie/group/vet/internal/rewrite"
)

// Analyzer changes the import of golang.org/x/sync/errgroup in a package.
var Analyzer = &analysis.Analyzer{
	Name: "fixerrgroup",
	Doc: `import coterie's errgroup in place of golang.org/x/sync/errgroup

The two are call-compatible; docs/errgroup-differences.md lists what differs at run time. All
files of a package change together, or none: a package is left alone where a Group reaches code
outside of it, which may still use x/sync's, and where a generated file, or one that is not part
of this build, uses it.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/fixerrgroup",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	var specs []*ast.ImportSpec
	var edits []analysis.TextEdit
	reason := ""
	for _, file := range pass.Files {
		for _, spec := range file.Imports {
			switch p, _ := strconv.Unquote(spec.Path.Value); p {
			case owner.XErrgroup:
				specs = append(specs, spec)
				edits = append(edits, analysis.TextEdit{
					Pos: spec.Path.Pos(), End: spec.Path.End(), NewText: []byte(strconv.Quote(owner.Errgroup)),
				})
				if !rewrite.Editable(pass, file) {
					reason = "a generated file uses it"
				}
			case owner.Errgroup:
				reason = "the package imports coterie's errgroup, too"
			}
		}
	}
	if len(specs) == 0 {
		return nil, nil
	}
	switch {
	case reason != "":
	case rewrite.Ignored(pass, owner.XErrgroup):
		reason = "a file that is not part of this build uses it"
	default:
		reason = reachesOut(pass)
	}
	if reason != "" {
		pass.ReportRangef(specs[0], "golang.org/x/sync/errgroup is not replaced: %s (docs/migrate/xsync.md)", reason)
		return nil, nil
	}
	pass.Report(analysis.Diagnostic{
		Pos: specs[0].Pos(), End: specs[0].End(),
		Message:        "coterie's errgroup can replace golang.org/x/sync/errgroup: it has the same methods, and its Wait raises the panics of tasks (docs/migrate/xsync.md)",
		SuggestedFixes: []analysis.SuggestedFix{{Message: "Import coterie's errgroup", TextEdits: edits}},
	})
	return nil, nil
}

// reachesOut says how a Group gets to code outside the package; "" if it does not.
func reachesOut(pass *analysis.Pass) string {
	mentions := mentioner{pass.Pkg, make(map[types.Type]bool)}
	scope := pass.Pkg.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		if obj.Exported() && pass.Pkg.Name() != "main" && mentions.object(obj) {
			return name + " is exported, and its type contains a Group"
		}
	}
	for _, obj := range pass.TypesInfo.Uses {
		if obj.Pkg() == nil || obj.Pkg() == pass.Pkg || owner.PathOf(obj) == owner.XErrgroup {
			continue
		}
		switch obj.(type) {
		case *types.Var, *types.Func:
			if (&mentioner{obj.Pkg(), make(map[types.Type]bool)}).typ(obj.Type()) {
				return obj.Pkg().Name() + "." + obj.Name() + " belongs to another package, and its type contains a Group"
			}
		}
	}
	return ""
}

// A mentioner looks for a Group of x/sync in types, as far as code outside of a package sees them.
type mentioner struct {
	pkg  *types.Package
	seen map[types.Type]bool
}

// object reports whether what others see of an exported object has a Group.
func (m *mentioner) object(obj types.Object) bool {
	tn, ok := obj.(*types.TypeName)
	if !ok {
		return m.typ(obj.Type())
	}
	if tn.IsAlias() {
		return m.typ(types.Unalias(tn.Type()))
	}
	return m.named(tn.Type().(*types.Named))
}

// named looks at the exported fields and methods of a type of the package.
func (m *mentioner) named(t *types.Named) bool {
	if m.seen[t] {
		return false
	}
	m.seen[t] = true
	for method := range t.Methods() {
		if method.Exported() && m.typ(method.Signature()) {
			return true
		}
	}
	return m.typ(t.Underlying())
}

func (m *mentioner) typ(t types.Type) bool {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		if owner.PathOf(t.Obj()) == owner.XErrgroup {
			return true
		}
		for arg := range t.TypeArgs().Types() {
			if m.typ(arg) {
				return true
			}
		}
		return t.Obj().Pkg() == m.pkg && m.named(t)
	case *types.Pointer:
		return m.typ(t.Elem())
	case *types.Slice:
		return m.typ(t.Elem())
	case *types.Array:
		return m.typ(t.Elem())
	case *types.Chan:
		return m.typ(t.Elem())
	case *types.Map:
		return m.typ(t.Key()) || m.typ(t.Elem())
	case *types.Signature:
		return m.tuple(t.Params()) || m.tuple(t.Results())
	case *types.Struct:
		for field := range t.Fields() {
			if (field.Exported() || field.Embedded()) && m.typ(field.Type()) {
				return true
			}
		}
	case *types.Interface:
		for method := range t.ExplicitMethods() {
			if m.typ(method.Signature()) {
				return true
			}
		}
	}
	return false
}

func (m *mentioner) tuple(t *types.Tuple) bool {
	for v := range t.Variables() {
		if m.typ(v.Type()) {
			return true
		}
	}
	return false
}
