package owner

import (
	"go/ast"
	"go/token"
	"go/types"
)

// An Env says for the parameters and the receiver of a function which places of its caller they
// stand for.
type Env map[types.Object]Ref

// Resolve returns the place of the outermost caller that r stands for.
func (env Env) Resolve(r Ref) Ref {
	if outer, ok := env[r.Root]; ok {
		outer.Path += r.Path
		return outer
	}
	return r
}

// A Site is a place in a function at which code runs.
type Site struct {
	Env      Env
	Deferred bool           // runs when the function that holds it returns
	Level    int            // how many functions and literals are between the walked one and this place
	Named    int            // how many of them are functions
	Exported bool           // one of those is exported
	Func     *ast.BlockStmt // the body of the function that holds it, or of the walked literal
}

// Ref returns the place, seen from where the walk began, that r stands for at the site; invalid if
// it is a variable of a function on the way, of which each call has its own.
func (at Site) Ref(r Ref) Ref {
	if outer := at.Env.Resolve(r); outer != r {
		return outer
	}
	if v, ok := r.Root.(*types.Var); ok && at.Named > 0 && Local(v) {
		return Ref{}
	}
	return r
}

// maxCalls bounds how many calls of functions Walk goes into, one within the other.
const maxCalls = 3

// Body returns the code of a task, with the places that its parameters stand for; nil if the
// function is not of this package, or is a value.
func (x *Index) Body(t *Task) (*ast.BlockStmt, Env) {
	return x.Function(t.Func, t.Args)
}

// Function returns the code that runs when f is called with args; nil if f is not a literal nor a
// function of this package.
func (x *Index) Function(f ast.Expr, args []ast.Expr) (*ast.BlockStmt, Env) {
	env := make(Env)
	f = ast.Unparen(f)
	if lit, ok := f.(*ast.FuncLit); ok {
		x.bind(env, lit.Type.Params, args)
		return lit.Body, env
	}
	var ident *ast.Ident
	var receiver ast.Expr
	switch f := f.(type) {
	case *ast.Ident:
		ident = f
	case *ast.SelectorExpr:
		ident = f.Sel
		if s := x.Info.Selections[f]; s != nil && s.Kind() == types.MethodVal {
			receiver = f.X
		}
	case *ast.IndexExpr: // an instance of a generic function
		return x.Function(f.X, args)
	case *ast.IndexListExpr:
		return x.Function(f.X, args)
	default:
		return nil, nil
	}
	fn, ok := x.Info.Uses[ident].(*types.Func)
	if !ok {
		return nil, nil
	}
	decl := x.Decl(fn)
	if decl == nil {
		return nil, nil
	}
	if receiver != nil {
		r := RefOf(x.Info, receiver)
		if s := x.Info.Selections[f.(*ast.SelectorExpr)]; r.Valid() {
			r.Path += dotted(fieldsOf(s))
			x.bindName(env, decl.Recv, r)
		}
	}
	x.bind(env, decl.Type.Params, args)
	return decl.Body, env
}

func (x *Index) bind(env Env, params *ast.FieldList, args []ast.Expr) {
	i := 0
	for _, field := range params.List {
		for _, name := range field.Names {
			if i < len(args) {
				if r := RefOf(x.Info, args[i]); r.Valid() {
					env[x.Info.Defs[name]] = r
				}
			}
			i++
		}
		if len(field.Names) == 0 {
			i++
		}
	}
}

func (x *Index) bindName(env Env, fields *ast.FieldList, r Ref) {
	if fields != nil && len(fields.List) == 1 && len(fields.List[0].Names) == 1 {
		env[x.Info.Defs[fields.List[0].Names[0]]] = r
	}
}

// Walk calls visit for every node of body that runs in body's own goroutine before body returns:
// also those of functions of this package that it calls, of literals that it calls or defers, and
// of the bodies of scopes. It leaves out literals that run elsewhere, or nobody knows when.
func (x *Index) Walk(body *ast.BlockStmt, env Env, visit func(n ast.Node, at Site)) {
	w := walker{x, visit, maxCalls, make(map[*ast.BlockStmt]bool)}
	w.walk(body, Site{Env: env, Func: body})
}

// WalkInline is Walk that does not go into functions, only into literals.
func (x *Index) WalkInline(body ast.Node, visit func(n ast.Node, at Site)) {
	w := walker{x, visit, 0, make(map[*ast.BlockStmt]bool)}
	w.walk(body, Site{Env: make(Env)})
}

type walker struct {
	x      *Index
	visit  func(ast.Node, Site)
	most   int                     // how many calls of functions to go into
	inside map[*ast.BlockStmt]bool // bodies that are being walked
}

func (w *walker) walk(body ast.Node, at Site) {
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.GoStmt:
			w.visit(n, at)
			for _, arg := range n.Call.Args { // they are evaluated here
				w.walk(arg, at)
			}
			return false
		case *ast.DeferStmt:
			w.visit(n, at)
			for _, arg := range n.Call.Args {
				w.walk(arg, at)
			}
			later := at
			later.Deferred = true
			w.visit(n.Call, later)
			w.call(n.Call, later)
			return false
		case *ast.CallExpr:
			w.visit(n, at)
			w.call(n, at)
			return true
		}
		w.visit(n, at)
		return true
	})
}

// call goes into the function that call calls, and into the body of a scope.
func (w *walker) call(call *ast.CallExpr, at Site) {
	callee, args := call.Fun, call.Args
	if IsScope(w.x.Info, call) {
		callee, args = call.Args[len(call.Args)-1], nil
	}
	body, env := w.x.Function(callee, args)
	_, literal := ast.Unparen(callee).(*ast.FuncLit)
	if body == nil || w.inside[body] || !literal && at.Named >= w.most {
		return
	}
	for param, r := range env {
		env[param] = at.Ref(r)
	}
	inner := at
	inner.Env = env
	inner.Level++
	if literal {
		for param, r := range at.Env { // a literal sees what is around it
			if _, shadowed := env[param]; !shadowed {
				env[param] = r
			}
		}
	} else {
		inner.Named++
		inner.Func = body
		fn := Callee(w.x.Info, call)
		inner.Exported = at.Exported || fn != nil && fn.Exported()
	}
	w.inside[body] = true
	w.walk(body, inner)
	w.inside[body] = false
}

// IsScope reports whether call runs its last argument as the body of a scope: Run or RunWith of
// group or errgroup.
func IsScope(info *types.Info, call *ast.CallExpr) bool {
	fn := Callee(info, call)
	return len(call.Args) > 0 && (IsFunc(fn, Group, "Run", "RunWith") || IsFunc(fn, Errgroup, "Run", "RunWith"))
}

// Assigned returns the expression that is assigned to v where that is assigned to exactly once
// within n, and the index of its result if it is a call with several; nil otherwise.
func Assigned(info *types.Info, n ast.Node, v *types.Var) (value ast.Expr, result int) {
	count := 0
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, lhs := range n.Lhs {
				if VarOf(info, lhs) != v {
					continue
				}
				count++
				switch {
				case n.Tok != token.ASSIGN && n.Tok != token.DEFINE:
					count++ // x += y
				case len(n.Rhs) == len(n.Lhs):
					value, result = n.Rhs[i], 0
				default:
					value, result = n.Rhs[0], i
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if info.Defs[name] != v || len(n.Values) == 0 {
					continue
				}
				count++
				if len(n.Values) == len(n.Names) {
					value, result = n.Values[i], 0
				} else {
					value, result = n.Values[0], i
				}
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND && VarOf(info, n.X) == v && KindOf(v.Type()) == nil {
				count += 2 // somebody else may assign to it
			}
		case *ast.RangeStmt:
			if VarOf(info, n.Key) == v || VarOf(info, n.Value) == v {
				count += 2
			}
		case *ast.IncDecStmt:
			if VarOf(info, n.X) == v {
				count += 2
			}
		}
		return true
	})
	if count != 1 {
		return nil, 0
	}
	return value, result
}
