package owner

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// A Ref is the place that an expression stands for: a variable, or a field reached from one. Two
// expressions with the same Ref stand for the same place, as long as nobody assigns to the
// variables on the way.
type Ref struct {
	Root types.Object
	Path string // ".server.wg"
}

// Valid reports whether there is such a place.
func (r Ref) Valid() bool { return r.Root != nil }

func (r Ref) String() string {
	if r.Root == nil {
		return "it"
	}
	return r.Root.Name() + r.Path
}

// RefOf returns the place of e; invalid for a call, an element of a slice, and what else has no
// name.
func RefOf(info *types.Info, e ast.Expr) Ref {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if v, ok := info.ObjectOf(e).(*types.Var); ok {
			return Ref{Root: v}
		}
	case *ast.StarExpr:
		return RefOf(info, e.X)
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			return RefOf(info, e.X)
		}
	case *ast.SelectorExpr:
		selection := info.Selections[e]
		if selection == nil {
			return RefOf(info, e.Sel) // a variable of a package
		}
		if selection.Kind() != types.FieldVal {
			return Ref{}
		}
		r := RefOf(info, e.X)
		if r.Valid() {
			r.Path += dotted(fieldsOf(selection)) + "." + e.Sel.Name
		}
		return r
	}
	return Ref{}
}

// Ref returns the place of the method's receiver.
func (m *Method) Ref(info *types.Info) Ref {
	r := RefOf(info, m.Owner)
	if r.Valid() {
		r.Path += dotted(m.Fields)
	}
	return r
}

func dotted(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	return "." + strings.Join(fields, ".")
}

// VarOf returns the variable that e names; nil if it names none.
func VarOf(info *types.Info, e ast.Expr) *types.Var {
	if e == nil {
		return nil
	}
	ident, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	v, _ := info.ObjectOf(ident).(*types.Var)
	return v
}

// PlaceOf returns the variable that e names, or the field, whatever it belongs to; nil if it names
// neither.
func PlaceOf(info *types.Info, e ast.Expr) *types.Var {
	switch e := ast.Unparen(e).(type) {
	case *ast.StarExpr:
		return PlaceOf(info, e.X)
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			return PlaceOf(info, e.X)
		}
	case *ast.SelectorExpr:
		v, _ := info.ObjectOf(e.Sel).(*types.Var)
		return v
	case *ast.Ident:
		return VarOf(info, e)
	}
	return nil
}

// Local reports whether v is a variable of a function, not of a package and no field.
func Local(v *types.Var) bool {
	return v != nil && !v.IsField() && v.Pkg() != nil && v.Parent() != v.Pkg().Scope()
}

// Inside reports whether an object is declared within a node.
func Inside(obj types.Object, n ast.Node) bool {
	return obj != nil && n.Pos() <= obj.Pos() && obj.Pos() < n.End()
}
