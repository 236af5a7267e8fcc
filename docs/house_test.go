// Package docs_test checks what the documentation promises about the repository.
package docs_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	module   = "github.com/coterie-go/coterie"
	multierr = "go.uber.org/multierr"
)

// goCommand runs the go command at the top of the repository.
func goCommand(t *testing.T, args ...string) []byte {
	command := exec.Command("go", args...)
	command.Dir = ".."
	command.Stderr = t.Output()
	out, err := command.Output()
	require.NoError(t, err, "go %s", strings.Join(args, " "))
	return out
}

// listed is what go list says about a package.
type listed struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
	Standard                bool
	Module                  *struct{ Main bool }
}

func goList(t *testing.T, args ...string) []listed {
	args = append([]string{"list", "-json=Dir,ImportPath,Export,GoFiles,Standard,Module", "-deps"}, args...)
	decoder := json.NewDecoder(strings.NewReader(string(goCommand(t, args...))))
	var packages []listed
	for {
		var p listed
		err := decoder.Decode(&p)
		if err == io.EOF {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, p)
		if p.Module != nil && p.Module.Main {
			// So that go test does not take a result from its cache that is older
			// than what is in there: it sees what the test opens.
			_, err := os.ReadDir(p.Dir)
			require.NoError(t, err)
		}
	}
}

func TestArrows(t *testing.T) {
	core, group := module+"/core", module+"/group"
	sched := core + "/sched"
	inner := []string{ // what stands beneath core and the scheduler
		core + "/race", core + "/internal/list", core + "/internal/noted", core + "/internal/park", core + "/internal/quote",
		core + "/internal/stack", core + "/internal/told",
	}
	for _, c := range []struct {
		name          string
		needs, allows []string
	}{
		{"core", nil, inner},
		{"core/race", nil, nil},
		{"core/sched", []string{core}, inner},
		{"group", []string{core, sched}, inner},
		{"group/tree", []string{core, sched}, inner},
		{"group/grouptest", []string{core, group, sched, group + "/tree"}, inner},
		{"group/service", []string{core, group, sched}, inner},
		{"errgroup", []string{core, sched}, append([]string{multierr}, inner...)},
		{"pool", []string{core, sched}, append([]string{multierr, module + "/pool/internal/loop"}, inner...)},
	} {
		for _, tags := range []string{"", "race", "race,coterie_instrumented"} {
			t.Run(fmt.Sprintf("%s imports what it may, with tags %q", c.name, tags), func(t *testing.T) {
				var got []string
				for _, p := range goList(t, "-tags="+tags, "./"+c.name) {
					if !p.Standard && p.ImportPath != module+"/"+c.name {
						got = append(got, p.ImportPath)
					}
				}
				require.Subset(t, got, c.needs)
				require.Subset(t, slices.Concat(c.needs, c.allows), got)
			})
		}
	}
}

func TestModule(t *testing.T) {
	t.Run("go.mod requires nothing further", func(t *testing.T) {
		var mod struct {
			Module  struct{ Path string }
			Require []struct {
				Path     string
				Indirect bool
			}
			Replace, Exclude []any
		}
		require.NoError(t, json.Unmarshal(goCommand(t, "mod", "edit", "-json"), &mod))
		require.Equal(t, module, mod.Module.Path)
		require.Empty(t, mod.Replace)
		require.Empty(t, mod.Exclude)
		var direct []string
		for _, r := range mod.Require {
			if !r.Indirect {
				direct = append(direct, r.Path)
			}
		}
		require.ElementsMatch(t, []string{
			"github.com/stretchr/testify", "go.uber.org/goleak", "go.uber.org/multierr", "golang.org/x/sync",
		}, direct)
	})

	t.Run("nothing further stands at the top", func(t *testing.T) {
		entries, err := os.ReadDir("..")
		require.NoError(t, err)
		var names []string
		for _, entry := range entries {
			if name := entry.Name(); !strings.HasPrefix(name, ".") && entry.Type().IsDir() || filepath.Ext(name) == ".go" {
				names = append(names, name)
			}
		}
		require.ElementsMatch(t, []string{"core", "group", "pool", "errgroup", "examples", "docs"}, names)
		for _, name := range []string{"LICENSE", "README.md", "go.mod", "go.sum"} {
			require.FileExists(t, filepath.Join("..", name))
		}
	})
}

// The one promise that everything rests on: nobody can forget an Add or a Done,
// because nobody calls them.
func TestCounting(t *testing.T) {
	fset := token.NewFileSet()
	exports := make(map[string]string)
	var ours []listed
	for _, p := range goList(t, "-export", "./...") {
		exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Main && len(p.GoFiles) > 0 && p.ImportPath != module+"/core" {
			ours = append(ours, p)
		}
	}
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	require.GreaterOrEqual(t, len(ours), 4)

	calls := make(map[string][]string) // from the file to the methods that it names
	var exposed []string
	for _, p := range ours {
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
		}
		info := &types.Info{Uses: make(map[*ast.Ident]types.Object), Defs: make(map[*ast.Ident]types.Object)}
		config := types.Config{Importer: imports}
		_, err := config.Check(p.ImportPath, fset, files, info)
		require.NoError(t, err)

		for ident, used := range info.Uses {
			method, ok := used.(*types.Func)
			if !ok || !slices.Contains([]string{"Add", "Done", "Go"}, method.Name()) {
				continue
			}
			if receiver := method.Signature().Recv(); receiver != nil && isWaitGroup(receiver.Type()) {
				at := fset.Position(ident.Pos())
				name := strings.TrimPrefix(p.ImportPath, module+"/") + "/" + filepath.Base(at.Filename)
				calls[name] = append(calls[name], method.Name())
			}
		}
		for ident, defined := range info.Defs {
			field, ok := defined.(*types.Var)
			if ok && isWaitGroup(field.Type()) && (field.Embedded() || ident.IsExported()) {
				exposed = append(exposed, fset.Position(ident.Pos()).String())
			}
		}
	}
	t.Run("outside core only the engines call Add and Done", func(t *testing.T) {
		for name := range calls {
			if name != "group/engine.go" && name != "pool/internal/loop/loop.go" && filepath.Dir(name) != "pool" { // whose engines are several files
				t.Errorf("%s calls them", name)
			}
		}
	})
	t.Run("no owner hands out its WaitGroup", func(t *testing.T) {
		require.Empty(t, exposed)
	})
}

// isWaitGroup reports whether t is a WaitGroup of core or of sync, or a pointer
// to one.
func isWaitGroup(t types.Type) bool {
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == "WaitGroup" && named.Obj().Pkg() != nil &&
		slices.Contains([]string{"sync", module + "/core"}, named.Obj().Pkg().Path())
}
