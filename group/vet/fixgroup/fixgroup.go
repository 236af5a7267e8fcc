// Package fixgroup makes a sync.WaitGroup a group.Group.
package fixgroup

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
	"github.com/coterie-go/coterie/group/vet/internal/rewrite"
)

// Analyzer rewrites WaitGroups whose every use it understands.
var Analyzer = &analysis.Analyzer{
	Name: "fixgroup",
	Doc: `make a sync.WaitGroup a group.Group

The fix is offered for a variable or an unexported field whose every use is one of these: a call
of Go or Wait; an Add right before the go statements that it counts, each of a function literal
that calls Done when it ends. So the literals become tasks, and nobody counts any more.

Two things differ at run time: a panic of a task is raised by Wait, and a Goexit, as of t.Fatal,
ends the goroutine that waits. A WaitGroup that is passed on, exported or used in another way is left alone, and
the report says where.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/fixgroup",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      run,
}

type fixer struct {
	pass   *analysis.Pass
	x      *owner.Index
	source *rewrite.Source
	found  map[*types.Var]*rewrite.Candidate
	counts map[*ast.CallExpr]bool                // calls of Add and Done that the edits delete
	tasks  map[*rewrite.Candidate][]*ast.FuncLit // literals that become tasks
}

func run(pass *analysis.Pass) (any, error) {
	f := &fixer{
		pass: pass, x: owner.Of(pass), source: rewrite.NewSource(pass),
		counts: make(map[*ast.CallExpr]bool), tasks: make(map[*rewrite.Candidate][]*ast.FuncLit),
	}
	swap := &rewrite.Swap{
		Path: "sync", Type: "WaitGroup", Import: owner.Group, NewType: "Group",
		Page: "waitgroup.md", Gain: "which counts its tasks itself and whose Wait raises their panics",
		Use: f.use, Finish: f.finish,
	}
	f.found = swap.Find(pass, f.x)
	if len(f.found) > 0 {
		for cur := range f.x.Root.Preorder((*ast.ExprStmt)(nil)) {
			f.findCounted(cur)
		}
	}
	swap.Check(f.found)
	return nil, nil
}

// use leaves a WaitGroup alone if a call of its method is not understood.
func (f *fixer) use(c *rewrite.Candidate, method string, cur inspector.Cursor) {
	call := cur.Node().(*ast.CallExpr)
	switch method {
	case "Go":
		if kind, _ := cur.ParentEdge(); kind == edge.GoStmt_Call {
			c.Leave(call, "Go is called in a go statement")
		} else if lit, ok := ast.Unparen(call.Args[0]).(*ast.FuncLit); ok {
			f.tasks[c] = append(f.tasks[c], lit)
		}
	case "Wait":
	default:
		if !f.counts[call] {
			c.Leave(call, "the fix needs an Add right before its go statements, each of a function literal that calls Done")
		}
	}
}

// finish leaves a WaitGroup alone if one of its literals cannot be a task.
func (f *fixer) finish(c *rewrite.Candidate) {
	for _, lit := range f.tasks[c] {
		if reason, at := rewrite.Fit(f.pass.TypesInfo, lit); reason != "" {
			c.Leave(at, reason)
		}
		ast.Inspect(lit.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if m := owner.MethodOf(f.pass.TypesInfo, call); m != nil && m.Waits() && owner.PlaceOf(f.pass.TypesInfo, m.Owner) == c.V {
				c.Leave(call, "one of its own tasks waits for it")
			}
			return true
		})
	}
}
