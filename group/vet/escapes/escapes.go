// Package escapes reports groups that are kept after the scope that they belong to.
package escapes

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports the group of a Run that is kept after it.
var Analyzer = &analysis.Analyzer{
	Name: "escapes",
	Doc: `report groups that are kept after their scope

The group that Run and RunWith of group and errgroup give to their body ends with the scope: a
later Go on it panics. The analyzer reports where the body stores the group, or a function that
uses it, in a variable or a field that lives on, or sends it over a channel.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/escapes",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("escapes", run),
}

func run(pass *analysis.Pass) (any, error) {
	x := owner.Of(pass)
	for cur := range x.Root.Preorder((*ast.CallExpr)(nil)) {
		call := cur.Node().(*ast.CallExpr)
		if !owner.IsScope(pass.TypesInfo, call) {
			continue
		}
		lit, ok := ast.Unparen(call.Args[len(call.Args)-1]).(*ast.FuncLit)
		if !ok {
			continue
		}
		params := lit.Type.Params.List
		names := params[len(params)-1].Names
		if len(names) == 0 {
			continue
		}
		if g, ok := pass.TypesInfo.Defs[names[0]].(*types.Var); ok {
			s := scope{pass, cur, lit, g}
			s.check()
		}
	}
	return nil, nil
}

type scope struct {
	pass *analysis.Pass
	cur  inspector.Cursor // at the call of Run
	lit  *ast.FuncLit     // its body
	g    *types.Var       // its group
}

func (s *scope) check() {
	ast.Inspect(s.lit.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, lhs := range n.Lhs {
				if len(n.Rhs) == len(n.Lhs) && s.carries(n.Rhs[i]) && s.livesOn(lhs) {
					s.report(n)
				}
			}
		case *ast.SendStmt:
			if s.carries(n.Value) && !owner.Inside(owner.RefOf(s.pass.TypesInfo, n.Chan).Root, s.lit) {
				s.report(n)
			}
		}
		return true
	})
}

func (s *scope) report(n ast.Node) {
	s.pass.ReportRangef(n, "%s is kept after its Run: %s.Go panics once Run has returned; "+
		"start the tasks in the function of Run, or make a group that lives longer (docs/guide/scopes.md)", s.g.Name(), s.g.Name())
}

// carries reports whether the value of e holds the group: is it, contains it, or is a function that
// uses it.
func (s *scope) carries(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return s.pass.TypesInfo.Uses[e] == s.g
	case *ast.UnaryExpr:
		return e.Op == token.AND && s.carries(e.X)
	case *ast.SelectorExpr: // a method value
		m := owner.Selected(s.pass.TypesInfo, e)
		return m != nil && m.Owner != nil && s.carries(m.Owner)
	case *ast.CompositeLit:
		for _, elt := range e.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			if s.carries(elt) {
				return true
			}
		}
	case *ast.CallExpr:
		if ident, ok := ast.Unparen(e.Fun).(*ast.Ident); ok && s.pass.TypesInfo.Uses[ident] == types.Universe.Lookup("append") {
			for _, arg := range e.Args[1:] {
				if s.carries(arg) {
					return true
				}
			}
		}
	case *ast.FuncLit:
		return s.starts(e)
	}
	return false
}

// starts reports whether a literal calls a method of the group.
func (s *scope) starts(lit *ast.FuncLit) bool {
	found := false
	ast.Inspect(lit, func(n ast.Node) bool {
		if ident, ok := n.(*ast.Ident); ok && s.pass.TypesInfo.Uses[ident] == s.g {
			found = true
		}
		return !found
	})
	return found
}

// livesOn reports whether what e stands for is there, and used, after the scope.
func (s *scope) livesOn(e ast.Expr) bool {
	e = ast.Unparen(e)
	if index, ok := e.(*ast.IndexExpr); ok {
		e = index.X
	}
	ref := owner.RefOf(s.pass.TypesInfo, e)
	if !ref.Valid() || owner.Inside(ref.Root, s.lit) || s.reset(ref) {
		return false
	}
	v, ok := ref.Root.(*types.Var)
	return ok && (!owner.Local(v) || ref.Path != "" && s.fromOutside(v) || s.usedAfter(v))
}

// reset reports whether the body clears ref again.
func (s *scope) reset(ref owner.Ref) bool {
	found := false
	ast.Inspect(s.lit.Body, func(n ast.Node) bool {
		if assign, ok := n.(*ast.AssignStmt); ok && len(assign.Lhs) == len(assign.Rhs) {
			for i, lhs := range assign.Lhs {
				if owner.RefOf(s.pass.TypesInfo, lhs) == ref && s.pass.TypesInfo.Types[assign.Rhs[i]].IsNil() {
					found = true
				}
			}
		}
		return !found
	})
	return found
}

// fromOutside reports whether v is a parameter or the receiver of the function around the scope, so
// that a field of what it points to lives on.
func (s *scope) fromOutside(v *types.Var) bool {
	decl := owner.Outermost(s.cur)
	if decl == nil {
		return false
	}
	if _, pointer := v.Type().Underlying().(*types.Pointer); !pointer {
		return false
	}
	return v.Pos() < decl.Body.Pos()
}

// usedAfter reports whether v is used after the scope, or may be because the scope is in a loop or
// a literal.
func (s *scope) usedAfter(v *types.Var) bool {
	decl := owner.Outermost(s.cur)
	if decl == nil {
		return true
	}
	found := false
	ast.Inspect(decl, func(n ast.Node) bool {
		if ident, ok := n.(*ast.Ident); ok && ident.Pos() > s.cur.Node().End() && s.pass.TypesInfo.Uses[ident] == v {
			found = true
		}
		return !found
	})
	return found
}
