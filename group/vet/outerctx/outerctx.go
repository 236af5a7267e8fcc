// Package outerctx reports tasks that do not notice that their siblings have failed.
package outerctx

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports a task that uses an outer context where the group's is in scope.
var Analyzer = &analysis.Analyzer{
	Name: "outerctx",
	Doc: `report tasks that use the outer context where the group's is in scope

The context of an errgroup is cancelled when a task fails, and that of a loop of package pool
when a call does. A task that uses the context which that one derives from runs on, and Wait
waits for it.

The analyzer is silent where a task uses both, and where the outer one is for a clean-up
(context.WithoutCancel), a value or a log.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/outerctx",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("outerctx", run),
}

type checker struct {
	pass *analysis.Pass
	x    *owner.Index
}

// A pair is a context that is cancelled when a task fails, and the one that it derives from.
type pair struct {
	inner *types.Var
	outer ast.Expr
}

func run(pass *analysis.Pass) (any, error) {
	c := &checker{pass, owner.Of(pass)}
	groups := c.groups()
	for _, t := range c.x.Tasks {
		lit, ok := ast.Unparen(t.Func).(*ast.FuncLit)
		if !ok || t.Owner == nil {
			continue
		}
		if p, ok := groups[owner.VarOf(pass.TypesInfo, t.Owner)]; ok && !owner.Inside(p.inner, lit) {
			c.check(t.Cur, lit, p)
		}
	}
	for cur := range c.x.Root.Preorder((*ast.CallExpr)(nil)) {
		c.checkGiven(cur, cur.Node().(*ast.CallExpr))
	}
	return nil, nil
}

// groups returns for the variables of errgroups the pair of contexts.
func (c *checker) groups() map[*types.Var]pair {
	groups := make(map[*types.Var]pair)
	for cur := range c.x.Root.Preorder((*ast.AssignStmt)(nil), (*ast.CallExpr)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.AssignStmt:
			if len(n.Rhs) != 1 || len(n.Lhs) != 2 {
				continue
			}
			call, ok := ast.Unparen(n.Rhs[0]).(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				continue
			}
			fn := owner.Callee(c.pass.TypesInfo, call)
			if !owner.IsFunc(fn, owner.XErrgroup, "WithContext") && !owner.IsFunc(fn, owner.Errgroup, "WithContext", "New") {
				continue
			}
			g, inner := owner.VarOf(c.pass.TypesInfo, n.Lhs[0]), owner.VarOf(c.pass.TypesInfo, n.Lhs[1])
			if g != nil && inner != nil && inner.Name() != "_" {
				groups[g] = pair{inner, call.Args[0]}
			}
		case *ast.CallExpr:
			if !owner.IsFunc(owner.Callee(c.pass.TypesInfo, n), owner.Errgroup, "Run", "RunWith") {
				continue
			}
			lit, ok := ast.Unparen(n.Args[len(n.Args)-1]).(*ast.FuncLit)
			if !ok {
				continue
			}
			params := c.params(lit)
			if len(params) == 2 && params[0] != nil && params[1] != nil {
				groups[params[1]] = pair{params[0], n.Args[0]}
			}
		}
	}
	return groups
}

// params returns the parameters of lit; nil stands for a blank one.
func (c *checker) params(lit *ast.FuncLit) []*types.Var {
	var params []*types.Var
	for _, field := range lit.Type.Params.List {
		for _, name := range field.Names {
			v, _ := c.pass.TypesInfo.Defs[name].(*types.Var)
			if name.Name == "_" {
				v = nil
			}
			params = append(params, v)
		}
	}
	return params
}

// checkGiven looks into functions that are given a context of their own.
func (c *checker) checkGiven(cur inspector.Cursor, call *ast.CallExpr) {
	if len(call.Args) < 2 {
		return
	}
	var fs []ast.Expr
	fn := owner.Callee(c.pass.TypesInfo, call)
	switch {
	case owner.IsFunc(fn, owner.Pool, "For", "Each", "Map", "MapUnordered", "MapSlice", "Then", "ThenUnordered", "Submit"):
		fs = call.Args[len(call.Args)-1:]
	case owner.IsFunc(fn, owner.Errgroup, "Gather", "Race", "Quorum", "All2", "All3", "Settle"):
		fs = call.Args[1:]
	default:
		if m := owner.MethodOf(c.pass.TypesInfo, call); m == nil || m.Name != "GoContext" {
			return
		}
		fs = call.Args[1:]
	}
	for _, f := range fs {
		lit, ok := ast.Unparen(f).(*ast.FuncLit)
		if !ok {
			continue
		}
		if params := c.params(lit); len(params) > 0 && params[0] != nil {
			c.check(cur, lit, pair{params[0], call.Args[0]})
		}
	}
}

// check reports the use of an outer context in a task that does not use the inner.
func (c *checker) check(cur inspector.Cursor, lit *ast.FuncLit, p pair) {
	outer := c.ancestors(cur, p.outer)
	if outer[p.inner] {
		return // g, ctx = errgroup.WithContext(ctx)
	}
	var found *ast.Ident
	for ident := range cur.Preorder((*ast.Ident)(nil)) {
		n := ident.Node().(*ast.Ident)
		if n.Pos() < lit.Body.Pos() || n.Pos() >= lit.End() {
			continue
		}
		v, ok := c.pass.TypesInfo.Uses[n].(*types.Var)
		switch {
		case !ok:
		case v == p.inner:
			return
		case outer[v] && found == nil && !c.harmless(ident):
			found = n
		}
	}
	if found != nil {
		c.pass.ReportRangef(found, "the task uses %s, from which the context of its group derives: if another task fails, this one is not cancelled, and Wait waits for it; "+
			"use %s (docs/guide/cancellation.md)", found.Name, p.inner.Name())
	}
}

// ancestors returns the variables from which a context derives, as far as the function around cur
// says.
func (c *checker) ancestors(cur inspector.Cursor, ctx ast.Expr) map[types.Object]bool {
	outer := make(map[types.Object]bool)
	decl := owner.Outermost(cur)
	for range 5 {
		if call, ok := ast.Unparen(ctx).(*ast.CallExpr); ok {
			if owner.PathOf(owner.Callee(c.pass.TypesInfo, call)) != "context" || len(call.Args) == 0 {
				return outer
			}
			ctx = call.Args[0]
			continue
		}
		v := owner.VarOf(c.pass.TypesInfo, ctx)
		if v == nil {
			return outer
		}
		outer[v] = true
		if decl == nil || !owner.Local(v) {
			return outer
		}
		if ctx, _ = owner.Assigned(c.pass.TypesInfo, decl, v); ctx == nil {
			return outer
		}
	}
	return outer
}

// harmless reports whether the use of an outer context does not make the task run on: in
// context.WithoutCancel, for a value, or in a log.
func (c *checker) harmless(ident inspector.Cursor) bool {
	parent := ident.Parent()
	if sel, ok := parent.Node().(*ast.SelectorExpr); ok {
		return sel.Sel.Name == "Value"
	}
	call, ok := parent.Node().(*ast.CallExpr)
	if !ok {
		return false
	}
	fn := owner.Callee(c.pass.TypesInfo, call)
	if fn == nil {
		return false
	}
	if owner.IsFunc(fn, "context", "WithoutCancel", "WithValue") {
		return true
	}
	path := owner.PathOf(fn)
	return strings.Contains(path[strings.LastIndex(path, "/")+1:], "log")
}
