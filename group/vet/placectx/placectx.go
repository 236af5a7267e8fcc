// Package placectx reports tasks of a pool that wait for others without the context
// that stands for their place.
package placectx

import (
	"go/ast"

	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports a task of a pool that starts tasks to wait for on the same pool with another
// context than its own.
var Analyzer = &analysis.Analyzer{
	Name: "placectx",
	Doc: `report tasks of a pool that wait without the context of their place

A task of a pool that waits for other tasks of it lends them its worker, if it starts them with
the context that it was given. With another context, or in a task that has none, it keeps the
worker while it waits: as many such tasks as there are workers wait for ever.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/placectx",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("placectx", run),
}

func run(pass *analysis.Pass) (any, error) {
	x := owner.Of(pass)
	for _, t := range x.Tasks {
		lit, ok := ast.Unparen(t.Func).(*ast.FuncLit)
		pool := t.Ref(pass.TypesInfo)
		if !ok || t.Kind == nil || t.Kind.Path != owner.Pool || t.Kind.Type != "Pool" || !pool.Valid() {
			continue
		}
		x.WalkInline(lit.Body, func(n ast.Node, _ owner.Site) {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return
			}
			m := owner.MethodOf(pass.TypesInfo, call)
			switch {
			case m != nil && m.Name == "Batch" && m.Ref(pass.TypesInfo) == pool:
			case m == nil && owner.IsFunc(owner.Callee(pass.TypesInfo, call), owner.Pool, "Submit") && len(call.Args) > 1 &&
				owner.RefOf(pass.TypesInfo, call.Args[1]) == pool:
			default:
				return
			}
			ctx, _ := ast.Unparen(call.Args[0]).(*ast.Ident)
			if ctx == nil {
				if _, made := ast.Unparen(call.Args[0]).(*ast.CallExpr); !made {
					return
				}
			} else if owner.Inside(pass.TypesInfo.ObjectOf(ctx), lit) {
				return
			}
			pass.ReportRangef(call.Args[0], "this is not the context of the task, so the task keeps its worker while it waits: if all workers wait like this, the pool hangs; "+
				"start the task with GoContext or Submit, and use %s here (docs/guide/limits.md)", given(lit))
		})
	}
	return nil, nil
}

// given returns the name of the context that a task is given.
func given(lit *ast.FuncLit) string {
	for _, field := range lit.Type.Params.List {
		for _, name := range field.Names {
			return name.Name
		}
	}
	return "its context"
}
