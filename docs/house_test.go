// Package docs_test checks what the documentation promises about the repository.
package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
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
	GoFiles, Deps           []string
	Standard                bool
	Module                  *struct{ Main bool }
}

// listPackages lists packages and those that they import.
func listPackages(args ...string) (packages []listed, err error) {
	command := exec.Command("go", append([]string{"list", "-json=Dir,ImportPath,Export,GoFiles,Deps,Standard,Module", "-deps"}, args...)...)
	command.Dir = ".."
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			return nil, err
		}
		packages = append(packages, p)
		if p.Module != nil && p.Module.Main {
			// So that go test does not take a result from its cache that is older
			// than what is in there: it sees what the test opens.
			if _, err := os.ReadDir(p.Dir); err != nil {
				return nil, err
			}
		}
	}
	return packages, nil
}

// allPackages lists the packages of the module and those that they import, without build tags.
var allPackages = sync.OnceValues(func() ([]listed, error) { return listPackages("-export", "./...") })

// goList does the same with build tags.
func goList(t *testing.T, tags string) []listed {
	list := allPackages
	if tags != "" {
		list = func() ([]listed, error) { return listPackages("-tags="+tags, "./...") }
	}
	packages, err := list()
	require.NoError(t, err)
	return packages
}

func TestArrows(t *testing.T) {
	core, group := module+"/core", module+"/group"
	sched := core + "/sched"
	inner := []string{ // what stands beneath core and the scheduler
		core + "/race", core + "/internal/bridge", core + "/internal/list", core + "/internal/park", core + "/internal/quote",
		core + "/internal/stack",
	}
	rules := []struct {
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
	}
	for _, tags := range []string{"", "race", "race,coterie_instrumented"}[:child.Many(1, 3)] {
		packages := make(map[string]listed)
		for _, p := range goList(t, tags) {
			packages[p.ImportPath] = p
		}
		for _, r := range rules {
			t.Run(fmt.Sprintf("%s imports what it may, with tags %q", r.name, tags), func(t *testing.T) {
				var got []string
				for _, path := range packages[module+"/"+r.name].Deps {
					if !packages[path].Standard {
						got = append(got, path)
					}
				}
				require.Subset(t, got, r.needs)
				require.Subset(t, slices.Concat(r.needs, r.allows), got)
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

// checked is a package whose types are known.
type checked struct {
	listed
	fset *token.FileSet
	info *types.Info
}

// file returns the name of the file that has a position.
func (p *checked) file(at token.Pos) string { return filepath.Base(p.fset.Position(at).Filename) }

// checkedPackages are the packages of the module.
var checkedPackages = sync.OnceValues(func() (ours []*checked, err error) {
	fset := token.NewFileSet()
	exports := make(map[string]string)
	packages, err := allPackages()
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	for _, p := range packages {
		if p.Module == nil || !p.Module.Main {
			continue
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, file)
		}
		info := &types.Info{Uses: make(map[*ast.Ident]types.Object), Defs: make(map[*ast.Ident]types.Object)}
		config := types.Config{Importer: imports}
		if _, err := config.Check(p.ImportPath, fset, files, info); err != nil {
			return nil, err
		}
		ours = append(ours, &checked{p, fset, info})
	}
	return ours, nil
})

// The one promise that everything rests on: nobody can forget an Add or a Done,
// because nobody calls them.
func TestCounting(t *testing.T) {
	ours, err := checkedPackages()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(ours), 4)

	calls := make(map[string][]string) // from the file to the methods that it names
	var exposed []string
	for _, p := range ours {
		if p.ImportPath == module+"/core" {
			continue
		}
		for ident, used := range p.info.Uses {
			method, ok := used.(*types.Func)
			if !ok || !slices.Contains([]string{"Add", "Done", "Go"}, method.Name()) {
				continue
			}
			if receiver := method.Signature().Recv(); receiver != nil && isWaitGroup(receiver.Type()) {
				name := strings.TrimPrefix(p.ImportPath, module+"/") + "/" + p.file(ident.Pos())
				calls[name] = append(calls[name], method.Name())
			}
		}
		for ident, defined := range p.info.Defs {
			field, ok := defined.(*types.Var)
			if ok && isWaitGroup(field.Type()) && (field.Embedded() || ident.IsExported()) {
				exposed = append(exposed, p.fset.Position(ident.Pos()).String())
			}
		}
	}
	t.Run("outside core only the loops call Add and Done", func(t *testing.T) {
		for name := range calls {
			if name != "pool/internal/loop/loop.go" {
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

// A package reads from the bottom up if its files can be put in an order in which they name only what
// stands in files below. Fewer than ten pairs of files of a package are against that order.
func TestLayers(t *testing.T) {
	ours, err := checkedPackages()
	require.NoError(t, err)
	for _, p := range ours {
		if strings.HasPrefix(p.ImportPath, module+"/examples") || strings.HasPrefix(p.ImportPath, module+"/docs") {
			continue
		}
		t.Run(strings.TrimPrefix(p.ImportPath, module+"/"), func(t *testing.T) {
			names := make(map[[2]string]bool) // whether a file names what stands in the other
			for ident, used := range p.info.Uses {
				if f, ok := used.(*types.Func); ok {
					used = f.Origin()
				}
				field, ok := used.(*types.Var)
				if ok && field.IsField() || used.Pkg() == nil || used.Pkg().Path() != p.ImportPath {
					continue
				}
				if from, to := p.file(ident.Pos()), p.file(used.Pos()); from != to {
					names[[2]string{from, to}] = true
				}
			}
			back := runBack(p.GoFiles, names)
			require.Less(t, len(back), 10, "%v", back)
		})
	}
}

// runBack returns the pairs whose first file stands below the second. It orders the files so that
// these are few: of what it finds from several random orders it takes the best.
func runBack(files []string, names map[[2]string]bool) (least [][2]string) {
	files = slices.Clone(files)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5 {
		if back := runBackFrom(files, names); i == 0 || len(back) < len(least) {
			least = slices.Clone(back)
		}
		random.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	}
	return least
}

// runBackFrom is runBack for one order to begin with. As long as it helps, it moves one file.
func runBackFrom(files []string, names map[[2]string]bool) (back [][2]string) {
	files = slices.Clone(files)
	at := make(map[string]int)
	count := func() int {
		for i, file := range files {
			at[file] = i
		}
		back = back[:0]
		for pair := range names {
			if at[pair[0]] < at[pair[1]] {
				back = append(back, pair)
			}
		}
		return len(back)
	}
	least := count()
	for again := true; again; {
		again = false
		for from := range files {
			for to := range files {
				before := slices.Clone(files)
				file := files[from]
				files = slices.Insert(slices.Delete(files, from, from+1), to, file)
				if n := count(); n < least {
					least, again = n, true
				} else {
					files = before
				}
			}
		}
	}
	count()
	return back
}
