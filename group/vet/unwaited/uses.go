package unwaited

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// uses are what a function does with an owner.
type uses struct {
	v       types.Object
	c       *checker
	begins  map[ast.Node]bool // calls and go statements that start tasks
	ends    map[ast.Node]bool // calls that wait
	settles map[ast.Node]bool // defer statements that wait
	waits   bool              // there is a Wait on some path
	escapes bool              // somebody else may wait

	beginConditions, endConditions map[string]bool
}

// usesOf looks at each use of v in the function at cur, its literals included.
func (c *checker) usesOf(cur inspector.Cursor, v types.Object) *uses {
	u := &uses{
		v: v, c: c,
		begins: make(map[ast.Node]bool), ends: make(map[ast.Node]bool), settles: make(map[ast.Node]bool),
		beginConditions: make(map[string]bool), endConditions: make(map[string]bool),
	}
	for ident := range cur.Preorder((*ast.Ident)(nil)) {
		if c.pass.TypesInfo.Uses[ident.Node().(*ast.Ident)] == v {
			u.add(cur, ident)
		}
	}
	return u
}

// add notes one use of the owner in the function at cur.
func (u *uses) add(cur, ident inspector.Cursor) {
	info := u.c.pass.TypesInfo
	e := ident // the largest expression that is the owner, or a pointer to it
	for {
		switch e.Parent().Node().(type) {
		case *ast.ParenExpr, *ast.StarExpr, *ast.UnaryExpr:
			e = e.Parent()
			continue
		}
		break
	}
	switch parent := e.Parent().Node().(type) {
	case *ast.SelectorExpr:
		call, ok := e.Parent().Parent().Node().(*ast.CallExpr)
		m := owner.Selected(info, parent)
		if m == nil || !ok || ast.Unparen(call.Fun) != parent {
			u.escapes = true // a method value
			return
		}
		u.addCall(cur, e.Parent().Parent(), m)
	case *ast.CallExpr:
		if m := owner.MethodOf(info, parent); m != nil && owner.RefOf(info, m.Owner).Root == u.v {
			u.addCall(cur, e.Parent(), m) // a method expression
			return
		}
		u.addArgument(cur, e)
	case *ast.AssignStmt:
		kind, i := e.ParentEdge()
		if kind == edge.AssignStmt_Rhs && (len(parent.Lhs) != len(parent.Rhs) || !isBlank(parent.Lhs[i])) {
			u.escapes = true
		}
	default:
		u.escapes = true
	}
}

// addPool notes the Waits for the pool of a batch, which are for its tasks, too.
func (u *uses) addPool(cur inspector.Cursor, batch *types.Var) {
	info := u.c.pass.TypesInfo
	value, _ := owner.Assigned(info, cur.Node(), batch)
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return
	}
	made := owner.MethodOf(info, call)
	if made == nil || made.Name != "Batch" {
		return
	}
	pool := made.Ref(info)
	if !pool.Valid() {
		return
	}
	for c := range cur.Preorder((*ast.CallExpr)(nil)) {
		m := owner.MethodOf(info, c.Node().(*ast.CallExpr))
		if m != nil && m.Waits() && m.Ref(info) == pool {
			u.addWait(cur, c)
		}
	}
}

func isBlank(e ast.Expr) bool {
	ident, ok := e.(*ast.Ident)
	return ok && ident.Name == "_"
}

// addCall notes a call of a method of the owner.
func (u *uses) addCall(cur, call inspector.Cursor, m *owner.Method) {
	switch {
	case m.Waits():
		u.addWait(cur, call)
	case (m.Name == "TryGo" || m.Name == "GoContext") && !ignored(call):
		// Whether there is a task depends on the result.
	case m.Starts():
		u.addBegin(cur, call, call.Node())
	case m.Name == "Done":
		u.addGo(cur, call)
	}
}

// ignored reports whether nobody looks at the result of a call.
func ignored(call inspector.Cursor) bool {
	switch parent := call.Parent().Node().(type) {
	case *ast.ExprStmt:
		return true
	case *ast.AssignStmt:
		return len(parent.Lhs) == 1 && isBlank(parent.Lhs[0])
	}
	return false
}

// addArgument notes that the owner is passed to a function.
func (u *uses) addArgument(cur, arg inspector.Cursor) {
	info := u.c.pass.TypesInfo
	call := arg.Parent().Node().(*ast.CallExpr)
	kind, i := arg.ParentEdge()
	fn := owner.Callee(info, call)
	switch {
	case kind != edge.CallExpr_Args || fn == nil:
		u.escapes = true
	case owner.IsFunc(fn, owner.Group, "Fork") || owner.IsFunc(fn, owner.Errgroup, "Fork") || owner.IsFunc(fn, owner.Pool, "Submit"):
		if _, statement := arg.Parent().Parent().Node().(*ast.ExprStmt); statement {
			u.addBegin(cur, arg.Parent(), call)
		} // otherwise the future may be waited for
	default:
		fact := new(starts)
		if !u.c.pass.ImportObjectFact(fn, fact) || !fact.has(i) {
			u.escapes = true
			return
		}
		if _, ok := arg.Parent().Parent().Node().(*ast.GoStmt); ok || !owner.KindOf(u.v.Type()).Counts || fact.Tasks {
			u.addBegin(cur, arg.Parent(), call)
		}
	}
}

// addGo notes a Done in a goroutine, which shows that the owner counts that.
func (u *uses) addGo(cur, done inspector.Cursor) {
	for f := range done.Enclosing((*ast.GoStmt)(nil)) {
		if owner.Inside(u.v, f.Node()) {
			return
		}
		u.addBegin(cur, f, f.Node())
		return
	}
}

// addBegin notes that n starts a task, if that happens in the function itself: what a literal does
// happens nobody knows when.
func (u *uses) addBegin(cur, at inspector.Cursor, n ast.Node) {
	if !u.onPath(cur, at) {
		return
	}
	if u.countedElsewhere(at) {
		u.escapes = true
		return
	}
	u.begins[n] = true
	for _, condition := range conditions(cur, at) {
		u.beginConditions[condition] = true
	}
}

// countedElsewhere reports whether a task that starts at at calls Done of another owner,
// whose Wait may stand for that of this one.
func (u *uses) countedElsewhere(at inspector.Cursor) bool {
	info := u.c.pass.TypesInfo
	for c := range at.Preorder((*ast.CallExpr)(nil)) {
		m := owner.MethodOf(info, c.Node().(*ast.CallExpr))
		if m == nil || m.Name != "Done" {
			continue
		}
		if other := m.Ref(info); other.Valid() && other.Root != u.v && !owner.Inside(other.Root, at.Node()) {
			return true
		}
	}
	return false
}

func (u *uses) addWait(cur, call inspector.Cursor) {
	u.waits = true
	if stmt, ok := u.deferred(cur, call); ok {
		u.settles[stmt] = true
	} else if u.onPath(cur, call) && !isGo(call) {
		u.ends[call.Node()] = true
	} else {
		u.escapes = true
		return
	}
	for _, condition := range conditions(cur, call) {
		u.endConditions[condition] = true
	}
}

func isGo(call inspector.Cursor) bool {
	kind, _ := call.ParentEdge()
	return kind == edge.GoStmt_Call
}

// deferred returns the defer statement of the function at cur that leads to at.
func (u *uses) deferred(cur, at inspector.Cursor) (ast.Node, bool) {
	for f := range at.Enclosing((*ast.DeferStmt)(nil), (*ast.FuncLit)(nil), (*ast.FuncDecl)(nil)) {
		switch f.Node().(type) {
		case *ast.DeferStmt:
			if u.onPath(cur, f) {
				return f.Node(), true
			}
		case *ast.FuncLit:
			if kind, _ := f.ParentEdge(); kind != edge.CallExpr_Fun || f == cur {
				return nil, false
			}
		case *ast.FuncDecl:
			return nil, false
		}
	}
	return nil, false
}

// onPath reports whether at runs in the function at cur itself, or in a literal that it calls on
// the spot.
func (u *uses) onPath(cur, at inspector.Cursor) bool {
	for f := range at.Enclosing((*ast.FuncLit)(nil), (*ast.FuncDecl)(nil)) {
		if f == cur {
			return true
		}
		if kind, _ := f.ParentEdge(); kind != edge.CallExpr_Fun {
			return false
		}
		switch kind, _ := f.Parent().ParentEdge(); kind {
		case edge.GoStmt_Call, edge.DeferStmt_Call:
			return false
		}
	}
	return false
}

// conditions returns the conditions of the if statements around at.
func conditions(cur, at inspector.Cursor) []string {
	var found []string
	for f := range at.Enclosing((*ast.IfStmt)(nil)) {
		if !cur.Contains(f) {
			break
		}
		if stmt := f.Node().(*ast.IfStmt); stmt.Cond.End() < at.Node().Pos() {
			found = append(found, types.ExprString(stmt.Cond))
		}
	}
	return found
}

// conditional reports whether a task starts and is waited for under the same condition: a path that
// takes one branch and not the other is none.
func (u *uses) conditional() bool {
	for condition := range u.beginConditions {
		if u.endConditions[condition] {
			return true
		}
	}
	return false
}

// effects says for a node of the control-flow graph what it does to the owner.
func (u *uses) effects(n ast.Node) []owner.Effect {
	if u.settles[n] {
		return []owner.Effect{owner.Settled}
	}
	if _, ok := n.(*ast.DeferStmt); ok {
		return nil
	}
	var found []owner.Effect
	ast.Inspect(n, func(n ast.Node) bool {
		switch {
		case n == nil:
		case u.begins[n]:
			found = append(found, owner.Begin)
		case u.ends[n]:
			found = append(found, owner.End)
		}
		return true
	})
	return found
}
