package unwaited

import (
	"fmt"
	"go/ast"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// starts is the fact that a function does no more with the owners that it gets for some parameters
// than to start and count tasks: its caller has to wait.
type starts struct {
	Params []int
	Tasks  bool // it starts them itself, and does not only call Done
}

func (*starts) AFact()           {}
func (s *starts) String() string { return fmt.Sprintf("starts%v", s.Params) }
func (s *starts) has(i int) bool { return slices.Contains(s.Params, i) }

// makes is the fact that a function returns an owner that it has made.
type makes struct{}

func (*makes) AFact()         {}
func (*makes) String() string { return "makes" }

// exportFacts looks at each declared function, until nothing new is found: one may rest on another.
func (c *checker) exportFacts() {
	for grown := true; grown; {
		grown = false
		for cur := range c.x.Root.Preorder((*ast.FuncDecl)(nil)) {
			decl := cur.Node().(*ast.FuncDecl)
			fn, ok := c.pass.TypesInfo.Defs[decl.Name].(*types.Func)
			if !ok || decl.Body == nil {
				continue
			}
			if s := c.startsOf(cur, fn); s != nil && !c.pass.ImportObjectFact(fn, new(starts)) {
				c.pass.ExportObjectFact(fn, s)
				grown = true
			}
			if c.returnsMade(cur, fn) && !c.pass.ImportObjectFact(fn, new(makes)) {
				c.pass.ExportObjectFact(fn, new(makes))
				grown = true
			}
		}
	}
}

// startsOf returns the fact about the parameters of a function; nil if there is none.
func (c *checker) startsOf(cur inspector.Cursor, fn *types.Func) *starts {
	s := new(starts)
	params := fn.Signature().Params()
	for i := range params.Len() {
		param := params.At(i)
		if owner.KindOf(param.Type()) == nil || fn.Signature().Variadic() && i == params.Len()-1 {
			continue
		}
		if _, pointer := types.Unalias(param.Type()).(*types.Pointer); !pointer {
			continue
		}
		u := c.usesOf(cur, param)
		if u.escapes || u.waits || !c.neverAssigned(cur, param) {
			continue
		}
		s.Params = append(s.Params, i)
		s.Tasks = s.Tasks || len(u.begins) > 0
	}
	if len(s.Params) == 0 {
		return nil
	}
	return s
}

// returnsMade reports whether the first result of each return is an owner that the
// function has made and that nobody else has.
func (c *checker) returnsMade(cur inspector.Cursor, fn *types.Func) bool {
	results := fn.Signature().Results()
	if results.Len() == 0 || owner.KindOf(results.At(0).Type()) == nil {
		return false
	}
	made, found := true, false
	for ret := range cur.Preorder((*ast.ReturnStmt)(nil)) {
		if owner.Enclosing(ret) != owner.BodyOf(cur.Node()) {
			continue
		}
		stmt := ret.Node().(*ast.ReturnStmt)
		if len(stmt.Results) == 0 || !c.fresh(cur, stmt.Results[0]) {
			made = false
		}
		found = true
	}
	return made && found
}

// fresh reports whether e is a new owner, or a variable of the function that holds one and that is
// given to nobody.
func (c *checker) fresh(cur inspector.Cursor, e ast.Expr) bool {
	if c.makes(e) {
		return true
	}
	v := owner.VarOf(c.pass.TypesInfo, e)
	if !owner.Local(v) || !owner.Inside(v, owner.BodyOf(cur.Node())) {
		return false
	}
	value, result := owner.Assigned(c.pass.TypesInfo, cur.Node(), v)
	if value == nil || result != 0 || !c.makes(value) {
		return false
	}
	for ident := range cur.Preorder((*ast.Ident)(nil)) {
		if c.pass.TypesInfo.Uses[ident.Node().(*ast.Ident)] != v {
			continue
		}
		switch kind, _ := ident.ParentEdge(); kind {
		case edge.ReturnStmt_Results, edge.SelectorExpr_X, edge.AssignStmt_Lhs:
		default:
			return false
		}
	}
	return true
}
