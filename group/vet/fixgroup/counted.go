package fixgroup

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
	"github.com/coterie-go/coterie/group/vet/internal/rewrite"
)

// findCounted looks at an Add and the go statements after it. If it counts just these, the edits
// make them tasks.
func (f *fixer) findCounted(cur inspector.Cursor) {
	call, ok := cur.Node().(*ast.ExprStmt).X.(*ast.CallExpr)
	if !ok {
		return
	}
	m := owner.MethodOf(f.pass.TypesInfo, call)
	if m == nil || m.Name != "Add" || m.Call.Fun.(*ast.SelectorExpr).X != m.Owner || len(m.Fields) > 0 {
		return
	}
	c := f.found[owner.PlaceOf(f.pass.TypesInfo, m.Owner)]
	ref := m.Ref(f.pass.TypesInfo)
	if c == nil || !ref.Valid() || !rewrite.Editable(f.pass, rewrite.FileOf(cur)) {
		return
	}
	edits := []analysis.TextEdit{f.source.Delete(cur.Node())}
	var counts []*ast.CallExpr
	var lits []*ast.FuncLit
	for _, stmt := range f.counted(cur, m.Args[0]) {
		task := f.taskOf(cur, stmt, ref, f.source.Of(m.Owner))
		if task == nil {
			return
		}
		edits = append(edits, task.edits...)
		counts = append(counts, task.done)
		lits = append(lits, task.lit)
	}
	if len(lits) == 0 {
		return
	}
	c.Edits = append(c.Edits, edits...)
	f.tasks[c] = append(f.tasks[c], lits...)
	f.counts[call] = true
	for _, done := range counts {
		f.counts[done] = true
	}
}

// counted returns the go statements that an Add of n counts: the n next statements, or the one in
// the loop of n rounds that comes next. nil if that is not so plain.
func (f *fixer) counted(add inspector.Cursor, n ast.Expr) []*ast.GoStmt {
	if value := f.pass.TypesInfo.Types[n].Value; value != nil {
		number, _ := constant.Int64Val(constant.ToInt(value))
		if number < 1 || number > 20 {
			return nil
		}
		var stmts []*ast.GoStmt
		cur := add
		for range number {
			stmt, ok := rewrite.Next(cur).(*ast.GoStmt)
			if !ok {
				if number > 1 && len(stmts) == 0 {
					return f.inLoop(rewrite.Next(add), n)
				}
				return nil
			}
			stmts = append(stmts, stmt)
			cur, _ = cur.NextSibling()
		}
		return stmts
	}
	return f.inLoop(rewrite.Next(add), n)
}

// inLoop returns the go statement that each round of a loop of n rounds executes once; nil if there
// is none.
func (f *fixer) inLoop(loop ast.Node, n ast.Expr) []*ast.GoStmt {
	var body *ast.BlockStmt
	switch loop := loop.(type) {
	case *ast.RangeStmt:
		if !f.rounds(loop.X, n) {
			return nil
		}
		body = loop.Body
	case *ast.ForStmt:
		if !f.countsTo(loop, n) {
			return nil
		}
		body = loop.Body
	default:
		return nil
	}
	var found []*ast.GoStmt
	for _, stmt := range body.List {
		if stmt, ok := stmt.(*ast.GoStmt); ok {
			found = append(found, stmt)
		}
	}
	if len(found) != 1 || leaves(body) {
		return nil
	}
	return found
}

// rounds reports whether a range over x has n rounds.
func (f *fixer) rounds(x, n ast.Expr) bool {
	if !f.constant(n) {
		return false
	}
	t, ok := f.pass.TypesInfo.TypeOf(x).Underlying().(*types.Basic)
	if ok && t.Info()&types.IsInteger != 0 {
		return f.source.Of(x) == f.source.Of(n)
	}
	if _, ok := f.pass.TypesInfo.TypeOf(x).Underlying().(*types.Slice); !ok {
		return false
	}
	return f.source.Of(n) == "len("+f.source.Of(x)+")" && f.isBuiltinCall(n)
}

// countsTo reports whether a loop is for i := 0; i < n; i++.
func (f *fixer) countsTo(loop *ast.ForStmt, n ast.Expr) bool {
	init, ok := loop.Init.(*ast.AssignStmt)
	if !ok || init.Tok != token.DEFINE || len(init.Lhs) != 1 || !f.constant(n) {
		return false
	}
	i := owner.VarOf(f.pass.TypesInfo, init.Lhs[0])
	start := f.pass.TypesInfo.Types[init.Rhs[0]].Value
	cond, ok := loop.Cond.(*ast.BinaryExpr)
	if !ok || start == nil || constant.Sign(start) != 0 || cond.Op != token.LSS || owner.VarOf(f.pass.TypesInfo, cond.X) != i {
		return false
	}
	post, ok := loop.Post.(*ast.IncDecStmt)
	return ok && post.Tok == token.INC && owner.VarOf(f.pass.TypesInfo, post.X) == i &&
		f.source.Of(cond.Y) == f.source.Of(n) && !f.assigns(loop.Body, i)
}

// constant reports whether n has the same value each time: it is a constant, a local
// variable that is assigned to once, or the length of one.
func (f *fixer) constant(n ast.Expr) bool {
	if f.pass.TypesInfo.Types[n].Value != nil {
		return true
	}
	if call, ok := n.(*ast.CallExpr); ok && f.isBuiltinCall(n) && len(call.Args) == 1 {
		n = call.Args[0]
	}
	v := owner.VarOf(f.pass.TypesInfo, n)
	return owner.Local(v) && f.stable(v)
}

func (f *fixer) isBuiltinCall(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	ident, ok := call.Fun.(*ast.Ident)
	return ok && f.pass.TypesInfo.Uses[ident] == types.Universe.Lookup("len")
}

// leaves reports whether a statement of a loop's body can end a round early.
func leaves(body *ast.BlockStmt) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.BranchStmt, *ast.ReturnStmt:
			found = true
		}
		return !found
	})
	return found
}

// A task is a go statement that becomes a call of Go.
type task struct {
	lit   *ast.FuncLit
	done  *ast.CallExpr
	edits []analysis.TextEdit
}

// taskOf returns how to make stmt a task of the group that ref stands for; nil if that might change
// what it does.
func (f *fixer) taskOf(near inspector.Cursor, stmt *ast.GoStmt, ref owner.Ref, receiver string) *task {
	file := rewrite.FileOf(near)
	lit, ok := stmt.Call.Fun.(*ast.FuncLit)
	if !ok || lit.Type.Results != nil || len(lit.Body.List) == 0 || rewrite.HasComment(file, lit.End(), stmt.End()) ||
		rewrite.HasComment(file, stmt.Pos(), lit.Body.Lbrace) {
		return nil
	}
	doneStmt, done := f.doneOf(lit, ref)
	if done == nil {
		return nil
	}
	params := lit.Type.Params
	if params.NumFields() > 0 && !f.sameNames(file, lit, stmt.Call.Args) {
		return nil
	}
	edits := []analysis.TextEdit{
		{Pos: stmt.Pos(), End: lit.Pos(), NewText: []byte(receiver + ".Go(")},
		f.source.Delete(doneStmt),
		{Pos: lit.End(), End: stmt.Call.End(), NewText: []byte(")")},
	}
	if params.NumFields() > 0 {
		edits = append(edits, analysis.TextEdit{Pos: params.Opening + 1, End: params.Closing})
	}
	return &task{lit, done, edits}
}

// doneOf returns the statement by which a literal calls Done when it ends: a deferred call at its
// beginning, or a call at its end if nothing can go past that.
func (f *fixer) doneOf(lit *ast.FuncLit, ref owner.Ref) (ast.Stmt, *ast.CallExpr) {
	isDone := func(call *ast.CallExpr) bool {
		m := owner.MethodOf(f.pass.TypesInfo, call)
		return m != nil && m.Name == "Done" && m.Ref(f.pass.TypesInfo) == ref
	}
	list := lit.Body.List
	if first, ok := list[0].(*ast.DeferStmt); ok && isDone(first.Call) {
		return first, first.Call
	}
	last, ok := list[len(list)-1].(*ast.ExprStmt)
	if !ok {
		return nil, nil
	}
	call, ok := last.X.(*ast.CallExpr)
	if !ok || !isDone(call) || goesPast(lit.Body) {
		return nil, nil
	}
	return last, call
}

// goesPast reports whether a body may end elsewhere than at its end, or does something after it: a
// deferred call, which may recover, too.
func goesPast(body *ast.BlockStmt) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt, *ast.DeferStmt, *ast.LabeledStmt:
			found = true
		}
		return !found
	})
	return found
}

// sameNames reports whether each parameter of a literal has the name, the type and the value of the
// variable that is passed for it, for as long as the literal runs.
func (f *fixer) sameNames(file *ast.File, lit *ast.FuncLit, args []ast.Expr) bool {
	if rewrite.HasComment(file, lit.Type.Params.Pos(), lit.Type.Params.End()) {
		return false
	}
	i := 0
	for _, field := range lit.Type.Params.List {
		for _, name := range field.Names {
			if i >= len(args) {
				return false
			}
			param, _ := f.pass.TypesInfo.Defs[name].(*types.Var)
			arg := owner.VarOf(f.pass.TypesInfo, args[i])
			if param == nil || !owner.Local(arg) || arg.Name() != param.Name() || !types.Identical(arg.Type(), param.Type()) ||
				f.assigns(lit.Body, param) || !f.stable(arg) || !rewrite.PerIteration(f.pass, file) {
				return false
			}
			i++
		}
		if len(field.Names) == 0 {
			return false
		}
	}
	return i == len(args)
}

// stable reports whether nothing assigns to a variable after its declaration, but the post
// statement of the loop that it belongs to.
func (f *fixer) stable(v *types.Var) bool {
	for file := range f.x.Root.Children() {
		if !owner.Inside(v, file.Node()) {
			continue
		}
		for cur := range file.Preorder((*ast.ForStmt)(nil)) {
			loop := cur.Node().(*ast.ForStmt)
			if loop.Init != nil && owner.Inside(v, loop.Init) {
				return !f.assigns(loop.Body, v)
			}
		}
		return !f.assigns(file.Node(), v)
	}
	return false
}

// assigns reports whether something within n assigns to v, or takes its address.
func (f *fixer) assigns(n ast.Node, v *types.Var) bool {
	found := false
	is := func(e ast.Expr) {
		if ident, ok := e.(*ast.Ident); ok && f.pass.TypesInfo.Uses[ident] == v {
			found = true
		}
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, lhs := range n.Lhs {
				is(ast.Unparen(lhs))
			}
		case *ast.IncDecStmt:
			is(ast.Unparen(n.X))
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				is(ast.Unparen(n.X))
			}
		case *ast.RangeStmt:
			is(n.Key)
			is(n.Value)
		}
		return !found
	})
	return found
}
