// Package forargs reports loops of package pool whose two numbers are exchanged.
package forargs

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports a pool.For whose workers and n are exchanged.
var Analyzer = &analysis.Analyzer{
	Name: "forargs",
	Doc: `report pool.For with workers and n exchanged

pool.For(ctx, workers, n, f) takes two ints. Where workers is the length of what f indexes,
and n is not, the two are exchanged: the loop calls f for too few elements, or for too many.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/forargs",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("forargs", run),
}

func run(pass *analysis.Pass) (any, error) {
	x := owner.Of(pass)
	for cur := range x.Root.Preorder((*ast.CallExpr)(nil)) {
		call := cur.Node().(*ast.CallExpr)
		if !owner.IsFunc(owner.Callee(pass.TypesInfo, call), owner.Pool, "For") || len(call.Args) != 4 {
			continue
		}
		scope := owner.Enclosing(cur)
		body, _ := x.Function(call.Args[3], nil)
		if scope == nil || body == nil {
			continue
		}
		workers, n := call.Args[1], call.Args[2]
		of := measured(pass.TypesInfo, scope, workers, 3)
		if !of.Valid() || measured(pass.TypesInfo, scope, n, 3) == of || !indexes(pass.TypesInfo, body, of) {
			continue
		}
		pass.ReportRangef(workers, "workers and n are exchanged: this starts up to len(%s) workers and calls the function with the indexes below %s; "+
			"write pool.For(ctx, %s, %s, ...) (docs/guide/loops.md)", of, types.ExprString(n), types.ExprString(n), types.ExprString(workers))
	}
	return nil, nil
}

// measured returns the place whose length e is; invalid if it is none's.
func measured(info *types.Info, scope ast.Node, e ast.Expr, depth int) owner.Ref {
	switch e := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		if ident, ok := ast.Unparen(e.Fun).(*ast.Ident); ok && len(e.Args) == 1 && info.Uses[ident] == types.Universe.Lookup("len") {
			return owner.RefOf(info, e.Args[0])
		}
	case *ast.Ident:
		if v := owner.VarOf(info, e); owner.Local(v) && depth > 0 {
			if value, _ := owner.Assigned(info, scope, v); value != nil {
				return measured(info, scope, value, depth-1)
			}
		}
	}
	return owner.Ref{}
}

// indexes reports whether body indexes what ref stands for.
func indexes(info *types.Info, body ast.Node, ref owner.Ref) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		if index, ok := n.(*ast.IndexExpr); ok && owner.RefOf(info, index.X) == ref {
			found = true
		}
		return !found
	})
	return found
}
