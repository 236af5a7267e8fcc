package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// This file holds which mutants there are. Each changes one place of one file, and is
// written so that it builds where the original does: what is left out goes on to be named,
// behind "if false".

// A mutant is one change.
type mutant struct {
	target   *target
	file     *file
	line     int
	function string // "(*Pool).Go", "Submit"; empty outside functions
	source   string // what is changed, on one line
	change   string // "delete statement", "< to <="

	from, to int // offsets in the file
	text     string
	within   *ast.FuncDecl // nil outside functions
}

// mutated returns the text of the file with the change.
func (m *mutant) mutated() []byte {
	return slices.Concat(m.file.text[:m.from], []byte(m.text), m.file.text[m.to:])
}

// changed holds what becomes of an operator.
var changed = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	token.SHL: token.SHR, token.SHR: token.SHL, token.AND: token.OR, token.OR: token.AND, token.AND_NOT: token.AND,
	token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN,
	token.OR_ASSIGN: token.AND_ASSIGN, token.AND_ASSIGN: token.OR_ASSIGN,
}

// A walker collects the mutants of a file.
type walker struct {
	program  *program
	target   *target
	file     *file
	dead     dead
	function string
	decl     *ast.FuncDecl
	results  []*ast.FuncType // of the functions around, the innermost last
	found    []*mutant
}

// mutants returns all mutants of a target, in the order of the source.
func (p *program) mutants(t *target) (all []*mutant) {
	d := t.deadOf()
	for _, f := range t.files {
		w := &walker{program: p, target: t, file: f, dead: d}
		for _, decl := range f.tree.Decls {
			w.function, w.decl = "", nil
			if f, ok := decl.(*ast.FuncDecl); ok {
				w.function, w.decl = nameOf(f), f
			}
			w.walk(decl)
		}
		all = append(all, w.found...)
	}
	slices.SortStableFunc(all, func(a, b *mutant) int {
		if a.file != b.file {
			return strings.Compare(a.file.rel, b.file.rel)
		}
		return a.from - b.from
	})
	return all
}

// nameOf returns the name of a function, with the type of its receiver.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	recv, star := f.Recv.List[0].Type, ""
	if s, ok := recv.(*ast.StarExpr); ok {
		recv, star = s.X, "*"
	}
	switch x := recv.(type) {
	case *ast.IndexExpr:
		recv = x.X
	case *ast.IndexListExpr:
		recv = x.X
	}
	return fmt.Sprintf("(%s%s).%s", star, types.ExprString(recv), f.Name.Name)
}

func (w *walker) offset(p token.Pos) int { return w.program.fset.Position(p).Offset }

func (w *walker) textOf(n ast.Node) string {
	return string(w.file.text[w.offset(n.Pos()):w.offset(n.End())])
}

// lineOf returns the line that n begins on.
func (w *walker) lineOf(n ast.Node) string {
	text, at := string(w.file.text), w.offset(n.Pos())
	begin := strings.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := strings.Cut(text[begin:], "\n")
	line, _, _ = strings.Cut(line, " //")
	return strings.Join(strings.Fields(line), " ")
}

// add adds a mutant that writes text in the place of n.
func (w *walker) add(shown, n ast.Node, change, text string) {
	w.addAt(shown, n.Pos(), n.End(), change, text)
}

func (w *walker) addAt(shown ast.Node, from, to token.Pos, change, text string) {
	w.found = append(w.found, &mutant{
		target: w.target, file: w.file, function: w.function,
		line:   w.program.fset.Position(from).Line,
		source: strings.Join(strings.Fields(w.textOf(shown)), " "),
		change: change, from: w.offset(from), to: w.offset(to), text: text, within: w.decl,
	})
}

// walk collects the mutants of n and of what is within it.
func (w *walker) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		if n == nil || w.dead[n] {
			return false
		}
		if e, ok := n.(ast.Expr); ok {
			return w.expr(e)
		}
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				w.within(n.Type, n.Body)
			}
			return false
		case *ast.GenDecl:
			return n.Tok == token.VAR || n.Tok == token.CONST
		case *ast.BlockStmt:
			w.statements(n.List)
		case *ast.CaseClause:
			w.statements(n.Body)
		case *ast.CommClause:
			w.statements(n.Body)
		case *ast.IfStmt:
			w.condition(n.Cond)
		case *ast.ForStmt:
			if n.Cond != nil {
				w.condition(n.Cond)
			}
		case *ast.AssignStmt:
			if to, ok := changed[n.Tok]; ok && w.isNumber(n.Lhs[0]) {
				w.addAt(n, n.TokPos, n.TokPos+token.Pos(len(n.Tok.String())), n.Tok.String()+" to "+to.String(), to.String())
			}
		}
		return true
	})
}

// within walks the body of a function.
func (w *walker) within(f *ast.FuncType, body *ast.BlockStmt) {
	w.results = append(w.results, f)
	w.walk(body)
	w.results = w.results[:len(w.results)-1]
}

// expr adds the mutants of an expression, and reports whether to go on within it.
func (w *walker) expr(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.FuncLit:
		w.within(e.Type, e.Body)
		return false
	case *ast.ArrayType, *ast.FuncType, *ast.StructType, *ast.InterfaceType, *ast.MapType, *ast.ChanType:
		return false
	case *ast.BasicLit:
		if n, err := strconv.ParseInt(e.Value, 0, 64); err == nil && e.Kind == token.INT {
			w.add(e, e, fmt.Sprintf("%s to %d", e.Value, n+1), strconv.FormatInt(n+1, 10))
			w.found[len(w.found)-1].source = w.lineOf(e) // a number alone says too little
		}
	case *ast.BinaryExpr:
		w.binary(e)
	}
	return true
}

func (w *walker) binary(e *ast.BinaryExpr) {
	to, ok := changed[e.Op]
	if !ok || w.target.info.Types[e].Value != nil {
		return
	}
	switch e.Op {
	case token.LAND, token.LOR:
		if _, ok := w.target.known(e.X); ok {
			return
		}
		if _, ok := w.target.known(e.Y); ok {
			return
		}
	case token.ADD:
		if !w.isNumber(e) {
			return
		}
	}
	w.addAt(e, e.OpPos, e.OpPos+token.Pos(len(e.Op.String())), e.Op.String()+" to "+to.String(), to.String())
}

func (w *walker) isNumber(e ast.Expr) bool {
	typ := w.target.info.Types[e].Type
	if typ == nil {
		return false
	}
	basic, ok := typ.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsNumeric != 0
}

func (w *walker) isBool(e ast.Expr) bool {
	typ := w.target.info.Types[e].Type
	if typ == nil {
		return false
	}
	basic, ok := typ.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsBoolean != 0
}

// condition adds the negation of a condition, unless that is one of its operator.
func (w *walker) condition(e ast.Expr) {
	if _, ok := w.target.known(e); ok {
		return
	}
	if b, ok := e.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
		return
	}
	w.add(e, e, "negate condition", "!("+w.textOf(e)+")")
}

// statements adds the mutants that leave a statement out, or return something else.
func (w *walker) statements(list []ast.Stmt) {
	for _, s := range list {
		if w.dead[s] {
			continue
		}
		change := "delete statement"
		switch s := s.(type) {
		case *ast.ReturnStmt:
			if len(s.Results) > 0 {
				w.returns(s)
				continue
			}
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			if ok && w.isEmpty(call) {
				continue
			}
			if ok && isUnlock(call) {
				change = "remove unlock"
			}
		case *ast.DeferStmt:
			if w.isEmpty(s.Call) {
				continue
			}
			change = "remove defer"
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE || isBlank(s.Lhs) && isIdent(s.Rhs[0]) {
				continue
			}
		case *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt:
		case *ast.BranchStmt:
			if s.Tok == token.FALLTHROUGH || s.Tok == token.GOTO {
				continue
			}
		default:
			continue
		}
		w.add(s, s, change, "if false { "+w.textOf(s)+" }")
	}
}

func isBlank(list []ast.Expr) bool {
	id, ok := list[0].(*ast.Ident)
	return ok && len(list) == 1 && id.Name == "_"
}

func isIdent(e ast.Expr) bool {
	_, ok := e.(*ast.Ident)
	return ok
}

func isUnlock(call *ast.CallExpr) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	return ok && (s.Sel.Name == "Unlock" || s.Sel.Name == "RUnlock")
}

// isEmpty reports whether a call does nothing in this build.
func (w *walker) isEmpty(call *ast.CallExpr) bool {
	var id *ast.Ident
	switch f := call.Fun.(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return false
	}
	f, ok := w.target.info.Uses[id].(*types.Func)
	return ok && w.program.empty[f.Origin().FullName()]
}

// returns adds the mutant of a return: a bool is negated, everything else is zero.
func (w *walker) returns(s *ast.ReturnStmt) {
	if len(s.Results) == 1 && w.isBool(s.Results[0]) {
		if _, ok := w.target.known(s.Results[0]); !ok || w.isLiteral(s.Results[0]) {
			w.add(s, s.Results[0], "negate result", "!("+w.textOf(s.Results[0])+")")
		}
		return
	}
	if !slices.ContainsFunc(s.Results, func(e ast.Expr) bool { return !w.isZero(e) }) {
		return
	}
	var zeros []string
	for _, field := range w.results[len(w.results)-1].Results.List {
		for range max(1, len(field.Names)) {
			zeros = append(zeros, "*new("+w.textOf(field.Type)+")")
		}
	}
	w.add(s, s, "return zero", "{ if false { "+w.textOf(s)+" }; return "+strings.Join(zeros, ", ")+" }")
}

func (w *walker) isLiteral(e ast.Expr) bool {
	text := w.textOf(e)
	return text == "true" || text == "false"
}

// isZero reports whether an expression is always the zero value.
func (w *walker) isZero(e ast.Expr) bool {
	if v := w.target.info.Types[e].Value; v != nil {
		switch v.Kind() {
		case constant.Int, constant.Float, constant.Complex:
			return constant.Sign(v) == 0
		case constant.Bool:
			return !constant.BoolVal(v)
		case constant.String:
			return constant.StringVal(v) == ""
		}
	}
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil" || strings.HasPrefix(e.Name, "zero")
	case *ast.CompositeLit: // T{}, unless T is a slice or a map
		_, isStruct := w.target.info.TypeOf(e).Underlying().(*types.Struct)
		return isStruct && len(e.Elts) == 0
	}
	return false
}
