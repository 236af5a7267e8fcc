// Package compare_test tries what the README's table of comparison says, with
// every package that the table names.
package compare_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program of a row is run in a process of its own, with the name of the package
// that it shall use. What it prints is what the table says in that cell. A
// process that ends of the panic which the program began prints "the process ends".
// Cells that say "no" are not run: the package has no such function.
const processEnds = "the process ends"

// rows are the programs, by the row of the table.
var rows = map[string]func(name string){
	"a task panics":                                          panics,
	"a task of a pool panics":                                panicsInPool,
	"a panic can be given to a function instead":             panicToFunction,
	"a panic can end the process":                            panicEnds,
	"a task calls Goexit, as `t.FailNow` does":               goexit,
	"the same in a task of a pool":                           goexitInPool,
	"a wait that gives up":                                   givesUp,
	"which then lists what still runs":                       whatRuns,
	"errors of all tasks":                                    allErrors,
	"a loop over a slice, and an item fails":                 loopFails,
	"results in the order of the input":                      inOrder,
	"changing the limit while tasks run":                     changeLimit,
	"a task waits for another task of its own full pool":     nestedWait,
	"the same with the context that the task was given":      nestedWaitContext,
	"a task starts another in its own full group, with `Go`": nestedGo,
	"goroutines that an idle pool keeps":                     idle,
}

func TestMain(m *testing.M) {
	if row, name, ok := strings.Cut(os.Getenv("COMPARE"), "|"); ok {
		rows[row](name)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTable(t *testing.T) {
	table := readTable(t)
	for row := range table {
		if row != "version" {
			require.Contains(t, rows, row)
		}
	}
	for row := range rows {
		require.Contains(t, table, row)
		for name, cell := range table[row] {
			if cell == "no" {
				continue
			}
			t.Run(row+": "+name, func(t *testing.T) {
				t.Parallel()
				require.Equal(t, observe(t, row, name), cell)
			})
		}
	}

	t.Run("the versions are those that are tried here", func(t *testing.T) {
		mod, err := os.ReadFile("go.mod")
		require.NoError(t, err)
		release, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go1."), ".")
		versions := map[string]string{"coterie": "this one", "sync.WaitGroup": "Go 1." + release}
		for name, path := range map[string]string{
			"x/sync errgroup": "golang.org/x/sync",
			"conc":            "github.com/sourcegraph/conc",
			"ants":            "github.com/panjf2000/ants/v2",
			"pond":            "github.com/alitto/pond/v2",
		} {
			version := regexp.MustCompile(regexp.QuoteMeta(path) + ` v(\S+)`).FindSubmatch(mod)
			require.NotNil(t, version, path)
			versions[name] = string(version[1])
		}
		require.Equal(t, versions, table["version"])
	})
}

// observe returns what a process printed, or that it ended.
func observe(t *testing.T, row, name string) string {
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), "COMPARE="+row+"|"+name)
	var out, errs bytes.Buffer
	process.Stdout, process.Stderr = &out, &errs
	if err := process.Run(); err != nil {
		require.Equal(t, 2, process.ProcessState.ExitCode(), errs.String())
		require.Regexp(t, "^panic: first", errs.String())
		return processEnds
	}
	return out.String()
}

// readTable returns the README's table by row and column.
func readTable(t *testing.T) map[string]map[string]string {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	table := make(map[string]map[string]string)
	var header []string
	for line := range strings.Lines(string(readme)) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
		if !ok {
			header = nil
			continue
		}
		cells := strings.Split(strings.TrimSuffix(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if header == nil {
			header = cells
		} else if header[1] == "coterie" && !strings.HasPrefix(cells[0], "---") {
			row := make(map[string]string)
			for i, name := range header[1:] {
				row[name] = cells[i+1]
			}
			table[cells[0]] = row
		}
	}
	require.NotEmpty(t, table)
	return table
}
