// Package failnow reports calls that mean to end a test and end another goroutine.
package failnow

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports FailNow, Fatal, Skip and their kin in a goroutine that is not the
// test's.
var Analyzer = &analysis.Analyzer{
	Name: "failnow",
	Doc: `report calls that mean to end a test and end another goroutine

FailNow, Fatal and Skip of a testing.T call runtime.Goexit. In a goroutine of the test that
ends the goroutine, and the test goes on. The libraries whose Wait does not learn of a Goexit
make it look as if the task had succeeded. Functions that call FailNow for their caller, as
those of testify's require do, are found in whichever package they are.

In a task of group, errgroup or a batch such calls are right: Wait ends the test.`,
	URL:       "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/failnow",
	Requires:  []*analysis.Analyzer{owner.Analyzer},
	FactTypes: []analysis.Fact{new(endsTest)},
	Run:       exempt.Run("failnow", run),
}

// endsTest is the fact that a function may end the test of the testing.T, or what
// stands for one, that it was given.
type endsTest struct{}

func (*endsTest) AFact()         {}
func (*endsTest) String() string { return "endsTest" }

type checker struct {
	pass *analysis.Pass
	x    *owner.Index
	ends map[*types.Func]bool // of this package and those that it uses
}

func run(pass *analysis.Pass) (any, error) {
	c := &checker{pass, owner.Of(pass), make(map[*types.Func]bool)}
	for _, used := range pass.TypesInfo.Uses {
		if fn, ok := used.(*types.Func); ok {
			fn = fn.Origin()
			if endsByItself(fn) || fn.Pkg() != pass.Pkg && pass.ImportObjectFact(fn, new(endsTest)) {
				c.ends[fn] = true
			}
		}
	}
	if len(c.ends) == 0 {
		return nil, nil
	}
	c.findHelpers()
	for _, t := range c.x.Tasks {
		if t.Go != nil || t.Method != nil && t.Kind.Loses {
			c.check(t)
		}
	}
	return nil, nil
}

// endsByItself reports whether fn is a method of package testing, or of an interface that stands
// for one, that calls Goexit.
func endsByItself(fn *types.Func) bool {
	receiver := fn.Signature().Recv()
	if receiver == nil {
		return false
	}
	if owner.PathOf(fn) == "testing" {
		return slices.Contains([]string{"FailNow", "Fatal", "Fatalf", "SkipNow", "Skip", "Skipf"}, fn.Name())
	}
	return fn.Name() == "FailNow" && types.IsInterface(receiver.Type()) &&
		fn.Signature().Params().Len() == 0 && fn.Signature().Results().Len() == 0
}

// findHelpers adds the functions of this package that end a test for their caller, and exports the
// fact.
func (c *checker) findHelpers() {
	for grown := true; grown; {
		grown = false
		for cur := range c.x.Root.Preorder((*ast.FuncDecl)(nil)) {
			decl := cur.Node().(*ast.FuncDecl)
			fn, ok := c.pass.TypesInfo.Defs[decl.Name].(*types.Func)
			if !ok || decl.Body == nil || c.ends[fn] || !c.mayEnd(decl.Body) {
				continue
			}
			c.ends[fn], grown = true, true
			c.pass.ExportObjectFact(fn, new(endsTest))
		}
	}
}

func (c *checker) mayEnd(body *ast.BlockStmt) bool {
	found := false
	c.x.WalkInline(body, func(n ast.Node, _ owner.Site) {
		if call, ok := n.(*ast.CallExpr); ok && c.ends[owner.Callee(c.pass.TypesInfo, call)] {
			found = true
		}
	})
	return found
}

// check reports what ends the goroutine of a task.
func (c *checker) check(t *owner.Task) {
	lit, ok := ast.Unparen(t.Func).(*ast.FuncLit)
	if !ok {
		c.checkNamed(t)
		return
	}
	_, env := c.x.Body(t)
	c.x.WalkInline(lit.Body, func(n ast.Node, _ owner.Site) {
		call, ok := n.(*ast.CallExpr)
		if ok && c.ends[owner.Callee(c.pass.TypesInfo, call)] && c.ofTest(call, lit, env) {
			c.report(call, types.ExprString(call.Fun), t)
		}
	})
}

// checkNamed reports a task that is a function which ends a test.
func (c *checker) checkNamed(t *owner.Task) {
	var fn *types.Func
	if t.Go != nil {
		fn = owner.Callee(c.pass.TypesInfo, t.Go.Call)
	} else {
		switch f := ast.Unparen(t.Func).(type) {
		case *ast.Ident:
			fn, _ = c.pass.TypesInfo.Uses[f].(*types.Func)
		case *ast.SelectorExpr:
			fn, _ = c.pass.TypesInfo.Uses[f.Sel].(*types.Func)
		}
	}
	if fn == nil || !c.ends[fn.Origin()] {
		return
	}
	c.report(t.Func, types.ExprString(t.Func), t)
}

func (c *checker) report(n ast.Node, what string, t *owner.Task) {
	where, instead := "a goroutine", "return an error to the test, or start the goroutine as a task of a group.Group, whose Wait ends the test"
	if t.Kind != nil {
		article := "a "
		if strings.HasPrefix(t.Kind.String(), "e") {
			article = "an "
		}
		where = "a task of " + article + t.Kind.String()
		if t.Kind.Path == owner.Pool {
			instead = "return an error to the test, or start the task through a Batch, whose Wait ends the test"
		}
	}
	c.pass.ReportRangef(n, "%s in %s ends that goroutine, not the test: the test goes on or hangs; %s (docs/guide/panics.md)",
		what, where, instead)
}

// ofTest reports whether call ends a test that is not the task's own: what stands for the test
// comes from outside of lit.
func (c *checker) ofTest(call *ast.CallExpr, lit *ast.FuncLit, env owner.Env) bool {
	handles := c.handles(call)
	for _, h := range handles {
		if c.outside(h, lit, env, 3) {
			return true
		}
	}
	return len(handles) == 0
}

// handles returns what stands for a test in a call: the receiver, and each argument
// that has a method FailNow.
func (c *checker) handles(call *ast.CallExpr) []ast.Expr {
	var handles []ast.Expr
	if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && c.pass.TypesInfo.Selections[sel] != nil {
		handles = append(handles, sel.X)
	}
	for _, arg := range call.Args {
		if t := c.pass.TypesInfo.TypeOf(arg); t != nil {
			if obj, _, _ := types.LookupFieldOrMethod(t, true, nil, "FailNow"); obj != nil {
				handles = append(handles, arg)
			}
		}
	}
	return handles
}

// outside reports whether the variable behind a handle is declared outside of lit.
func (c *checker) outside(handle ast.Expr, lit *ast.FuncLit, env owner.Env, depth int) bool {
	switch e := ast.Unparen(handle).(type) {
	case *ast.CallExpr: // s.Require(), require.New(t)
		for _, h := range c.handles(e) {
			if c.outside(h, lit, env, depth) {
				return true
			}
		}
		return false
	case *ast.StarExpr:
		return c.outside(e.X, lit, env, depth)
	case *ast.UnaryExpr:
		return c.outside(e.X, lit, env, depth)
	case *ast.SelectorExpr:
		if c.pass.TypesInfo.Selections[e] != nil {
			return c.outside(e.X, lit, env, depth)
		}
		return true // a variable of a package
	case *ast.Ident:
		v := owner.VarOf(c.pass.TypesInfo, e)
		if v == nil {
			return false
		}
		if outer, ok := env[v]; ok {
			return !owner.Inside(outer.Root, lit)
		}
		if !owner.Inside(v, lit) {
			return true
		}
		if depth == 0 {
			return false
		}
		value, _ := owner.Assigned(c.pass.TypesInfo, lit, v)
		return value != nil && c.outside(value, lit, env, depth-1)
	}
	return false
}
