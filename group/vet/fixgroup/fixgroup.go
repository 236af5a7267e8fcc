// Package fixgroup makes a sync.WaitGroup a group.Group.
package fixgroup

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"

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
ends who waits. A WaitGroup that is passed on, exported or used in another way is left alone, and
the report says where.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/fixgroup",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      run,
}

type fixer struct {
	pass   *analysis.Pass
	x      *owner.Index
	source *rewrite.Source
	found  map[*types.Var]*candidate
	order  []*candidate
}

// A candidate is a WaitGroup, with the edits that make it a Group.
type candidate struct {
	v      *types.Var
	at     *ast.Ident // where it is declared
	edits  []analysis.TextEdit
	counts map[*ast.CallExpr]bool // calls of Add and Done that the edits delete
	tasks  []*ast.FuncLit         // literals that become tasks
	reason string                 // why it is left alone
	where  token.Pos
}

// leave notes why the WaitGroup is left alone.
func (c *candidate) leave(at ast.Node, reason string) {
	if c.reason == "" {
		c.reason, c.where = reason, at.Pos()
	}
}

func run(pass *analysis.Pass) (any, error) {
	f := &fixer{pass, owner.Of(pass), rewrite.NewSource(pass), make(map[*types.Var]*candidate), nil}
	f.findDeclarations()
	if len(f.order) == 0 {
		return nil, nil
	}
	for cur := range f.x.Root.Preorder((*ast.ExprStmt)(nil)) {
		f.findCounted(cur)
	}
	for cur := range f.x.Root.Preorder((*ast.Ident)(nil)) {
		if v, ok := pass.TypesInfo.Uses[cur.Node().(*ast.Ident)].(*types.Var); ok && f.found[v.Origin()] != nil {
			f.checkUse(f.found[v.Origin()], cur)
		}
	}
	for _, c := range f.order {
		f.report(c)
	}
	return nil, nil
}

// findDeclarations finds the WaitGroups, and how to declare them as Groups.
func (f *fixer) findDeclarations() {
	for cur := range f.x.Root.Preorder((*ast.Ident)(nil)) {
		ident := cur.Node().(*ast.Ident)
		v, ok := f.pass.TypesInfo.Defs[ident].(*types.Var)
		if !ok || !owner.IsType(v.Type(), "sync", "WaitGroup") || isParameter(cur) {
			continue
		}
		c := &candidate{v: v, at: ident, counts: make(map[*ast.CallExpr]bool)}
		f.found[v] = c
		f.order = append(f.order, c)
		file := rewrite.FileOf(cur)
		switch typ := f.typeExpr(cur); {
		case rewrite.Exported(v):
			c.leave(ident, "code of other packages can use it")
		case typ == nil:
			c.leave(ident, "it is declared in another way than by its type")
		case !owner.Local(v) && rewrite.Ignored(f.pass, v.Name()):
			c.leave(ident, "a file that is not part of this build may use it")
		case !rewrite.Editable(f.pass, file):
			c.leave(ident, "its file is generated")
		default:
			name, imports := rewrite.Import(f.pass, file, owner.Group)
			c.edits = append(imports, analysis.TextEdit{Pos: typ.Pos(), End: typ.End(), NewText: []byte(name + ".Group")})
		}
	}
}

func isParameter(ident inspector.Cursor) bool {
	field := ident.Parent()
	if _, ok := field.Node().(*ast.Field); !ok {
		return false
	}
	_, fieldOfStruct := field.Parent().Parent().Node().(*ast.StructType)
	return !fieldOfStruct
}

// typeExpr returns the expression sync.WaitGroup in the declaration of a variable or
// a field; nil if it has another form.
func (f *fixer) typeExpr(ident inspector.Cursor) ast.Expr {
	switch decl := ident.Parent().Node().(type) {
	case *ast.Field:
		if len(decl.Names) == 1 {
			return f.waitGroup(decl.Type)
		}
	case *ast.ValueSpec:
		switch {
		case len(decl.Names) != 1:
		case len(decl.Values) == 0:
			return f.waitGroup(decl.Type)
		case decl.Type == nil:
			return f.made(decl.Values[0])
		}
	case *ast.AssignStmt:
		if len(decl.Lhs) == 1 && decl.Tok == token.DEFINE {
			return f.made(decl.Rhs[0])
		}
	}
	return nil
}

// waitGroup returns e if it is the type sync.WaitGroup itself.
func (f *fixer) waitGroup(e ast.Expr) ast.Expr {
	if _, pointer := e.(*ast.StarExpr); pointer || e == nil {
		return nil
	}
	return e
}

// made returns the type in sync.WaitGroup{}, &sync.WaitGroup{} and
// new(sync.WaitGroup).
func (f *fixer) made(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			return f.made(e.X)
		}
	case *ast.CompositeLit:
		return e.Type
	case *ast.CallExpr:
		if ident, ok := e.Fun.(*ast.Ident); ok && f.pass.TypesInfo.Uses[ident] == types.Universe.Lookup("new") {
			return e.Args[0]
		}
	}
	return nil
}

// checkUse leaves a WaitGroup alone that is used in a way which is not understood.
func (f *fixer) checkUse(c *candidate, ident inspector.Cursor) {
	e := rewrite.Deepest(ident)
	sel, ok := e.Parent().Node().(*ast.SelectorExpr)
	call, called := e.Parent().Parent().Node().(*ast.CallExpr)
	if !ok || !called || call.Fun != sel {
		c.leave(ident.Node(), "it is passed on, copied or assigned")
		return
	}
	switch sel.Sel.Name {
	case "Go":
		if kind, _ := e.Parent().Parent().ParentEdge(); kind != edge.ExprStmt_X && kind != edge.DeferStmt_Call {
			c.leave(call, "Go stands in a go statement")
		} else if lit, ok := ast.Unparen(call.Args[0]).(*ast.FuncLit); ok {
			c.tasks = append(c.tasks, lit)
		}
	case "Wait":
	default:
		if !c.counts[call] {
			c.leave(call, sel.Sel.Name+" does not count a function literal that is started next to it")
		}
	}
}

// report offers the fix, or says why there is none.
func (f *fixer) report(c *candidate) {
	for _, lit := range c.tasks {
		if reason, at := f.unfit(c, lit); reason != "" {
			c.leave(at, reason)
		}
	}
	if c.reason != "" {
		f.pass.ReportRangef(c.at, "%s is left a sync.WaitGroup: line %d: %s (docs/migrate/waitgroup.md)",
			c.at.Name, f.pass.Fset.Position(c.where).Line, c.reason)
		return
	}
	slices.SortFunc(c.edits, func(a, b analysis.TextEdit) int { return int(a.Pos - b.Pos) })
	f.pass.Report(analysis.Diagnostic{
		Pos: c.at.Pos(), End: c.at.End(),
		Message: fmt.Sprintf("%s can be a group.Group, which counts its tasks itself and raises their panics in Wait (docs/migrate/waitgroup.md)", c.at.Name),
		SuggestedFixes: []analysis.SuggestedFix{{
			Message: "Make it a group.Group", TextEdits: slices.CompactFunc(c.edits, sameEdit),
		}},
	})
}

func sameEdit(a, b analysis.TextEdit) bool {
	return a.Pos == b.Pos && a.End == b.End && string(a.NewText) == string(b.NewText)
}

// unfit says why a literal cannot be a task, and where; "" if it can.
func (f *fixer) unfit(c *candidate, lit *ast.FuncLit) (reason string, at ast.Node) {
	locks := false
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || reason != "" {
			return reason == ""
		}
		fn := owner.Callee(f.pass.TypesInfo, call)
		switch {
		case owner.IsFunc(fn, "runtime", "LockOSThread", "UnlockOSThread"):
			locks = !locks
			at = call
		case owner.IsFunc(fn, "runtime/pprof", "SetGoroutineLabels"):
			reason, at = "the task leaves marks on its goroutine, which others may share", call
		}
		if m := owner.MethodOf(f.pass.TypesInfo, call); m != nil && m.Waits() && owner.PlaceOf(f.pass.TypesInfo, m.Owner) == c.v {
			reason, at = "a task of its own waits for it", call
		}
		return true
	})
	if locks && reason == "" {
		reason = "the task leaves marks on its goroutine, which others may share"
	}
	return reason, at
}
