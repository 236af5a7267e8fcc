// Package fixrun makes an errgroup that one function starts and waits for a scope.
package fixrun

import (
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

// Analyzer rewrites errgroup.WithContext ... Wait to errgroup.Run.
var Analyzer = &analysis.Analyzer{
	Name: "fixrun",
	Doc: `make errgroup.WithContext ... Wait a call of errgroup.Run

	g, ctx := errgroup.WithContext(ctx)    return errgroup.Run(ctx, func(ctx context.Context, g *errgroup.Group) error {
	g.Go(...)                                  g.Go(...)
	return g.Wait()                            return nil
	                                       })

The statements between the two become the body of the scope, which cannot be left without
waiting. So none of them may return, jump or defer, the group may only be used to start tasks,
and what they declare, like the group's context, must not be used later.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/fixrun",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	for cur := range owner.Of(pass).Root.Preorder((*ast.AssignStmt)(nil)) {
		if f := newFixer(pass, cur); f != nil {
			f.fix()
		}
	}
	return nil, nil
}

// A fixer looks at one group, from where it is made to where it is waited for.
type fixer struct {
	pass    *analysis.Pass
	source  *rewrite.Source
	made    inspector.Cursor // g, ctx := errgroup.WithContext(parent)
	call    *ast.CallExpr    // errgroup.WithContext(parent)
	g, ctx  *types.Var       // ctx is nil if it is blank
	between []inspector.Cursor
	last    inspector.Cursor // the statement that waits
	wait    *ast.CallExpr
}

// newFixer returns a fixer for a statement that makes a group, if it can find all that belongs to
// it.
func newFixer(pass *analysis.Pass, cur inspector.Cursor) *fixer {
	assign := cur.Node().(*ast.AssignStmt)
	if assign.Tok != token.DEFINE || len(assign.Lhs) != 2 || len(assign.Rhs) != 1 {
		return nil
	}
	call, ok := assign.Rhs[0].(*ast.CallExpr)
	if !ok || !owner.IsFunc(owner.Callee(pass.TypesInfo, call), owner.Errgroup, "WithContext") {
		return nil
	}
	kind, _ := cur.ParentEdge()
	if !slices.Contains([]edge.Kind{edge.BlockStmt_List, edge.CaseClause_Body, edge.CommClause_Body}, kind) {
		return nil
	}
	f := &fixer{pass: pass, source: rewrite.NewSource(pass), made: cur, call: call}
	f.g = owner.VarOf(pass.TypesInfo, assign.Lhs[0])
	if ident, ok := assign.Lhs[1].(*ast.Ident); ok && ident.Name != "_" {
		f.ctx = owner.VarOf(pass.TypesInfo, ident)
	}
	if f.g == nil || !rewrite.Editable(pass, rewrite.FileOf(cur)) {
		return nil
	}
	for next, ok := cur.NextSibling(); ok; next, ok = next.NextSibling() {
		if kind, _ := next.ParentEdge(); !slices.Contains([]edge.Kind{edge.BlockStmt_List, edge.CaseClause_Body, edge.CommClause_Body}, kind) {
			break
		}
		if f.wait = f.waitIn(next.Node()); f.wait != nil {
			f.last = next
			break
		}
		f.between = append(f.between, next)
	}
	if f.wait == nil || len(f.between) == 0 {
		return nil
	}
	return f
}

// waitIn returns the call of Wait in return g.Wait(), err := g.Wait(), g.Wait() and if
// err := g.Wait(); err != nil; nil if the statement has another form.
func (f *fixer) waitIn(stmt ast.Node) *ast.CallExpr {
	var e ast.Expr
	switch stmt := stmt.(type) {
	case *ast.ReturnStmt:
		if len(stmt.Results) == 1 {
			e = stmt.Results[0]
		}
	case *ast.ExprStmt:
		e = stmt.X
	case *ast.AssignStmt:
		if len(stmt.Lhs) == 1 && len(stmt.Rhs) == 1 {
			e = stmt.Rhs[0]
		}
	case *ast.IfStmt:
		if init, ok := stmt.Init.(*ast.AssignStmt); ok && len(init.Lhs) == 1 && len(init.Rhs) == 1 {
			e = init.Rhs[0]
		}
	}
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return nil
	}
	if m := owner.MethodOf(f.pass.TypesInfo, call); m != nil && m.Name == "Wait" && owner.VarOf(f.pass.TypesInfo, m.Owner) == f.g {
		return call
	}
	return nil
}

// fix offers the fix, or says why there is none.
func (f *fixer) fix() {
	qualifier, ok := f.call.Fun.(*ast.SelectorExpr)
	contextName := importName(f.pass, rewrite.FileOf(f.made), "context")
	reason := f.unfit()
	switch {
	case reason != "":
	case !ok || contextName == "":
		reason = "the file does not import context and errgroup by a name"
	}
	if reason != "" {
		f.pass.ReportRangef(f.made.Node(), "%s is not rewritten to errgroup.Run: %s (docs/guide/scopes.md)", f.g.Name(), reason)
		return
	}
	pkg := f.source.Of(qualifier.X)
	ctx := "_"
	if f.ctx != nil {
		ctx = f.ctx.Name()
	}
	before := f.source.Text(f.last.Node().Pos(), f.wait.Pos()) // "return ", "err := "
	head := before + pkg + ".Run(" + f.source.Of(f.call.Args[0]) + ", func(" + ctx + " " + contextName + ".Context, " + f.g.Name() + " *" + pkg + ".Group) error {"
	f.pass.Report(analysis.Diagnostic{
		Pos: f.made.Node().Pos(), End: f.made.Node().End(),
		Message: f.g.Name() + " can be the group of errgroup.Run, which always waits (docs/guide/scopes.md)",
		SuggestedFixes: []analysis.SuggestedFix{{Message: "Use errgroup.Run", TextEdits: []analysis.TextEdit{
			{Pos: f.made.Node().Pos(), End: f.made.Node().End(), NewText: []byte(head)},
			{Pos: f.last.Node().Pos(), End: f.wait.End(), NewText: []byte("return nil\n})")},
		}}},
	})
}

func importName(pass *analysis.Pass, file *ast.File, path string) string {
	for _, spec := range file.Imports {
		if name := pass.TypesInfo.PkgNameOf(spec); name != nil && name.Imported().Path() == path && name.Name() != "." && name.Name() != "_" {
			return name.Name()
		}
	}
	return ""
}

// unfit says why the statements between cannot be the body of a scope; "" if they can.
func (f *fixer) unfit() string {
	file := rewrite.FileOf(f.made)
	if rewrite.HasComment(file, f.last.Node().Pos(), f.wait.End()) || rewrite.HasComment(file, f.made.Node().Pos(), f.made.Node().End()) {
		return "a comment stands where the fix would edit"
	}
	for _, stmt := range f.between {
		if reason := f.jumps(stmt); reason != "" {
			return reason
		}
		if assign, ok := stmt.Node().(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
			for _, lhs := range assign.Lhs {
				if ident, ok := lhs.(*ast.Ident); ok && ident.Name != "_" && f.pass.TypesInfo.Defs[ident] == nil {
					return ident.Name + " is assigned with :=, which would declare a new variable in the function of Run"
				}
			}
		}
	}
	return f.badUse()
}

// jumps says how a statement may leave the body otherwise than at its end.
func (f *fixer) jumps(stmt inspector.Cursor) (reason string) {
	ast.Inspect(stmt.Node(), func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			reason = "a statement before Wait returns"
		case *ast.DeferStmt:
			reason = "a deferred call would run earlier"
		case *ast.LabeledStmt:
			reason = "a statement before Wait has a label"
		case *ast.BranchStmt:
			if n.Label != nil || n.Tok == token.GOTO || !f.staysInside(stmt, n) {
				reason = "a statement before Wait jumps out of the body"
			}
		case *ast.CallExpr:
			if ident, ok := n.Fun.(*ast.Ident); ok && f.pass.TypesInfo.Uses[ident] == types.Universe.Lookup("recover") {
				reason = "recover works only in a deferred function"
			}
		}
		return reason == ""
	})
	return reason
}

// staysInside reports whether a break, continue or fallthrough belongs to a statement within stmt.
func (f *fixer) staysInside(stmt inspector.Cursor, branch *ast.BranchStmt) bool {
	cur, ok := stmt.FindNode(branch)
	if !ok {
		return false
	}
	for outer := range cur.Enclosing() {
		switch outer.Node().(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			return true
		case *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
			if branch.Tok != token.CONTINUE {
				return true
			}
		}
		if outer == stmt {
			break
		}
	}
	return false
}

// badUse says how the group, its context or what the statements declare is used where the scope
// does not reach, or in a way that the scope forbids.
func (f *fixer) badUse() string {
	info := f.pass.TypesInfo
	start, end := f.made.Node().End(), f.last.Node().Pos()
	redeclared := f.ctx != nil && info.Defs[f.made.Node().(*ast.AssignStmt).Lhs[1].(*ast.Ident)] == nil
	decl := owner.Outermost(f.made)
	if decl == nil {
		return "it is not in a function"
	}
	reason := ""
	for cur := range f.made.Parent().Preorder((*ast.Ident)(nil)) {
		ident := cur.Node().(*ast.Ident)
		obj := info.Uses[ident]
		if obj == nil || ident == f.wait.Fun.(*ast.SelectorExpr).X {
			continue
		}
		inside := start <= ident.Pos() && ident.Pos() < end
		switch {
		case obj == f.g && !f.startsTask(cur):
			reason = f.g.Name() + " is used for more than starting tasks"
		case obj == f.g && !inside:
			reason = f.g.Name() + " is used after Wait"
		case f.ctx != nil && obj == f.ctx && ident.Pos() >= end:
			reason = f.ctx.Name() + " is used after Wait"
		case start <= obj.Pos() && obj.Pos() < end && !inside && obj.Parent() != types.Universe:
			reason = obj.Name() + " is declared before Wait and used after it"
		}
		if reason != "" {
			return reason
		}
	}
	if redeclared {
		ast.Inspect(decl, func(n ast.Node) bool { // closures from before would see another context
			ident, ok := n.(*ast.Ident)
			if ok && info.Uses[ident] == f.ctx && (ident.Pos() >= end || ident.Pos() < f.made.Node().Pos() && inLiteral(decl, ident)) {
				reason = f.ctx.Name() + " is declared before WithContext and used elsewhere"
			}
			return reason == ""
		})
	}
	return reason
}

// inLiteral reports whether an identifier stands in a function literal.
func inLiteral(decl *ast.FuncDecl, ident *ast.Ident) bool {
	found := false
	ast.Inspect(decl, func(n ast.Node) bool {
		if lit, ok := n.(*ast.FuncLit); ok && lit.Pos() <= ident.Pos() && ident.End() <= lit.End() {
			found = true
		}
		return !found
	})
	return found
}

// startsTask reports whether the group is the receiver of a call that starts a task or sets the
// limit.
func (f *fixer) startsTask(ident inspector.Cursor) bool {
	sel, ok := ident.Parent().Node().(*ast.SelectorExpr)
	if !ok || sel.X != ident.Node() {
		return false
	}
	call, ok := ident.Parent().Parent().Node().(*ast.CallExpr)
	return ok && call.Fun == sel && slices.Contains([]string{"Go", "TryGo", "GoContext", "GoNamed", "Background", "SetLimit", "Cancel"}, sel.Sel.Name)
}
