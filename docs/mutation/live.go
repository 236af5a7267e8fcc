package main

import (
	"go/ast"
	"go/constant"
	"go/token"
)

// This file holds what is not mutated because the build leaves it out: branches whose
// condition is a constant, and functions that only those call.

// known returns the value of a condition that is the same in every run of this build.
func (t *target) known(e ast.Expr) (value, ok bool) {
	if v := t.info.Types[e].Value; v != nil && v.Kind() == constant.Bool {
		return constant.BoolVal(v), true
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		return t.known(e.X)
	case *ast.CallExpr:
		if returned := t.returned(e); returned != nil && !t.folding[returned] {
			t.folding[returned] = true // a function may call itself
			defer delete(t.folding, returned)
			return t.known(returned)
		}
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			value, ok = t.known(e.X)
			return !value, ok
		}
	case *ast.BinaryExpr:
		if e.Op != token.LAND && e.Op != token.LOR {
			return false, false
		}
		decides := e.Op == token.LOR // the value of an operand that decides
		x, okX := t.known(e.X)
		y, okY := t.known(e.Y)
		if okX && x == decides || okY && y == decides {
			return decides, true
		}
		return !decides, okX && okY
	}
	return false, false
}

// returned returns the expression that a called function returns, if that is a function of the
// package with only a return statement. Otherwise it returns nil.
func (t *target) returned(call *ast.CallExpr) ast.Expr {
	var id *ast.Ident
	switch called := call.Fun.(type) {
	case *ast.Ident:
		id = called
	case *ast.SelectorExpr:
		id = called.Sel
	default:
		return nil
	}
	for _, f := range t.files {
		for _, d := range f.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil || len(f.Body.List) != 1 || t.info.Defs[f.Name] != t.info.Uses[id] {
				continue
			}
			if s, ok := f.Body.List[0].(*ast.ReturnStmt); ok && len(s.Results) == 1 {
				return s.Results[0]
			}
		}
	}
	return nil
}

// dead is the set of nodes that the build leaves out.
type dead map[ast.Node]bool

// deadOf finds the dead code of a target.
func (t *target) deadOf() dead {
	d := dead{}
	for _, f := range t.files {
		ast.Inspect(f.tree, func(n ast.Node) bool {
			t.addBranches(d, n)
			return true
		})
	}
	t.addUncalled(d)
	return d
}

func (t *target) addBranches(d dead, n ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		if value, ok := t.known(n.Cond); ok && value && n.Else != nil {
			d[n.Else] = true
		} else if ok && !value {
			d[n.Body] = true
		}
	case *ast.BinaryExpr:
		if n.Op == token.LAND || n.Op == token.LOR {
			if x, ok := t.known(n.X); ok && x == (n.Op == token.LOR) {
				d[n.Y] = true
			}
		}
	case *ast.BlockStmt:
		t.addRest(d, n.List)
	case *ast.CaseClause:
		t.addRest(d, n.Body)
		for _, e := range n.List {
			if value, ok := t.known(e); ok && !value && len(n.List) == 1 {
				d[n] = true
			}
		}
	}
}

// addRest adds what follows a branch that is always taken and does not come back.
func (t *target) addRest(d dead, list []ast.Stmt) {
	for i, s := range list {
		branch, ok := s.(*ast.IfStmt)
		if !ok {
			continue
		}
		value, ok := t.known(branch.Cond)
		if !ok || !value || len(branch.Body.List) == 0 {
			continue
		}
		switch branch.Body.List[len(branch.Body.List)-1].(type) {
		case *ast.ReturnStmt, *ast.BranchStmt:
			for _, rest := range list[i+1:] {
				d[rest] = true
			}
			return
		}
	}
}

// addUncalled adds the functions that no live code names. Functions with the same name count as one.
func (t *target) addUncalled(d dead) {
	for {
		named := map[string]bool{"init": true, "main": true, "_": true}
		for _, f := range t.files {
			for _, decl := range f.tree.Decls {
				if !d[decl] {
					t.addNames(d, named, decl)
				}
			}
		}
		more := false
		for _, f := range t.files {
			for _, decl := range f.tree.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && !d[f] && !f.Name.IsExported() && !named[f.Name.Name] {
					d[f], more = true, true
				}
			}
		}
		if !more {
			return
		}
	}
}

func (t *target) addNames(d dead, named map[string]bool, decl ast.Decl) {
	own := ""
	if f, ok := decl.(*ast.FuncDecl); ok {
		own = f.Name.Name
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		if d[n] {
			return false
		}
		if id, ok := n.(*ast.Ident); ok && id.Name != own {
			named[id.Name] = true
		}
		return true
	})
}
