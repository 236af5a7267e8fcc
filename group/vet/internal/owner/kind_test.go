package owner_test

import (
	"go/ast"
	"go/types"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// named returns a named type of a package.
func named(path, name string) *types.Named {
	pkg := types.NewPackage(path, "p")
	return types.NewNamed(types.NewTypeName(0, pkg, name, nil), types.NewStruct(nil, nil), nil)
}

func TestPathOf(t *testing.T) {
	for path, want := range map[string]string{
		"golang.org/x/sync/errgroup":                      "golang.org/x/sync/errgroup",
		"vendor/golang.org/x/sync/errgroup":               "golang.org/x/sync/errgroup",
		"example.com/m/vendor/golang.org/x/sync/errgroup": "golang.org/x/sync/errgroup",
		"golang.org/x/sync/errgroup [example.com/m.test]": "golang.org/x/sync/errgroup",
		"example.com/vendored/golang.org/x/sync/errgroup": "example.com/vendored/golang.org/x/sync/errgroup",
	} {
		require.Equal(t, want, owner.PathOf(named(path, "Group").Obj()), path)
	}
	t.Run("of nothing", func(t *testing.T) {
		require.Empty(t, owner.PathOf(nil))
		info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Uses: make(map[*ast.Ident]types.Object)}
		require.Empty(t, owner.PathOf(owner.Callee(info, &ast.CallExpr{Fun: new(ast.FuncLit)})))
		require.Empty(t, owner.PathOf(types.Universe.Lookup("len")))
	})
}

func TestKindOf(t *testing.T) {
	group := named("example.com/m/vendor/golang.org/x/sync/errgroup", "Group")
	alias := types.NewAlias(types.NewTypeName(0, types.NewPackage("example.com/m", "m"), "Tasks", nil), group)
	for _, c := range []struct {
		name string
		t    types.Type
		want string
	}{
		{"the type", group, "errgroup.Group"},
		{"a pointer to it", types.NewPointer(group), "errgroup.Group"},
		{"an alias", alias, "errgroup.Group"},
		{"a pointer to an alias", types.NewPointer(alias), "errgroup.Group"},
		{"sync.WaitGroup", named("sync", "WaitGroup"), "sync.WaitGroup"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, owner.KindOf(c.t).String()) })
	}
	for _, c := range []struct {
		name string
		t    types.Type
	}{
		{"nothing", nil},
		{"another type of the package", named("sync", "Mutex")},
		{"another package's type of that name", named("example.com/sync", "WaitGroup")},
		{"a pointer to a pointer", types.NewPointer(types.NewPointer(group))},
		{"a slice", types.NewSlice(group)},
		{"a basic type", types.Typ[types.Int]},
	} {
		t.Run(c.name+" is none", func(t *testing.T) { require.Nil(t, owner.KindOf(c.t)) })
	}
}
