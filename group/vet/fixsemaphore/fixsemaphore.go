// Package fixsemaphore makes a semaphore.Weighted a core.Semaphore.
package fixsemaphore

import (
	"go/ast"
	"go/constant"
	"go/token"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
	"github.com/coterie-go/coterie/group/vet/internal/rewrite"
)

// Analyzer rewrites semaphores whose every use does the same with either type.
var Analyzer = &analysis.Analyzer{
	Name: "fixsemaphore",
	Doc: `make a semaphore.Weighted a core.Semaphore

The two differ in an Acquire of more than the limit, and in the error of one that gives up
(context.Cause in place of Err). So the fix is offered where the limit and each weight are
constants, and where an error is only compared with nil.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/fixsemaphore",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      run,
}

const path = "golang.org/x/sync/semaphore"

func run(pass *analysis.Pass) (any, error) {
	limits := make(map[ast.Expr]int64) // by the value of the declaration
	f := &fixer{pass, rewrite.NewSource(pass), limits}
	swap := &rewrite.Swap{
		Path: path, Type: "Weighted", Import: owner.Core, NewType: "Semaphore",
		Page: "xsync.md", Gain: "whose limit can change",
		Value: f.value, Use: f.use,
	}
	swap.Check(swap.Find(pass, owner.Of(pass)))
	return nil, nil
}

type fixer struct {
	pass   *analysis.Pass
	source *rewrite.Source
	limits map[ast.Expr]int64
}

func (f *fixer) value(value ast.Expr, pkg string) string {
	call, ok := value.(*ast.CallExpr)
	if !ok || !owner.IsFunc(owner.Callee(f.pass.TypesInfo, call), path, "NewWeighted") {
		return ""
	}
	limit, ok := f.constant(call.Args[0])
	if !ok || limit < 1 {
		return ""
	}
	f.limits[value] = limit
	return pkg + ".NewSemaphore(" + f.source.Of(call.Args[0]) + ")"
}

func (f *fixer) constant(e ast.Expr) (int64, bool) {
	v := f.pass.TypesInfo.Types[e].Value
	if v == nil {
		return 0, false
	}
	return constant.Int64Val(constant.ToInt(v))
}

// limit returns the limit of the semaphore that a candidate is declared with.
func (f *fixer) limit(c *rewrite.Candidate) int64 {
	switch decl := c.Decl.Parent().Node().(type) {
	case *ast.ValueSpec:
		if len(decl.Values) == 1 {
			return f.limits[decl.Values[0]]
		}
	case *ast.AssignStmt:
		return f.limits[decl.Rhs[0]]
	}
	return 0
}

func (f *fixer) use(c *rewrite.Candidate, method string, cur inspector.Cursor) {
	call := cur.Node().(*ast.CallExpr)
	weight, ok := f.constant(call.Args[len(call.Args)-1])
	switch {
	case method == "Release":
	case !ok || weight < 0 || weight > f.limit(c):
		c.Leave(call, method+" may ask for more than the limit")
	case method == "Acquire" && !f.comparesError(cur):
		c.Leave(call, "the error of Acquire is used, and a core.Semaphore returns context.Cause(ctx) instead of ctx.Err()")
	}
}

// comparesError reports whether the error of an Acquire is at most compared with nil.
func (f *fixer) comparesError(cur inspector.Cursor) bool {
	switch kind, _ := cur.ParentEdge(); kind {
	case edge.ExprStmt_X, edge.DeferStmt_Call:
		return true
	case edge.BinaryExpr_X:
		return f.isNilCheck(cur.Parent().Node(), cur.Node())
	case edge.AssignStmt_Rhs:
	default:
		return false
	}
	assign := cur.Parent().Node().(*ast.AssignStmt)
	ident, ok := assign.Lhs[0].(*ast.Ident)
	if !ok {
		return false
	}
	if ident.Name == "_" {
		return true
	}
	v := f.pass.TypesInfo.Defs[ident]
	decl := owner.Outermost(cur)
	if v == nil || decl == nil {
		return false
	}
	compared := true
	for use := range cur.Parent().Parent().Preorder((*ast.Ident)(nil)) { // the scope of v
		if f.pass.TypesInfo.Uses[use.Node().(*ast.Ident)] == v && !f.isNilCheck(use.Parent().Node(), use.Node()) {
			compared = false
		}
	}
	return compared
}

func (f *fixer) isNilCheck(n, operand ast.Node) bool {
	check, ok := n.(*ast.BinaryExpr)
	return ok && (check.Op == token.NEQ || check.Op == token.EQL) && check.X == operand && f.pass.TypesInfo.Types[check.Y].IsNil()
}
