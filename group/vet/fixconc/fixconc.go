// Package fixconc moves code from github.com/sourcegraph/conc to coterie.
package fixconc

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
	"github.com/coterie-go/coterie/group/vet/internal/rewrite"
)

// Analyzer makes a conc.WaitGroup and a conc pool of plain functions a group.Group, and
// says what to write for the rest of conc.
var Analyzer = &analysis.Analyzer{
	Name: "fixconc",
	Doc: `make conc's WaitGroup and Pool a group.Group

The fix is offered where only Go and Wait are called, and for a pool with a limit that is
certainly positive. Pools whose tasks return errors or results, iter and stream are reported
with what to write: their counterparts stop at the first failure and return an error, which is
not what conc does.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/fixconc",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      run,
}

const concPool = owner.Conc + "/pool"

func run(pass *analysis.Pass) (any, error) {
	x := owner.Of(pass)
	for _, path := range []string{owner.Conc, concPool} {
		swap := &rewrite.Swap{
			Path: path, Type: "WaitGroup", Import: owner.Group, NewType: "Group",
			Page: "conc.md", Gain: "whose Wait also passes on a Goexit, and whose WaitContext can give up",
			Value: func(value ast.Expr, pkg string) string {
				return newGroup(pass.TypesInfo, rewrite.NewSource(pass), value, pkg)
			},
			Use: func(c *rewrite.Candidate, method string, call inspector.Cursor) { use(pass.TypesInfo, c, method, call) },
		}
		if path == concPool {
			swap.Type = "Pool"
		}
		swap.Check(swap.Find(pass, x))
	}
	reportOthers(pass, x)
	return nil, nil
}

// newGroup returns the group for conc.NewWaitGroup(), pool.New() and
// pool.New().WithMaxGoroutines(n); "" for other calls.
func newGroup(info *types.Info, source *rewrite.Source, value ast.Expr, pkg string) string {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return ""
	}
	fn := owner.Callee(info, call)
	if owner.IsFunc(fn, owner.Conc, "NewWaitGroup") || owner.IsFunc(fn, concPool, "New") {
		return "new(" + pkg + ".Group)"
	}
	m := owner.MethodOf(info, call)
	if m == nil || m.Name != "WithMaxGoroutines" || !rewrite.Positive(info, call.Args[0]) {
		return ""
	}
	made, ok := m.Owner.(*ast.CallExpr)
	if !ok || !owner.IsFunc(owner.Callee(info, made), concPool, "New") {
		return ""
	}
	return pkg + ".New(" + pkg + ".Options{Limit: " + source.Of(call.Args[0]) + "})"
}

func use(info *types.Info, c *rewrite.Candidate, method string, cur inspector.Cursor) {
	call := cur.Node().(*ast.CallExpr)
	kind, _ := cur.ParentEdge()
	switch {
	case method == "Go" && kind == edge.ExprStmt_X:
		if reason, at := rewrite.Fit(info, call.Args[0]); reason != "" {
			c.Leave(at, reason)
		}
	case method == "Wait":
	default:
		c.Leave(call, method+" has no equivalent in group.Group")
	}
}

// reportOthers says what to write for the parts of conc that have no fix.
func reportOthers(pass *analysis.Pass, x *owner.Index) {
	instead := map[string]string{
		"ForEach": "pool.For", "ForEachIdx": "pool.For", "Map": "pool.MapSlice", "MapErr": "pool.MapSlice",
	}
	for cur := range x.Root.Preorder((*ast.CallExpr)(nil)) {
		call := cur.Node().(*ast.CallExpr)
		fn := owner.Callee(pass.TypesInfo, call)
		switch path := owner.PathOf(fn); {
		case path == owner.Conc+"/iter" && instead[fn.Name()] != "":
			pass.ReportRangef(call, "iter.%s is not rewritten: use %s, which does the same, but stops at the first error and returns it (docs/migrate/conc.md)", fn.Name(), instead[fn.Name()])
		case owner.IsFunc(fn, owner.Conc+"/stream", "New"):
			pass.ReportRangef(call, "the stream is not rewritten: use pool.Map, which yields results in order; the callback becomes the body of the loop (docs/migrate/conc.md)")
		case path == concPool && fn.Signature().Recv() != nil && (fn.Name() == "WithErrors" || fn.Name() == "WithContext") && owner.IsType(fn.Signature().Recv().Type(), concPool, "Pool"):
			pass.ReportRangef(call, "the pool is not rewritten: use errgroup.Run, or errgroup.RunWith and Options.Collect to get the errors of all tasks (docs/migrate/conc.md)")
		case owner.IsFunc(fn, concPool, "NewWithResults"):
			pass.ReportRangef(call, "the pool is not rewritten: use pool.MapSlice or errgroup.Gather, which return results in the order of the input (docs/migrate/conc.md)")
		}
	}
}
