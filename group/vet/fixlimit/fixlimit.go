// Package fixlimit makes a channel that limits the tasks of a group the group's Limit.
package fixlimit

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
	"github.com/coterie-go/coterie/group/vet/internal/rewrite"
)

// Analyzer rewrites channels of which each task of a group takes a slot.
var Analyzer = &analysis.Analyzer{
	Name: "fixlimit",
	Doc: `make a channel that limits the tasks of a group the group's Limit

	slots := make(chan struct{}, 5)        g := group.New(group.Options{Limit: 5})
	slots <- struct{}{}                    g.Go(func() {
	g.Go(func() {                              ...
		defer func() { <-slots }()         })
		...
	})

The fix is offered where the group and the channel are variables of one function, the channel
has no other use, each task takes a slot right before it starts and gives it back by its first
deferred call, and there is certainly at least one slot.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/fixlimit",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	f := &fixer{pass, owner.Of(pass), rewrite.NewSource(pass)}
	for cur := range f.x.Root.Preorder((*ast.AssignStmt)(nil)) {
		if size, slots := f.slots(cur.Node().(*ast.AssignStmt)); slots != nil {
			f.check(cur, slots, size)
		}
	}
	return nil, nil
}

type fixer struct {
	pass   *analysis.Pass
	x      *owner.Index
	source *rewrite.Source
}

// slots returns the variable of slots := make(chan struct{}, size).
func (f *fixer) slots(assign *ast.AssignStmt) (size ast.Expr, slots *types.Var) {
	if assign.Tok != token.DEFINE || len(assign.Lhs) != 1 {
		return nil, nil
	}
	call, ok := assign.Rhs[0].(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return nil, nil
	}
	ident, ok := call.Fun.(*ast.Ident)
	if !ok || f.pass.TypesInfo.Uses[ident] != types.Universe.Lookup("make") {
		return nil, nil
	}
	if _, ok := f.pass.TypesInfo.TypeOf(call).Underlying().(*types.Chan); !ok {
		return nil, nil
	}
	return call.Args[1], owner.VarOf(f.pass.TypesInfo, assign.Lhs[0])
}

// check offers the fix for one channel, if some group is limited by it.
func (f *fixer) check(decl inspector.Cursor, slots *types.Var, size ast.Expr) {
	body := owner.Enclosing(decl)
	if body == nil || decl.Parent().Node() != body || !rewrite.Editable(f.pass, rewrite.FileOf(decl)) {
		return
	}
	var group *types.Var
	edits := []analysis.TextEdit{}
	slotUses := 0
	for _, t := range f.x.Tasks {
		if t.Method == nil || t.Method.Name != "Go" || t.Kind.Path != owner.Group || !owner.Inside(slots, body) ||
			t.Node().Pos() < body.Pos() || t.Node().End() > body.End() {
			continue
		}
		taken := f.slotOf(t, slots)
		if taken == nil {
			continue
		}
		g := owner.VarOf(f.pass.TypesInfo, t.Owner)
		if g == nil || group != nil && g != group {
			return
		}
		group = g
		slotUses += 2
		edits = append(edits, taken...)
	}
	if group == nil {
		return
	}
	leave := func(reason string) {
		f.pass.ReportRangef(decl.Node(), "%s limits %s and is not rewritten: %s; use group.Options{Limit: ...} instead of it (docs/migrate/waitgroup.md)", slots.Name(), group.Name(), reason)
	}
	declared := f.declaration(body, group)
	switch {
	case declared == nil:
		leave("the group is not declared in the same block by var " + group.Name() + " group.Group")
	case !rewrite.Positive(f.pass.TypesInfo, size):
		leave("its capacity may be 0, and a Limit of 0 means no limit")
	case f.uses(body, slots) != slotUses:
		leave("it has other uses")
	case f.tasks(group) != slotUses/2:
		leave("some tasks do not send to it")
	case f.usedBefore(body, group, decl.Node().Pos()):
		leave("the group is used before the channel is made")
	default:
		pkg, imports := rewrite.Import(f.pass, rewrite.FileOf(decl), owner.Group)
		edits = append(edits, imports...)
		edits = append(edits, f.source.Delete(declared), analysis.TextEdit{
			Pos: decl.Node().Pos(), End: decl.Node().End(),
			NewText: []byte(group.Name() + " := " + pkg + ".New(" + pkg + ".Options{Limit: " + f.source.Of(size) + "})"),
		})
		f.pass.Report(analysis.Diagnostic{
			Pos: decl.Node().Pos(), End: decl.Node().End(),
			Message:        "the Limit of " + group.Name() + " can replace " + slots.Name() + ", so that no task can forget to give its slot back (docs/migrate/waitgroup.md)",
			SuggestedFixes: []analysis.SuggestedFix{{Message: "Use the group's Limit", TextEdits: edits}},
		})
	}
}

// slotOf returns the edits that delete how a task takes a slot and gives it back; nil if it does
// neither as the fix needs it.
func (f *fixer) slotOf(t *owner.Task, slots *types.Var) []analysis.TextEdit {
	lit, ok := t.Func.(*ast.FuncLit)
	if !ok || len(lit.Body.List) == 0 {
		return nil
	}
	previous, ok := t.Cur.Parent().PrevSibling()
	if !ok {
		return nil
	}
	send, ok := previous.Node().(*ast.SendStmt)
	if !ok || owner.VarOf(f.pass.TypesInfo, send.Chan) != slots || rewrite.Next(previous) != t.Cur.Parent().Node() {
		return nil
	}
	if _, ok := send.Value.(*ast.CompositeLit); !ok {
		return nil
	}
	back, ok := lit.Body.List[0].(*ast.DeferStmt)
	if !ok || !f.receives(back.Call, slots) {
		return nil
	}
	return []analysis.TextEdit{f.source.Delete(send), f.source.Delete(back)}
}

// receives reports whether a call is func() { <-slots }().
func (f *fixer) receives(call *ast.CallExpr, slots *types.Var) bool {
	lit, ok := call.Fun.(*ast.FuncLit)
	if !ok || len(lit.Body.List) != 1 {
		return false
	}
	stmt, ok := lit.Body.List[0].(*ast.ExprStmt)
	if !ok {
		return false
	}
	receive, ok := stmt.X.(*ast.UnaryExpr)
	return ok && receive.Op == token.ARROW && owner.VarOf(f.pass.TypesInfo, receive.X) == slots
}

// declaration returns the statement var g group.Group of a body; nil if there is none.
func (f *fixer) declaration(body *ast.BlockStmt, group *types.Var) ast.Stmt {
	for _, stmt := range body.List {
		decl, ok := stmt.(*ast.DeclStmt)
		if !ok {
			continue
		}
		gen := decl.Decl.(*ast.GenDecl)
		if len(gen.Specs) != 1 {
			continue
		}
		spec, ok := gen.Specs[0].(*ast.ValueSpec)
		if ok && len(spec.Names) == 1 && len(spec.Values) == 0 && f.pass.TypesInfo.Defs[spec.Names[0]] == group {
			if _, pointer := group.Type().(*types.Pointer); !pointer {
				return stmt
			}
		}
	}
	return nil
}

// uses counts the uses of a variable.
func (f *fixer) uses(body *ast.BlockStmt, v *types.Var) int {
	count := 0
	ast.Inspect(body, func(n ast.Node) bool {
		if ident, ok := n.(*ast.Ident); ok && f.pass.TypesInfo.Uses[ident] == v {
			count++
		}
		return true
	})
	return count
}

// tasks counts the tasks that the package starts in a group. Where the group is passed on the count
// is too high for a fix.
func (f *fixer) tasks(group *types.Var) int {
	count := 0
	for cur := range f.x.Root.Preorder((*ast.Ident)(nil)) {
		if f.pass.TypesInfo.Uses[cur.Node().(*ast.Ident)] != group {
			continue
		}
		sel, ok := cur.Parent().Node().(*ast.SelectorExpr)
		call, called := cur.Parent().Parent().Node().(*ast.CallExpr)
		if !ok || !called || call.Fun != sel || sel.Sel.Name != "Wait" && sel.Sel.Name != "WaitContext" && sel.Sel.Name != "Running" {
			count++
		}
	}
	return count
}

// usedBefore reports whether a variable is used before a place.
func (f *fixer) usedBefore(body *ast.BlockStmt, v *types.Var, pos token.Pos) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		if ident, ok := n.(*ast.Ident); ok && f.pass.TypesInfo.Uses[ident] == v && ident.Pos() < pos {
			found = true
		}
		return !found
	})
	return found
}
