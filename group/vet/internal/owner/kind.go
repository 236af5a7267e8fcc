package owner

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// Import paths that analyzers ask for.
const (
	Module    = "github.com/coterie-go/coterie"
	Core      = Module + "/core"
	Group     = Module + "/group"
	Errgroup  = Module + "/errgroup"
	Pool      = Module + "/pool"
	XErrgroup = "golang.org/x/sync/errgroup"
	Conc      = "github.com/sourcegraph/conc"
)

// A Kind is a type that owns goroutines.
type Kind struct {
	Path, Type string
	Counts     bool // has Add and Done
	Loses      bool // nobody learns of a Goexit of a task
	Closes     bool // Close and Shutdown wait, too
}

// String returns the name by which programs call the type: "errgroup.Group".
func (k *Kind) String() string { return k.Path[strings.LastIndex(k.Path, "/")+1:] + "." + k.Type }

// Coterie reports whether the type is one of coterie's.
func (k *Kind) Coterie() bool { return strings.HasPrefix(k.Path, Module+"/") }

var kinds = []*Kind{
	{Path: Core, Type: "WaitGroup", Counts: true, Loses: true},
	{Path: Group, Type: "Group"},
	{Path: Errgroup, Type: "Group"},
	{Path: Pool, Type: "Pool", Loses: true, Closes: true},
	{Path: Pool, Type: "Batch"},
	{Path: Pool, Type: "Keyed"},
	{Path: "sync", Type: "WaitGroup", Counts: true, Loses: true},
	{Path: XErrgroup, Type: "Group", Loses: true},
	{Path: Conc, Type: "WaitGroup", Loses: true},
	{Path: Conc + "/pool", Type: "Pool", Loses: true},
	{Path: Conc + "/pool", Type: "ErrorPool", Loses: true},
	{Path: Conc + "/pool", Type: "ContextPool", Loses: true},
	{Path: Conc + "/pool", Type: "ResultPool", Loses: true},
	{Path: Conc + "/pool", Type: "ResultErrorPool", Loses: true},
	{Path: Conc + "/pool", Type: "ResultContextPool", Loses: true},
	{Path: Conc + "/stream", Type: "Stream", Loses: true},
}

var (
	starting = []string{"Go", "TryGo", "GoContext", "GoNamed", "Background"}
	waiting  = []string{"Wait", "WaitContext", "WaitAndRecover"}
	closing  = []string{"Close", "Shutdown"}
)

// PathOf returns the import path of an object's package, without the folders that
// vendor it; "" for what belongs to no package.
func PathOf(obj types.Object) string {
	if fn, ok := obj.(*types.Func); obj == nil || ok && fn == nil || obj.Pkg() == nil {
		return "" // Callee returns a nil *types.Func
	}
	return PathOfPackage(obj.Pkg())
}

// PathOfPackage returns the import path of a package, without the folders that vendor it, and
// without what tells a test's variant from the package.
func PathOfPackage(pkg *types.Package) string {
	path, _, _ := strings.Cut(pkg.Path(), " ")
	if i := strings.LastIndex(path, "/vendor/"); i >= 0 {
		return path[i+len("/vendor/"):]
	}
	return strings.TrimPrefix(path, "vendor/")
}

// KindOf returns the kind of t, or of what t points to; nil if it owns nothing.
func KindOf(t types.Type) *Kind {
	named := namedOf(t)
	if named == nil {
		return nil
	}
	path := PathOf(named.Obj())
	for _, k := range kinds {
		if k.Type == named.Obj().Name() && k.Path == path {
			return k
		}
	}
	return nil
}

func namedOf(t types.Type) *types.Named {
	if t == nil {
		return nil
	}
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, _ := types.Unalias(t).(*types.Named)
	return named
}

// IsType reports whether t, or what it points to, is the named type path.name.
func IsType(t types.Type, path, name string) bool {
	named := namedOf(t)
	return named != nil && named.Obj().Name() == name && PathOf(named.Obj()) == path
}

// IsFunc reports whether fn is one of the package-level functions path.names.
func IsFunc(fn *types.Func, path string, names ...string) bool {
	return fn != nil && fn.Signature().Recv() == nil && slices.Contains(names, fn.Name()) && PathOf(fn) == path
}

// Callee returns the function or method that call names, also one of an interface; nil if it calls
// a value, converts, or is a builtin.
func Callee(info *types.Info, call *ast.CallExpr) *types.Func {
	fn, _ := typeutil.Callee(info, call).(*types.Func)
	if fn != nil {
		fn = fn.Origin()
	}
	return fn
}

// A Method is a call, or the value, of a method of an owner.
type Method struct {
	Kind   *Kind
	Name   string
	Owner  ast.Expr      // the receiver as it was written
	Fields []string      // fields between Owner and the receiver, where it is embedded
	Call   *ast.CallExpr // nil for a method value
	Args   []ast.Expr    // without the receiver
}

// Starts reports whether the method starts a task.
func (m *Method) Starts() bool { return slices.Contains(starting, m.Name) }

// Waits reports whether the method returns when the owner's tasks have ended.
func (m *Method) Waits() bool {
	return slices.Contains(waiting, m.Name) || m.Kind.Closes && slices.Contains(closing, m.Name)
}

// MethodOf returns the method of an owner that call calls; nil if it calls none.
func MethodOf(info *types.Info, call *ast.CallExpr) *Method {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	m := Selected(info, sel)
	if m == nil {
		return nil
	}
	m.Call, m.Args = call, call.Args
	if m.Owner == nil { // a method expression: (*group.Group).Go(g, f)
		if len(call.Args) == 0 {
			return nil
		}
		m.Owner, m.Args = call.Args[0], call.Args[1:]
	}
	return m
}

// Selected returns the method of an owner that sel names; nil if it names none. The
// Owner of a method expression is nil.
func Selected(info *types.Info, sel *ast.SelectorExpr) *Method {
	selection := info.Selections[sel]
	if selection == nil {
		return nil
	}
	fn, ok := selection.Obj().(*types.Func)
	if !ok || fn.Signature().Recv() == nil {
		return nil
	}
	kind := KindOf(fn.Signature().Recv().Type())
	if kind == nil {
		return nil
	}
	m := &Method{Kind: kind, Name: fn.Name()}
	if selection.Kind() == types.MethodVal {
		m.Owner = sel.X
		m.Fields = fieldsOf(selection)
	}
	return m
}

// fieldsOf returns the embedded fields on the way from a selection's operand to the selected field
// or method.
func fieldsOf(selection *types.Selection) []string {
	var fields []string
	t := selection.Recv()
	index := selection.Index()
	for _, i := range index[:len(index)-1] {
		if pointer, ok := t.Underlying().(*types.Pointer); ok {
			t = pointer.Elem()
		}
		s, ok := t.Underlying().(*types.Struct)
		if !ok {
			return fields
		}
		fields = append(fields, s.Field(i).Name())
		t = s.Field(i).Type()
	}
	return fields
}
