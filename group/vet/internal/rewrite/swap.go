package rewrite

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"maps"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// A Swap gives variables and fields another type. The fixer that makes it says how they may be
// declared and used; any other way leaves a variable alone.
type Swap struct {
	Path, Type string // the type that goes
	Import     string // the package of the one that comes
	NewType    string // its name
	Page       string // of the documentation
	Gain       string // why to do it

	// Value returns what the value of a declaration becomes, where pkg is the name of
	// the new package; "" if it cannot be rewritten.
	Value func(value ast.Expr, pkg string) string
	// Use leaves the variable alone if it does not understand a call of its method.
	Use func(c *Candidate, method string, call inspector.Cursor)
	// Finish may leave it alone when all uses have been seen, or add edits. nil does
	// nothing.
	Finish func(c *Candidate)

	pass *analysis.Pass
	x    *owner.Index
}

// A Candidate is a variable or a field whose type may change.
type Candidate struct {
	V     *types.Var
	At    *ast.Ident // where it is declared
	Decl  inspector.Cursor
	Edits []analysis.TextEdit

	reason string // why it is left alone
	where  token.Pos
}

// Leave notes why the candidate is left alone.
func (c *Candidate) Leave(at ast.Node, reason string) {
	if c.reason == "" {
		c.reason, c.where = reason, at.Pos()
	}
}

// Left reports whether the candidate is left alone.
func (c *Candidate) Left() bool { return c.reason != "" }

// Find returns the variables and fields of the type that goes, by their object.
func (s *Swap) Find(pass *analysis.Pass, x *owner.Index) map[*types.Var]*Candidate {
	s.pass, s.x = pass, x
	found := make(map[*types.Var]*Candidate)
	for cur := range x.Root.Preorder((*ast.Ident)(nil)) {
		ident := cur.Node().(*ast.Ident)
		v, ok := pass.TypesInfo.Defs[ident].(*types.Var)
		if ok && owner.IsType(v.Type(), s.Path, s.Type) && !isParameter(cur) {
			c := &Candidate{V: v, At: ident, Decl: cur}
			found[v] = c
			s.declare(c)
		}
	}
	return found
}

// Check looks at each use of the candidates, and reports them.
func (s *Swap) Check(found map[*types.Var]*Candidate) {
	if len(found) == 0 {
		return
	}
	for cur := range s.x.Root.Preorder((*ast.Ident)(nil)) {
		v, ok := s.pass.TypesInfo.Uses[cur.Node().(*ast.Ident)].(*types.Var)
		if ok && found[v.Origin()] != nil {
			s.checkUse(found[v.Origin()], cur)
		}
	}
	for _, c := range slices.SortedFunc(maps.Values(found), func(a, b *Candidate) int { return int(a.At.Pos() - b.At.Pos()) }) {
		if s.Finish != nil {
			s.Finish(c)
		}
		s.report(c)
	}
}

// isParameter reports whether an identifier names a parameter, a result or a receiver.
func isParameter(ident inspector.Cursor) bool {
	field := ident.Parent()
	if _, ok := field.Node().(*ast.Field); !ok {
		return false
	}
	_, fieldOfStruct := field.Parent().Parent().Node().(*ast.StructType)
	return !fieldOfStruct
}

// declare finds how to declare a candidate with its new type.
func (s *Swap) declare(c *Candidate) {
	file := FileOf(c.Decl)
	switch {
	case Exported(c.V):
		c.Leave(c.At, "code of other packages can use it")
		return
	case !Editable(s.pass, file):
		c.Leave(c.At, "its file is generated")
		return
	case !owner.Local(c.V) && Ignored(s.pass, c.V.Name()):
		c.Leave(c.At, "a file that is not part of this build may use it")
		return
	}
	pkg, imports := Import(s.pass, file, s.Import)
	old, text := s.declared(c.Decl, pkg)
	if old == nil || text == "" {
		c.Leave(c.At, "this form of declaration cannot be rewritten")
		return
	}
	c.Edits = append(imports, analysis.TextEdit{Pos: old.Pos(), End: old.End(), NewText: []byte(text)})
}

// declared returns the expression in a declaration that changes, and its new text.
func (s *Swap) declared(ident inspector.Cursor, pkg string) (old ast.Expr, text string) {
	switch decl := ident.Parent().Node().(type) {
	case *ast.Field:
		if len(decl.Names) == 1 {
			return s.typeText(decl.Type, pkg)
		}
	case *ast.ValueSpec:
		switch {
		case len(decl.Names) != 1:
		case len(decl.Values) == 0:
			return s.typeText(decl.Type, pkg)
		case decl.Type == nil:
			return s.valueText(decl.Values[0], pkg)
		}
	case *ast.AssignStmt:
		if len(decl.Lhs) == 1 && decl.Tok == token.DEFINE {
			return s.valueText(decl.Rhs[0], pkg)
		}
	}
	return nil, ""
}

// typeText returns the new type for the old one, which must not be a pointer: what that points to
// may come from elsewhere.
func (s *Swap) typeText(e ast.Expr, pkg string) (ast.Expr, string) {
	if _, pointer := types.Unalias(s.pass.TypesInfo.TypeOf(e)).(*types.Pointer); pointer {
		return nil, ""
	}
	return e, pkg + "." + s.NewType
}

// valueText returns the new type in T{}, &T{} and new(T), or the new value.
func (s *Swap) valueText(e ast.Expr, pkg string) (ast.Expr, string) {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		if lit, ok := e.X.(*ast.CompositeLit); ok && e.Op == token.AND {
			return s.typeText(lit.Type, pkg)
		}
	case *ast.CompositeLit:
		return s.typeText(e.Type, pkg)
	case *ast.CallExpr:
		if ident, ok := e.Fun.(*ast.Ident); ok && s.pass.TypesInfo.Uses[ident] == types.Universe.Lookup("new") {
			return s.typeText(e.Args[0], pkg)
		}
		if s.Value != nil {
			return e, s.Value(e, pkg)
		}
	}
	return nil, ""
}

// checkUse leaves a candidate alone that is used otherwise than by calling a method.
func (s *Swap) checkUse(c *Candidate, ident inspector.Cursor) {
	e := Deepest(ident)
	sel, ok := e.Parent().Node().(*ast.SelectorExpr)
	call, called := e.Parent().Parent().Node().(*ast.CallExpr)
	if !ok || !called || call.Fun != sel {
		c.Leave(ident.Node(), "it is passed on, copied or assigned")
		return
	}
	s.Use(c, sel.Sel.Name, e.Parent().Parent())
}

// report offers the fix, or says why there is none.
func (s *Swap) report(c *Candidate) {
	old := (&owner.Kind{Path: s.Path, Type: s.Type}).String()
	if c.reason != "" {
		s.pass.ReportRangef(c.At, "%s stays a %s: line %d: %s (docs/migrate/%s)",
			c.At.Name, old, s.pass.Fset.Position(c.where).Line, c.reason, s.Page)
		return
	}
	slices.SortFunc(c.Edits, func(a, b analysis.TextEdit) int { return int(a.Pos - b.Pos) })
	comes := (&owner.Kind{Path: s.Import, Type: s.NewType}).String()
	s.pass.Report(analysis.Diagnostic{
		Pos: c.At.Pos(), End: c.At.End(),
		Message: fmt.Sprintf("%s can be a %s, %s (docs/migrate/%s)", c.At.Name, comes, s.Gain, s.Page),
		SuggestedFixes: []analysis.SuggestedFix{{
			Message: "Make it a " + comes, TextEdits: slices.CompactFunc(c.Edits, sameEdit),
		}},
	})
}

func sameEdit(a, b analysis.TextEdit) bool {
	return a.Pos == b.Pos && a.End == b.End && string(a.NewText) == string(b.NewText)
}

// Positive reports whether e is at least 1, whatever happens: a constant, or the number of
// processors.
func Positive(info *types.Info, e ast.Expr) bool {
	if v := info.Types[e].Value; v != nil {
		return constant.Sign(v) > 0
	}
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return false
	}
	fn := owner.Callee(info, call)
	return owner.IsFunc(fn, "runtime", "NumCPU") || owner.IsFunc(fn, "runtime", "GOMAXPROCS") && isZero(info, call.Args[0])
}

func isZero(info *types.Info, e ast.Expr) bool {
	v := info.Types[e].Value
	return v != nil && constant.Sign(v) == 0
}

// Fit says why a function cannot share a goroutine with others, and where; "" if it
// can.
func Fit(info *types.Info, f ast.Expr) (reason string, at ast.Node) {
	const marks = "the task changes its goroutine, and a group may run other tasks on it"
	locks := 0
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fn := owner.Callee(info, call); {
		case owner.IsFunc(fn, "runtime", "LockOSThread"):
			locks++
			at = call
		case owner.IsFunc(fn, "runtime", "UnlockOSThread"):
			locks--
		case owner.IsFunc(fn, "runtime/pprof", "SetGoroutineLabels"):
			reason, at = marks, call
			return false
		}
		return true
	})
	if locks > 0 {
		reason = marks
	}
	return reason, at
}
