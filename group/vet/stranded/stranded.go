// Package stranded reports goroutines that stay blocked on a send.
package stranded

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports a send in a task whose only receiver may give up.
var Analyzer = &analysis.Analyzer{
	Name: "stranded",
	Doc: `report goroutines that stay blocked on a send

A task sends its result over an unbuffered channel, and the one receiver is a case of a select
that has others, such as a time-out. When another case is taken nobody receives any more: the
task is blocked for ever, with all that it holds.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/stranded",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("stranded", run),
}

func run(pass *analysis.Pass) (any, error) {
	x := owner.Of(pass)
	for _, t := range x.Tasks {
		lit, ok := ast.Unparen(t.Func).(*ast.FuncLit)
		decl := owner.Outermost(t.Cur)
		if !ok || decl == nil {
			continue
		}
		x.WalkInline(lit.Body, func(n ast.Node, _ owner.Site) {
			send, ok := n.(*ast.SendStmt)
			if !ok {
				return
			}
			ch := owner.VarOf(pass.TypesInfo, send.Chan)
			if owner.Local(ch) && !owner.Inside(ch, lit) && unbuffered(pass.TypesInfo, decl, ch) && !inSelect(t, send) && givesUp(t, x, decl, ch, send) {
				pass.ReportRangef(send, "the task stays blocked here if the select that receives from %s takes another case; "+
					"give the channel a buffer of 1, or start the task with group.Fork or pool.Submit, which return its result (docs/guide/cancellation.md)", ch.Name())
			}
		})
	}
	return nil, nil
}

// unbuffered reports whether v is assigned once, a channel without a buffer.
func unbuffered(info *types.Info, decl *ast.FuncDecl, v *types.Var) bool {
	value, _ := owner.Assigned(info, decl, v)
	call, ok := value.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return false
	}
	ident, ok := call.Fun.(*ast.Ident)
	return ok && info.Uses[ident] == types.Universe.Lookup("make")
}

// inSelect reports whether a send is a case of a select, which may have others.
func inSelect(t *owner.Task, send *ast.SendStmt) bool {
	cur, ok := t.Cur.FindNode(send)
	if !ok {
		return true
	}
	kind, _ := cur.ParentEdge()
	return kind == edge.CommClause_Comm
}

// givesUp reports whether the channel has no uses but the send and one receive, in a
// select with another case.
func givesUp(t *owner.Task, x *owner.Index, decl *ast.FuncDecl, ch *types.Var, send *ast.SendStmt) bool {
	uses, selects := 0, 0
	for cur := range x.Root.Preorder((*ast.Ident)(nil)) {
		ident := cur.Node().(*ast.Ident)
		if x.Info.Uses[ident] != ch || ident == ast.Unparen(send.Chan) {
			continue
		}
		uses++
		receive, ok := cur.Parent().Node().(*ast.UnaryExpr)
		if !ok || receive.Op != token.ARROW {
			continue
		}
		for clause := range cur.Enclosing((*ast.CommClause)(nil), (*ast.FuncLit)(nil)) {
			if c, ok := clause.Node().(*ast.CommClause); ok && c.Comm != nil && c.Comm.Pos() <= ident.Pos() && ident.End() <= c.Comm.End() &&
				len(clause.Parent().Node().(*ast.BlockStmt).List) > 1 {
				selects++
			}
			break
		}
	}
	return uses == 1 && selects == 1
}
