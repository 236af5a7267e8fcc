// Package sharederr reports error variables that several tasks assign to.
package sharederr

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports an error variable around tasks that several of them assign to.
var Analyzer = &analysis.Analyzer{
	Name: "sharederr",
	Doc: `report error variables that several tasks assign to

Tasks that assign to one captured variable race with each other: the error that stays is that of
the task which came last, often nil. The analyzer is silent where the task locks something first.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/sharederr",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("sharederr", run),
}

func run(pass *analysis.Pass) (any, error) {
	x := owner.Of(pass)
	first := make(map[*types.Var]token.Pos) // the first task that assigns to it
	for _, t := range x.Tasks {
		lit, ok := ast.Unparen(t.Func).(*ast.FuncLit)
		if !ok {
			continue
		}
		for v, at := range assigned(x, lit) {
			before, again := first[v]
			if !again {
				first[v] = lit.Pos()
			}
			if again && before != lit.Pos() || repeated(t.Cur, v) {
				pass.ReportRangef(at, "several tasks assign to %s without a lock: this is a data race, and the last assignment, often of nil, hides the errors before it; "+
					"return the error from a task of an errgroup (docs/guide/errors.md)", v.Name())
			}
		}
	}
	return nil, nil
}

// assigned returns the error variables around a literal that it assigns to without a lock, and
// where.
func assigned(x *owner.Index, lit *ast.FuncLit) map[*types.Var]ast.Node {
	found := make(map[*types.Var]ast.Node)
	locks := false
	x.WalkInline(lit.Body, func(n ast.Node, _ owner.Site) {
		switch n := n.(type) {
		case *ast.CallExpr:
			fn := owner.Callee(x.Info, n)
			if fn != nil && fn.Name() == "Lock" && owner.PathOf(fn) == "sync" {
				locks = true
			}
		case *ast.AssignStmt:
			for _, lhs := range n.Lhs {
				v := owner.VarOf(x.Info, lhs)
				if v == nil || locks || owner.Inside(v, lit) || v.IsField() || found[v] != nil ||
					!types.Identical(v.Type(), types.Universe.Lookup("error").Type()) {
					continue
				}
				found[v] = lhs
			}
		}
	})
	return found
}

// repeated reports whether a loop starts the task several times for one v.
func repeated(task inspector.Cursor, v *types.Var) bool {
	for loop := range task.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil), (*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		switch loop.Node().(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			return !owner.Inside(v, loop.Node())
		default:
			if loop != task {
				return false
			}
		}
	}
	return false
}
