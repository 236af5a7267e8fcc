// Package waiterr reports errors of tasks that nobody looks at.
package waiterr

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports a Wait, a Run or a loop whose error is dropped.
var Analyzer = &analysis.Analyzer{
	Name: "waiterr",
	Doc: `report errors of tasks that nobody looks at

The error that Wait of an errgroup returns, that of errgroup.Run, and that of a loop of
package pool say that work was not done. A statement that drops one makes a failure look
like success. So does a range over pool.Map with one variable: the loop ends early, and
nothing says why.

An explicit blank, as in _ = g.Wait(), is left alone. So is a Wait whose error another
Wait of the same group takes, and one of a group all of whose tasks return nil.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/waiterr",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("waiterr", run),
}

func run(pass *analysis.Pass) (any, error) {
	c := &checker{pass: pass, x: owner.Of(pass)}
	c.findTaken()
	for cur := range c.x.Root.Preorder((*ast.CallExpr)(nil)) {
		call := cur.Node().(*ast.CallExpr)
		what, page := c.failing(call)
		if what == "" {
			continue
		}
		if c.iterates(call) {
			c.checkLoop(cur, call, what)
			continue
		}
		if !dropped(cur) || c.takenElsewhere(cur, call) || c.neverFails(cur, call) {
			continue
		}
		happens := "a failure looks like success"
		if c.givesUp(call) {
			happens = "nobody learns that tasks still run"
		}
		pass.ReportRangef(call, "the error of %s is dropped: %s; return the error, or assign it to _ if it does not matter (docs/guide/%s)",
			what, happens, page)
	}
	return nil, nil
}

type checker struct {
	pass  *analysis.Pass
	x     *owner.Index
	taken map[*types.Var][]inspector.Cursor // owners, and the Waits whose error is used
}

// failing returns how to call what returns the error of tasks; "" for other calls.
func (c *checker) failing(call *ast.CallExpr) (what, page string) {
	if m := owner.MethodOf(c.pass.TypesInfo, call); m != nil {
		if m.Waits() && c.returnsError(call) {
			return types.ExprString(call.Fun), "errors.md"
		}
		return "", ""
	}
	fn := owner.Callee(c.pass.TypesInfo, call)
	switch {
	case owner.IsFunc(fn, owner.Errgroup, "Run", "RunWith", "Gather", "Race", "Quorum", "All2", "All3"):
		return "errgroup." + fn.Name(), "errors.md"
	case owner.IsFunc(fn, owner.Pool, "For", "Each", "MapSlice", "Map", "MapUnordered", "Then", "ThenUnordered"):
		return "pool." + fn.Name(), "loops.md"
	}
	return "", ""
}

func (c *checker) returnsError(call *ast.CallExpr) bool {
	t := c.pass.TypesInfo.TypeOf(call)
	if results, ok := t.(*types.Tuple); ok && results.Len() > 0 {
		t = results.At(results.Len() - 1).Type()
	}
	return t != nil && types.Identical(t, types.Universe.Lookup("error").Type())
}

// givesUp reports whether call is a wait with a context.
func (c *checker) givesUp(call *ast.CallExpr) bool {
	m := owner.MethodOf(c.pass.TypesInfo, call)
	return m != nil && (m.Name == "WaitContext" || m.Name == "Shutdown")
}

// dropped reports whether a call is a statement of its own.
func dropped(cur inspector.Cursor) bool {
	switch kind, _ := cur.ParentEdge(); kind {
	case edge.ExprStmt_X, edge.DeferStmt_Call, edge.GoStmt_Call:
		return true
	}
	return false
}

func (c *checker) findTaken() {
	c.taken = make(map[*types.Var][]inspector.Cursor)
	for cur := range c.x.Root.Preorder((*ast.CallExpr)(nil)) {
		m := owner.MethodOf(c.pass.TypesInfo, cur.Node().(*ast.CallExpr))
		if m == nil || !m.Waits() || dropped(cur) {
			continue
		}
		if place := owner.PlaceOf(c.pass.TypesInfo, m.Owner); place != nil {
			c.taken[place] = append(c.taken[place], cur)
		}
	}
}

// takenElsewhere reports whether another Wait of the same group takes its error.
func (c *checker) takenElsewhere(cur inspector.Cursor, call *ast.CallExpr) bool {
	m := owner.MethodOf(c.pass.TypesInfo, call)
	if m == nil {
		return false
	}
	return len(c.taken[owner.PlaceOf(c.pass.TypesInfo, m.Owner)]) > 0
}

// neverFails reports whether all tasks of a group of this function are literals that return nil.
func (c *checker) neverFails(cur inspector.Cursor, call *ast.CallExpr) bool {
	m := owner.MethodOf(c.pass.TypesInfo, call)
	if m == nil {
		return false
	}
	place := owner.VarOf(c.pass.TypesInfo, m.Owner)
	if !owner.Local(place) {
		return false
	}
	tasks := 0
	for _, t := range c.x.Tasks {
		if t.Owner == nil || owner.PlaceOf(c.pass.TypesInfo, t.Owner) != place {
			continue
		}
		tasks++
		lit := c.literal(t)
		if lit == nil || !c.returnsNil(lit) {
			return false
		}
	}
	return tasks > 0
}

// literal returns the function literal of a task, also one that is in a variable; nil
// if it is another function.
func (c *checker) literal(t *owner.Task) *ast.FuncLit {
	f := ast.Unparen(t.Func)
	if v := owner.VarOf(c.pass.TypesInfo, f); owner.Local(v) {
		if decl := owner.Outermost(t.Cur); decl != nil {
			f, _ = owner.Assigned(c.pass.TypesInfo, decl, v)
		}
	}
	lit, _ := f.(*ast.FuncLit)
	return lit
}

// returnsNil reports whether the last result of each return of lit is nil.
func (c *checker) returnsNil(lit *ast.FuncLit) bool {
	always := true
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			if len(n.Results) == 0 || !c.pass.TypesInfo.Types[n.Results[len(n.Results)-1]].IsNil() {
				always = false
			}
		}
		return always
	})
	return always
}

// iterates reports whether call returns a sequence that yields errors.
func (c *checker) iterates(call *ast.CallExpr) bool {
	return owner.IsFunc(owner.Callee(c.pass.TypesInfo, call), owner.Pool, "Map", "MapUnordered", "Then", "ThenUnordered")
}

// checkLoop reports a range over call that has no variable for the error.
func (c *checker) checkLoop(cur inspector.Cursor, call *ast.CallExpr, what string) {
	loop, ok := cur.Parent().Node().(*ast.RangeStmt)
	if !ok {
		loop = c.loopOver(cur)
	}
	if loop == nil || loop.Value != nil {
		return
	}
	c.pass.ReportRangef(loop.X, "the loop over %s ends early if a call fails, and the error is lost; "+
		"write for v, err := range, or for v, _ := range if no call can fail (docs/guide/loops.md)", what)
}

// loopOver returns the range statement over the variable that a call is assigned to, if there is
// just one.
func (c *checker) loopOver(cur inspector.Cursor) *ast.RangeStmt {
	assign, ok := cur.Parent().Node().(*ast.AssignStmt)
	if !ok || len(assign.Lhs) != 1 {
		return nil
	}
	v := owner.VarOf(c.pass.TypesInfo, assign.Lhs[0])
	decl := owner.Outermost(cur)
	if !owner.Local(v) || decl == nil {
		return nil
	}
	var loop *ast.RangeStmt
	uses := 0
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if c.pass.TypesInfo.Uses[n] == v {
				uses++
			}
		case *ast.RangeStmt:
			if owner.VarOf(c.pass.TypesInfo, n.X) == v {
				loop = n
			}
		}
		return true
	})
	if uses != 1 {
		return nil
	}
	return loop
}
