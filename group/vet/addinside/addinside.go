// Package addinside reports goroutines that count themselves.
package addinside

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports an Add in the goroutine that it counts.
var Analyzer = &analysis.Analyzer{
	Name: "addinside",
	Doc: `report a WaitGroup's Add in the goroutine that it counts

A goroutine that calls Add for itself may not have got that far when another calls Wait, which
then does not wait for it. The analyzer follows the functions of the package that the goroutine
calls. It is silent where the goroutine was counted before it started, counts others, or waits
itself, and where an exported function counts its own calls.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/addinside",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("addinside", run),
}

func run(pass *analysis.Pass) (any, error) {
	x := owner.Of(pass)
	reported := make(map[token.Pos]bool)
	for _, t := range x.Tasks {
		body, env := x.Body(t)
		if body == nil {
			continue
		}
		for in, calls := range counting(x, body, env) {
			ref := in.ref
			add, ok := calls.ofItself(pass)
			if !ok || inLoop(in.body, add) || owner.Inside(ref.Root, t.Node()) || t.Ref(pass.TypesInfo) == ref || countedBefore(x, t, ref) || reported[add.Pos()] {
				continue
			}
			reported[add.Pos()] = true
			pass.ReportRangef(add, "%s.Add runs in the goroutine that it counts: a Wait that comes before it does not wait for that goroutine; "+
				"call Add before the go statement, or start the goroutine with Go of a group.Group, which counts it (docs/guide/scopes.md)", ref)
		}
	}
	return nil, nil
}

// A place is a WaitGroup and a function that uses it. A goroutine that counts itself
// calls Add and Done in one function.
type place struct {
	ref  owner.Ref
	body *ast.BlockStmt
}

// calls are what a goroutine does to one WaitGroup, in the order of the source.
type calls struct {
	add    *ast.CallExpr // the first
	done   bool          // calls Done
	others bool          // waits, or hands the WaitGroup to further goroutines
}

// counting collects what the goroutine of body does to each WaitGroup.
func counting(x *owner.Index, body *ast.BlockStmt, env owner.Env) map[place]*calls {
	found := make(map[place]*calls)
	of := func(ref owner.Ref, at owner.Site) *calls {
		in := place{ref, at.Func}
		if found[in] == nil {
			found[in] = new(calls)
		}
		return found[in]
	}
	x.Walk(body, env, func(n ast.Node, at owner.Site) {
		switch n := n.(type) {
		case *ast.GoStmt:
			ast.Inspect(n, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok && owner.KindOf(x.Info.TypeOf(e)) != nil {
					if ref := at.Ref(owner.RefOf(x.Info, e)); ref.Valid() {
						of(ref, at).others = true
					}
				}
				return true
			})
		case *ast.CallExpr:
			m := owner.MethodOf(x.Info, n)
			if m == nil || !m.Kind.Counts || at.Exported {
				return // an exported function counts its calls, in whichever goroutine
			}
			ref := at.Ref(m.Ref(x.Info))
			if !ref.Valid() {
				return
			}
			c := of(ref, at)
			switch {
			case m.Waits() || m.Starts():
				c.others = true
			case m.Name == "Add" && c.add == nil:
				c.add = n
				c.others = c.others || c.done // it was counted before
			case m.Name == "Done":
				c.done = true
				if at.Named > 0 && !at.Deferred {
					c.others = true // it counts something in between, which may end elsewhere
				}
			}
		}
	})
	return found
}

// ofItself returns the Add by which a goroutine counts itself.
func (c *calls) ofItself(pass *analysis.Pass) (*ast.CallExpr, bool) {
	if c.add == nil || !c.done || c.others {
		return nil, false
	}
	if v := pass.TypesInfo.Types[c.add.Args[len(c.add.Args)-1]].Value; v != nil && v.ExactString() != "1" {
		return nil, false
	}
	return c.add, true
}

// inLoop reports whether n runs several times in one call of the function: it counts rounds then.
func inLoop(body *ast.BlockStmt, n ast.Node) bool {
	found := false
	ast.Inspect(body, func(loop ast.Node) bool {
		switch loop.(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			if loop.Pos() <= n.Pos() && n.End() <= loop.End() {
				found = true
			}
		}
		return !found
	})
	return found
}

// countedBefore reports whether the function that starts the task counts with the same WaitGroup
// before, which may be for the task.
func countedBefore(x *owner.Index, t *owner.Task, ref owner.Ref) bool {
	body := owner.Enclosing(t.Cur)
	if body == nil {
		return false
	}
	found := false
	x.WalkInline(body, func(n ast.Node, at owner.Site) {
		call, ok := n.(*ast.CallExpr)
		if !ok || call.Pos() > t.Node().Pos() {
			return
		}
		if m := owner.MethodOf(x.Info, call); m != nil && m.Kind.Counts && m.Name == "Add" && m.Ref(x.Info) == ref {
			found = true
		}
	})
	return found
}
