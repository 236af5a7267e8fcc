// Package selfwait reports tasks that wait for themselves.
package selfwait

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports a Wait, or a Go under a limit, of an owner in one of its tasks.
var Analyzer = &analysis.Analyzer{
	Name: "selfwait",
	Doc: `report tasks that wait for themselves

A task that calls Wait of its own owner waits for its own end. A task that calls Go of its own
owner, under a limit, waits for room that it takes up itself: as soon as all tasks that may run
do so, all hang. That holds for sync, x/sync and conc as well as for coterie.

TryGo is right, and so is GoContext with the context that the task was given.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/selfwait",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("selfwait", run),
}

type checker struct {
	pass     *analysis.Pass
	x        *owner.Index
	limited  map[*types.Var]bool // variables and fields whose owner has a limit
	reported map[token.Pos]bool
}

func run(pass *analysis.Pass) (any, error) {
	c := &checker{pass, owner.Of(pass), nil, make(map[token.Pos]bool)}
	for _, t := range c.x.Tasks {
		body, env := c.x.Body(t)
		switch {
		case body == nil:
		case t.Go != nil:
			c.checkCounted(body, env)
		default:
			c.checkTask(t, body, env)
		}
	}
	return nil, nil
}

// checkTask looks into a task that an owner has started.
func (c *checker) checkTask(t *owner.Task, body *ast.BlockStmt, env owner.Env) {
	own := t.Ref(c.pass.TypesInfo)
	if !own.Valid() || owner.Inside(own.Root, body) {
		return
	}
	given := c.contexts(t)
	c.x.Walk(body, env, func(n ast.Node, at owner.Site) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		m := owner.MethodOf(c.pass.TypesInfo, call)
		if m == nil || at.Ref(m.Ref(c.pass.TypesInfo)) != own {
			return
		}
		switch {
		case m.Waits():
			what := "the task waits for itself and never ends"
			if m.Kind.Path == owner.Pool || m.Kind.Coterie() && m.Name == "WaitContext" {
				what = "the call panics, because the task would wait for itself"
			}
			c.report(call, "%s in a task of %s: %s; wait where the tasks were started (docs/guide/limits.md)", m.Name, own, what)
		case m.Name == "Go" || m.Name == "GoNamed" || m.Name == "GoContext" && !c.uses(call, given):
			if m.Kind.Path == owner.Pool || !c.hasLimit(t.Owner) {
				return
			}
			instead := "use TryGo and call the function directly if it returns false, or remove the limit"
			if m.Kind.Coterie() {
				instead = "use GoContext with the context that the task was given"
			}
			c.report(call, "%s in a task of %s, which has a limit: if all running tasks wait here for room, all hang; %s (docs/guide/limits.md)", m.Name, own, instead)
		}
	})
}

// contexts returns the contexts that a task is given.
func (c *checker) contexts(t *owner.Task) map[types.Object]bool {
	lit, ok := ast.Unparen(t.Func).(*ast.FuncLit)
	if !ok {
		return nil
	}
	given := make(map[types.Object]bool)
	for _, field := range lit.Type.Params.List {
		for _, name := range field.Names {
			given[c.pass.TypesInfo.Defs[name]] = true
		}
	}
	return given
}

// uses reports whether the first argument of call is one of the contexts, or is made of one.
func (c *checker) uses(call *ast.CallExpr, given map[types.Object]bool) bool {
	v := owner.VarOf(c.pass.TypesInfo, call.Args[0])
	return v == nil || given[v] || given == nil || !outside(v, given)
}

// outside reports whether v is declared before the contexts that the task is given.
func outside(v *types.Var, given map[types.Object]bool) bool {
	for ctx := range given {
		if ctx != nil && v.Pos() > ctx.Pos() {
			return false
		}
	}
	return true
}

// checkCounted looks into a goroutine that calls Done of a WaitGroup when it ends.
func (c *checker) checkCounted(body *ast.BlockStmt, env owner.Env) {
	type use struct {
		done bool // calls Done itself
		last bool // calls Done when it returns
		wait *ast.CallExpr
	}
	uses := make(map[owner.Ref]*use)
	c.x.Walk(body, env, func(n ast.Node, at owner.Site) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		m := owner.MethodOf(c.pass.TypesInfo, call)
		if m == nil || !m.Kind.Counts {
			return
		}
		ref := at.Ref(m.Ref(c.pass.TypesInfo))
		if !ref.Valid() || owner.Inside(ref.Root, body) {
			return
		}
		if uses[ref] == nil {
			uses[ref] = new(use)
		}
		u := uses[ref]
		switch {
		case m.Name == "Done" && at.Deferred && at.Named == 0:
			u.last = true
		case m.Name == "Done" || m.Name == "Add":
			u.done = true
		case m.Waits() && !at.Deferred && u.wait == nil:
			u.wait = call
		}
	})
	for ref, u := range uses {
		if u.wait != nil && u.last && !u.done {
			c.report(u.wait, "Wait in a goroutine that %s counts, before its Done: the goroutine waits for itself and never ends; "+
				"wait where the goroutines were started (docs/guide/limits.md)", ref)
		}
	}
}

func (c *checker) report(n ast.Node, format string, args ...any) {
	if !c.reported[n.Pos()] {
		c.reported[n.Pos()] = true
		c.pass.ReportRangef(n, format, args...)
	}
}
