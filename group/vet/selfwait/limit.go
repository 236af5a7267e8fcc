package selfwait

import (
	"go/ast"
	"go/constant"
	"go/types"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// hasLimit reports whether the owner that e stands for has a limit somewhere in the
// package: by SetLimit, by its options, or because it is passed for a parameter.
func (c *checker) hasLimit(e ast.Expr) bool {
	if c.limited == nil {
		c.findLimits()
	}
	return c.limited[owner.PlaceOf(c.pass.TypesInfo, e)]
}

func (c *checker) findLimits() {
	c.limited = make(map[*types.Var]bool)
	for cur := range c.x.Root.Preorder((*ast.CallExpr)(nil), (*ast.AssignStmt)(nil), (*ast.ValueSpec)(nil), (*ast.KeyValueExpr)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.CallExpr:
			c.limitByCall(n)
		case *ast.AssignStmt:
			if len(n.Rhs) == 1 && c.limits(n.Rhs[0]) {
				c.limit(n.Lhs[0])
			}
		case *ast.ValueSpec:
			if len(n.Values) == 1 && c.limits(n.Values[0]) {
				c.limit(n.Names[0])
			}
		case *ast.KeyValueExpr: // a field of a composite literal
			if c.limits(n.Value) {
				c.limit(n.Key)
			}
		}
	}
	for grown := true; grown; {
		grown = false
		for cur := range c.x.Root.Preorder((*ast.CallExpr)(nil)) {
			if c.passLimits(cur.Node().(*ast.CallExpr)) {
				grown = true
			}
		}
	}
}

func (c *checker) limit(e ast.Expr) {
	if v := owner.PlaceOf(c.pass.TypesInfo, e); v != nil {
		c.limited[v] = true
	}
}

// limitByCall notes what SetLimit and RunWith limit.
func (c *checker) limitByCall(call *ast.CallExpr) {
	if m := owner.MethodOf(c.pass.TypesInfo, call); m != nil {
		if m.Name == "SetLimit" && len(m.Args) == 1 && !c.negative(m.Args[0]) {
			c.limit(m.Owner)
		}
		return
	}
	if !owner.IsScope(c.pass.TypesInfo, call) || len(call.Args) < 2 || !c.optionsLimit(call.Args[len(call.Args)-2]) {
		return
	}
	if lit, ok := ast.Unparen(call.Args[len(call.Args)-1]).(*ast.FuncLit); ok {
		fields := lit.Type.Params.List
		for _, name := range fields[len(fields)-1].Names {
			c.limit(name)
		}
	}
}

func (c *checker) negative(e ast.Expr) bool {
	v := c.pass.TypesInfo.Types[e].Value
	return v != nil && constant.Sign(v) < 0
}

// limits reports whether e makes an owner that has a limit.
func (c *checker) limits(e ast.Expr) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return false
	}
	fn := owner.Callee(c.pass.TypesInfo, call)
	if owner.IsFunc(fn, owner.Group, "New") || owner.IsFunc(fn, owner.Errgroup, "New") {
		return c.optionsLimit(call.Args[len(call.Args)-1])
	}
	if m := owner.MethodOf(c.pass.TypesInfo, call); m != nil {
		return m.Name == "WithMaxGoroutines" || c.limits(m.Owner)
	}
	return false
}

// optionsLimit reports whether e is a literal of options that name a limit.
func (c *checker) optionsLimit(e ast.Expr) bool {
	lit, ok := ast.Unparen(e).(*ast.CompositeLit)
	if !ok {
		return false
	}
	for _, elt := range lit.Elts {
		kv, ok := elt.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if key, ok := kv.Key.(*ast.Ident); ok && (key.Name == "Limit" || key.Name == "Semaphore") {
			v := c.pass.TypesInfo.Types[kv.Value]
			return !v.IsNil() && (v.Value == nil || constant.Sign(v.Value) > 0)
		}
	}
	return false
}

// passLimits notes the parameters for which call passes an owner that has a limit, and reports
// whether there is a new one.
func (c *checker) passLimits(call *ast.CallExpr) (grown bool) {
	decl := c.x.Decl(owner.Callee(c.pass.TypesInfo, call))
	if decl == nil {
		return false
	}
	i := 0
	for _, field := range decl.Type.Params.List {
		for _, name := range field.Names {
			param, _ := c.pass.TypesInfo.Defs[name].(*types.Var)
			if i < len(call.Args) && !c.limited[param] && owner.KindOf(c.pass.TypesInfo.TypeOf(call.Args[i])) != nil &&
				c.limited[owner.PlaceOf(c.pass.TypesInfo, call.Args[i])] {
				c.limited[param], grown = true, true
			}
			i++
		}
	}
	return grown
}
