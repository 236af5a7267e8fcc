package owner

import (
	"go/ast"
	"go/types"
	"reflect"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// Analyzer collects what the other analyzers ask of a package. Its result is an *Index.
var Analyzer = &analysis.Analyzer{
	Name:       "owner",
	Doc:        "collect the functions and the tasks of a package",
	Requires:   []*analysis.Analyzer{inspect.Analyzer},
	ResultType: reflect.TypeFor[*Index](),
	Run:        run,
}

// An Index holds the functions of a package and the tasks that it starts.
type Index struct {
	Info  *types.Info
	Root  inspector.Cursor
	Tasks []*Task // in the order of the source

	decls map[*types.Func]*ast.FuncDecl
}

// Of returns the Index of the package that pass analyzes.
func Of(pass *analysis.Pass) *Index { return pass.ResultOf[Analyzer].(*Index) }

// A Task is a function that is started to run in another goroutine.
type Task struct {
	Cur    inspector.Cursor // at the go statement or the call
	Go     *ast.GoStmt      // of a go statement
	Method *Method          // of a method of an owner
	Helper *types.Func      // of a function that takes an owner: Fork, Submit
	Owner  ast.Expr         // nil for a go statement
	Func   ast.Expr         // what runs: a literal, or what names a function
	Args   []ast.Expr       // of a go statement
	Kind   *Kind            // nil for a go statement
}

// Node returns the go statement or the call.
func (t *Task) Node() ast.Node { return t.Cur.Node() }

// Ref returns the place of the task's owner; invalid for a go statement.
func (t *Task) Ref(info *types.Info) Ref {
	switch {
	case t.Method != nil:
		return t.Method.Ref(info)
	case t.Owner != nil:
		return RefOf(info, t.Owner)
	}
	return Ref{}
}

func run(pass *analysis.Pass) (any, error) {
	x := &Index{
		Info:  pass.TypesInfo,
		Root:  pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root(),
		decls: make(map[*types.Func]*ast.FuncDecl),
	}
	for cur := range x.Root.Preorder((*ast.FuncDecl)(nil), (*ast.GoStmt)(nil), (*ast.CallExpr)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.FuncDecl:
			if fn, ok := pass.TypesInfo.Defs[n.Name].(*types.Func); ok && n.Body != nil {
				x.decls[fn] = n
			}
		case *ast.GoStmt:
			x.Tasks = append(x.Tasks, &Task{Cur: cur, Go: n, Func: n.Call.Fun, Args: n.Call.Args})
		case *ast.CallExpr:
			if t := x.taskOf(n); t != nil {
				t.Cur = cur
				x.Tasks = append(x.Tasks, t)
			}
		}
	}
	return x, nil
}

func (x *Index) taskOf(call *ast.CallExpr) *Task {
	if m := MethodOf(x.Info, call); m != nil {
		if !m.Starts() || len(m.Args) == 0 {
			return nil
		}
		return &Task{Method: m, Owner: m.Owner, Func: m.Args[len(m.Args)-1], Kind: m.Kind}
	}
	fn := Callee(x.Info, call)
	var at int
	switch {
	case IsFunc(fn, Group, "Fork") || IsFunc(fn, Errgroup, "Fork"):
		at = 0
	case IsFunc(fn, Pool, "Submit"):
		at = 1
	default:
		return nil
	}
	if len(call.Args) < at+2 {
		return nil
	}
	owner := call.Args[at]
	kind := KindOf(x.Info.TypeOf(owner))
	if kind == nil {
		return nil
	}
	return &Task{Helper: fn, Owner: owner, Func: call.Args[at+1], Kind: kind}
}

// Decl returns the declaration of a function of this package; nil for others.
func (x *Index) Decl(fn *types.Func) *ast.FuncDecl {
	if fn == nil {
		return nil
	}
	return x.decls[fn.Origin()]
}

// Funcs yields each function and each literal of the package that has a body.
func (x *Index) Funcs(yield func(inspector.Cursor, *ast.BlockStmt) bool) {
	for cur := range x.Root.Preorder((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		if body := BodyOf(cur.Node()); body != nil && !yield(cur, body) {
			return
		}
	}
}

// Enclosing returns the body of the innermost function around cur; nil outside of
// functions.
func Enclosing(cur inspector.Cursor) *ast.BlockStmt {
	for f := range cur.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		if f == cur {
			continue
		}
		return BodyOf(f.Node())
	}
	return nil
}

// Outermost returns the declared function around cur; nil outside of functions.
func Outermost(cur inspector.Cursor) *ast.FuncDecl {
	for f := range cur.Enclosing((*ast.FuncDecl)(nil)) {
		return f.Node().(*ast.FuncDecl)
	}
	return nil
}

// BodyOf returns the body of a function or a literal.
func BodyOf(n ast.Node) *ast.BlockStmt {
	switch n := n.(type) {
	case *ast.FuncDecl:
		return n.Body
	case *ast.FuncLit:
		return n.Body
	}
	return nil
}

// Generated reports whether the file that holds cur says that it is generated.
func Generated(cur inspector.Cursor) bool {
	for f := range cur.Enclosing((*ast.File)(nil)) {
		return ast.IsGenerated(f.Node().(*ast.File))
	}
	return false
}
