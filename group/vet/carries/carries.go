// Package carries reports tasks that leave marks on their goroutine.
package carries

import (
	"go/ast"

	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports tasks of coterie that leave marks on their goroutine, which the next task finds.
var Analyzer = &analysis.Analyzer{
	Name: "carries",
	Doc: `report tasks that leave marks on their goroutine

One goroutine runs many tasks, so what a task does to its goroutine reaches the next one: a
LockOSThread without UnlockOSThread, labels of package pprof, a thread moved to another namespace.
An owner with Options.Isolate gives each task a goroutine of its own, and is left alone.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/carries",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("carries", run),
}

func run(pass *analysis.Pass) (any, error) {
	x := owner.Of(pass)
	for _, t := range x.Tasks {
		body, env := x.Body(t)
		if body == nil || t.Kind == nil || !t.Kind.Coterie() || isolated(x, t) {
			continue
		}
		marks := make(map[string]*ast.CallExpr)
		undone := make(map[string]bool)
		x.Walk(body, env, func(n ast.Node, at owner.Site) {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return
			}
			fn := owner.Callee(pass.TypesInfo, call)
			switch {
			case owner.IsFunc(fn, "runtime", "UnlockOSThread"):
				undone["LockOSThread"] = true
			case owner.IsFunc(fn, "runtime", "LockOSThread"),
				owner.IsFunc(fn, "syscall", "Unshare"), owner.IsFunc(fn, "golang.org/x/sys/unix", "Unshare", "Setns"):
				marks[fn.Name()] = call
			case owner.IsFunc(fn, "runtime/pprof", "SetGoroutineLabels"):
				if marks[fn.Name()] != nil {
					undone[fn.Name()] = true // the second call gives the labels back
				}
				marks[fn.Name()] = call
			}
		})
		for name, call := range marks {
			if !undone[name] {
				pass.ReportRangef(call, "%s changes the goroutine, which runs other tasks later: undo the change before the task ends, "+
					"or set Options.Isolate of the owner (docs/guide/limits.md)", name)
			}
		}
	}
	return nil, nil
}

// isolated reports whether the owner of a task has Options.Isolate, as far as its
// function shows.
func isolated(x *owner.Index, t *owner.Task) bool {
	v := owner.VarOf(x.Info, t.Owner)
	decl := owner.Outermost(t.Cur)
	if v == nil || decl == nil {
		return false
	}
	found := false
	ast.Inspect(decl, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isolates(call) {
			return true
		}
		switch {
		case owner.IsScope(x.Info, call):
			found = found || owner.Inside(v, call)
		default:
			value, _ := owner.Assigned(x.Info, decl, v)
			found = found || value == call
		}
		return true
	})
	return found
}

// isolates reports whether an argument of a call is a literal of options with Isolate.
func isolates(call *ast.CallExpr) bool {
	for _, arg := range call.Args {
		lit, ok := ast.Unparen(arg).(*ast.CompositeLit)
		if !ok {
			continue
		}
		for _, elt := range lit.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Isolate" {
					return true
				}
			}
		}
	}
	return false
}
