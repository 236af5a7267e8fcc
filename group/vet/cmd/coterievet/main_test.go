package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet"
)

// The test binary is the program, too, if this variable is set.
const programVar = "COTERIEVET_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVar) != "" {
		main()
	}
	os.Exit(m.Run())
}

func flags(lists ...[]*analysis.Analyzer) []string {
	var flags []string
	for _, a := range slices.Concat(lists...) {
		flags = append(flags, "-"+a.Name)
	}
	return flags
}

func TestChoose(t *testing.T) {
	barego := []string{"-barego"}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"nothing named: those on by default", []string{"-json", "a.cfg"}, flags(vet.Analyzers)},
		{"one by default named: only that", []string{"-waiterr", "a.cfg"}, []string{"-waiterr"}},
		{"an optional one is added", []string{"-barego=true", "a.cfg"}, slices.Concat(flags(vet.Analyzers), barego)},
		{"one of each", []string{"-barego", "-waiterr", "a.cfg"}, slices.Concat([]string{"-waiterr"}, barego)},
		{"one left out", []string{"-" + vet.Analyzers[0].Name + "=false", "a.cfg"}, flags(vet.Analyzers[1:])},
		{"-fix: only the fixers", []string{"-fix", "-barego", "a.cfg"}, flags(vet.Fixers)},
		{"-fix: only those named", []string{"-fix", "-fixgroup", "a.cfg"}, []string{"-fixgroup"}},
		{"a fixer without -fix reports", []string{"-fixgroup", "a.cfg"}, []string{"-fixgroup"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, arg := range choose(c.args) {
				if slices.Contains(flags(vet.Analyzers, vet.Optional, vet.Fixers), arg) {
					got = append(got, arg)
				}
			}
			require.Equal(t, c.want, got)
			require.Contains(t, choose(c.args), "a.cfg")
		})
	}
	t.Run("all left out: none", func(t *testing.T) {
		args := []string{"a.cfg"}
		for _, name := range flags(vet.Analyzers) {
			args = append([]string{name + "=false"}, args...)
		}
		for _, arg := range choose(args) {
			require.True(t, arg == "a.cfg" || strings.HasSuffix(arg, "=false"), arg)
		}
	})
	t.Run("what is no package stays", func(t *testing.T) {
		require.Equal(t, []string{"-V=full"}, choose([]string{"-V=full"}))
	})
}

func TestValid(t *testing.T) {
	require.NoError(t, analysis.Validate(slices.Concat(vet.Analyzers, vet.Optional, vet.Fixers)))
}

// run runs a command in dir and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), programVar+"=1", "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// module writes a module that uses coterie from this repository.
func module(t *testing.T, source string) (dir string) {
	root, err := filepath.Abs("../../../..")
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example\n\ngo 1.26.0\n\nrequire github.com/coterie-go/coterie v0.0.0\n\n" +
			"replace github.com/coterie-go/coterie => " + root + "\n",
		"go.sum":  string(sums),
		"main.go": source,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	return dir
}

const program = `package main

import "sync"

func main() {
	var wg sync.WaitGroup
	sem := make(chan struct{}, 3)
	for range 9 {
		sem <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { <-sem }()
			println()
		}()
	}
	if cap(sem) == 0 {
		return
	}
	wg.Wait()
}
`

func TestProgram(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	const unwaited = "main.go:6:6: tasks of wg may still run when the function returns: no Wait on the path to line 18"

	t.Run("alone", func(t *testing.T) {
		out, err := run(t, module(t, program), self, "./...")
		require.Error(t, err, out)
		require.Contains(t, out, unwaited)
		require.NotContains(t, out, "has no owner")
	})

	t.Run("alone, with an optional analyzer", func(t *testing.T) {
		out, err := run(t, module(t, program), self, "-barego", "./...")
		require.Error(t, err, out)
		require.Contains(t, out, unwaited)
		require.Contains(t, out, "main.go:11:3: this goroutine has no owner")
	})

	t.Run("alone, with a flag of an analyzer", func(t *testing.T) {
		out, err := run(t, module(t, program), self, "-barego", "-barego.allow=example", "-unwaited=false", "./...")
		require.NoError(t, err, out)
	})

	t.Run("as the tool of go vet", func(t *testing.T) {
		out, err := run(t, module(t, program), "go", "vet", "-vettool="+self, "./...")
		require.Error(t, err, out)
		require.Contains(t, out, unwaited)
	})

	t.Run("as the tool of go fix", func(t *testing.T) {
		dir := module(t, program)
		out, err := run(t, dir, "go", "fix", "-fixtool="+self, "./...")
		require.NoError(t, err, out)
		source, err := os.ReadFile(filepath.Join(dir, "main.go"))
		require.NoError(t, err)
		require.Contains(t, string(source), "var wg group.Group")
	})

	t.Run("alone, -fix goes on until nothing changes", func(t *testing.T) {
		dir := module(t, strings.Replace(program, "	if cap(sem) == 0 {\n\t\treturn\n\t}\n", "", 1))
		out, err := run(t, dir, self, "-fix", "./...")
		require.NoError(t, err, out)
		source, err := os.ReadFile(filepath.Join(dir, "main.go"))
		require.NoError(t, err)
		require.Equal(t, `package main

import "github.com/coterie-go/coterie/group"

func main() {
	wg := group.New(group.Options{Limit: 3})
	for range 9 {
		wg.Go(func() {
			println()
		})
	}
	wg.Wait()
}
`, string(source))
		out, err = run(t, dir, "go", "build", "-o", os.DevNull, ".")
		require.NoError(t, err, out)
	})
}
