// Package unwaited reports owners of goroutines that some path leaves without Wait.
package unwaited

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/ctrlflow"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/cfg"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports an owner that is made in a function, starts a task, and that some
// path leaves without Wait.
var Analyzer = &analysis.Analyzer{
	Name: "unwaited",
	Doc: `report owners of goroutines that some path leaves without Wait

An owner of coterie, sync, x/sync or conc that a function makes and starts tasks with has to be
waited for before the function returns, on each path: else the tasks run on, and nobody learns
of their errors and panics. Close and Shutdown count for a pool.

Passing the owner on, storing it or returning it ends the duty, unless the function that gets
it is known to do no more than start tasks; one that only makes an owner hands the duty to its
caller. Both are known across packages. A path that ends in panic, os.Exit or log.Fatal is
none.`,
	URL:       "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/unwaited",
	Requires:  []*analysis.Analyzer{owner.Analyzer, ctrlflow.Analyzer},
	FactTypes: []analysis.Fact{new(starts), new(makes)},
	Run:       exempt.Run("unwaited", run),
}

type checker struct {
	pass  *analysis.Pass
	x     *owner.Index
	flows *ctrlflow.CFGs
}

func run(pass *analysis.Pass) (any, error) {
	c := &checker{pass, owner.Of(pass), pass.ResultOf[ctrlflow.Analyzer].(*ctrlflow.CFGs)}
	if !c.knowsOwners() {
		return nil, nil
	}
	c.exportFacts()
	for cur, body := range c.x.Funcs {
		for _, made := range c.madeIn(body) {
			c.check(cur, made)
		}
	}
	return nil, nil
}

// knowsOwners reports whether the package has a variable of an owner's type.
func (c *checker) knowsOwners() bool {
	for _, obj := range c.pass.TypesInfo.Defs {
		if v, ok := obj.(*types.Var); ok && owner.KindOf(v.Type()) != nil {
			return true
		}
	}
	return false
}

// A made is a variable that holds an owner made in the function.
type made struct {
	v  *types.Var
	at ast.Node // where it is made
}

// madeIn returns the owners that a function makes, without those of its literals.
func (c *checker) madeIn(body *ast.BlockStmt) []made {
	var found []made
	add := func(ident *ast.Ident, value ast.Expr) {
		v, ok := c.pass.TypesInfo.ObjectOf(ident).(*types.Var)
		if !ok || !owner.Inside(v, body) || owner.KindOf(v.Type()) == nil {
			return
		}
		if value == nil {
			if _, pointer := types.Unalias(v.Type()).(*types.Pointer); pointer {
				return // will be assigned to
			}
		} else if !c.makes(value) {
			return
		}
		found = append(found, made{v, ident})
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ValueSpec:
			for i, name := range n.Names {
				switch {
				case len(n.Values) == 0:
					add(name, nil)
				case len(n.Values) == len(n.Names):
					add(name, n.Values[i])
				case i == 0:
					add(name, n.Values[0])
				}
			}
		case *ast.AssignStmt:
			for i, lhs := range n.Lhs {
				ident, ok := ast.Unparen(lhs).(*ast.Ident)
				if !ok || i > 0 && len(n.Rhs) == 1 {
					continue
				}
				add(ident, n.Rhs[min(i, len(n.Rhs)-1)])
			}
		}
		return true
	})
	return found
}

// makes reports whether e is a new owner.
func (c *checker) makes(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.CompositeLit:
		return true
	case *ast.UnaryExpr:
		return e.Op == token.AND && c.makes(e.X)
	case *ast.CallExpr:
		if ident, ok := ast.Unparen(e.Fun).(*ast.Ident); ok && c.pass.TypesInfo.Uses[ident] == types.Universe.Lookup("new") {
			return true
		}
		fn := owner.Callee(c.pass.TypesInfo, e)
		if fn == nil {
			return false
		}
		if c.pass.ImportObjectFact(fn, new(makes)) {
			return true
		}
		for k := range c.resultKinds(e) {
			if owner.PathOf(fn) == k.Path {
				return fn.Signature().Recv() == nil || fn.Name() == "Batch" || c.chained(e)
			}
		}
	}
	return false
}

// resultKinds yields the kinds of owners that a call returns.
func (c *checker) resultKinds(call *ast.CallExpr) func(func(*owner.Kind) bool) {
	return func(yield func(*owner.Kind) bool) {
		t := c.pass.TypesInfo.TypeOf(call)
		if results, ok := t.(*types.Tuple); ok && results.Len() > 0 {
			t = results.At(0).Type()
		}
		if k := owner.KindOf(t); k != nil {
			yield(k)
		}
	}
}

// chained reports whether a call is pool.New().WithErrors() or the like.
func (c *checker) chained(call *ast.CallExpr) bool {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	return ok && c.makes(sel.X)
}

// check reports an owner that a path of the function leaves without Wait.
func (c *checker) check(cur inspector.Cursor, m made) {
	if value, _ := owner.Assigned(c.pass.TypesInfo, cur.Node(), m.v); value == nil && !c.neverAssigned(cur, m.v) {
		return // what it holds depends on the path
	}
	u := c.usesOf(cur, m.v)
	u.addPool(cur, m.v)
	if u.escapes || len(u.begins) == 0 || u.conditional() {
		return
	}
	var flow *cfg.CFG
	switch n := cur.Node().(type) {
	case *ast.FuncDecl:
		flow = c.flows.FuncDecl(n)
	case *ast.FuncLit:
		flow = c.flows.FuncLit(n)
	}
	if flow == nil {
		return
	}
	pos, leaves := owner.Leaves(flow, u.effects)
	if !leaves {
		return
	}
	if u.waits {
		c.pass.ReportRangef(m.at, "tasks of %s may still run when the function returns: no Wait on the path to line %d; %s (docs/guide/scopes.md)",
			m.v.Name(), c.pass.Fset.Position(pos).Line, instead(m.v))
		return
	}
	c.pass.ReportRangef(m.at, "tasks of %s may still run when the function returns, and nobody learns how they end: there is no Wait; %s (docs/guide/scopes.md)",
		m.v.Name(), instead(m.v))
}

// instead says what to write for an owner that is not waited for.
func instead(v *types.Var) string {
	kind := owner.KindOf(v.Type())
	switch {
	case kind.Closes:
		return "call Close, Shutdown or Wait on every path, for example with defer"
	case kind.Path == owner.Group || kind.Path == owner.Errgroup:
		return "use " + strings.TrimPrefix(kind.Path, owner.Module+"/") + ".Run, which always waits"
	}
	return "call Wait on every path, for example with defer"
}

// neverAssigned reports whether v, declared without a value, stays what it is.
func (c *checker) neverAssigned(cur inspector.Cursor, v *types.Var) bool {
	assigned := false
	ast.Inspect(cur.Node(), func(n ast.Node) bool {
		if assign, ok := n.(*ast.AssignStmt); ok {
			for _, lhs := range assign.Lhs {
				if owner.VarOf(c.pass.TypesInfo, lhs) == v {
					assigned = true
				}
			}
		}
		return !assigned
	})
	return !assigned
}
