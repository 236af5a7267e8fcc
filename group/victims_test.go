package group_test

import (
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/group"
)

// victims are programs that a test runs in a process of their own, which ends with
// status 0 if the program returns.
var victims = map[string]func(){
	"a panic under Crash": func() {
		g := group.New(group.Options{Panics: core.Crash})
		for range rand.IntN(4) {
			g.Go(func() {
				for range rand.IntN(100) {
					runtime.Gosched() // jitter
				}
			})
		}
		g.Go(func() { raiseHere("boom") })
		g.Wait()
	},
	"a panic under Crash, of an only task": func() {
		g := group.New(group.Options{Panics: core.Crash})
		g.Go(func() { raiseHere("boom") })
		g.Wait()
	},
	"a panic under Crash, of a task with a goroutine of its own": func() {
		g := group.New(group.Options{Panics: core.Crash, Isolate: true})
		g.Go(func() { raiseHere("boom") })
		g.Wait()
	},
	"a panic under Crash, of a fork": func() {
		g := group.New(group.Options{Panics: core.Crash})
		_, _ = group.Fork(g, func() (int, error) { raiseHere("boom"); return 0, nil }).Get()
	},
	"a panic under Crash, from a nested group": func() {
		g := group.New(group.Options{Panics: core.Crash})
		g.Go(func() {
			group.Run(func(g *group.Group) {
				g.Go(func() { raiseHere("boom") })
			})
		})
		g.Wait()
	},
	"a panic in OnPanic": func() {
		g := group.New(group.Options{Panics: core.Capture, OnPanic: func(*core.PanicError) { panic("in OnPanic") }})
		g.Go(func() { raiseHere("boom") })
		g.Wait()
	},
}

func TestCrash(t *testing.T) {
	runs := child.Many(1, 40) // of each of the victims
	for name := range victims {
		t.Run(name+" ends the process with its own stack first", func(t *testing.T) {
			t.Parallel()
			for range runs {
				inside, output, err := child.Run(t)
				if inside {
					victims[name]()
					os.Exit(0)
				}
				child.Panicked(t, output, err)
				checkCrash(t, name, output)
			}
		})
	}
}

func TestGoexitUnderCrash(t *testing.T) {
	g := group.New(group.Options{Panics: core.Crash})
	g.Go(runtime.Goexit)
	require.True(t, exited(g.Wait))
	f := group.Fork(g, func() (int, error) { runtime.Goexit(); return 0, nil })
	_, err := f.Get()
	require.Equal(t, core.ErrGoexit, err)
	require.True(t, exited(g.Wait))
}

// checkCrash looks at what the runtime prints for a panic that ends the process.
func checkCrash(t *testing.T, name, output string) {
	require.Contains(t, output, "panic: boom")
	if strings.Contains(name, "OnPanic") && !strings.Contains(output, "panic: in OnPanic") {
		t.Errorf("does not tell of the panic in OnPanic: %s", output)
	}
	stacks := regexp.MustCompile(`(?m)^\s*goroutine \d+`).Split(output, -1)
	if len(stacks) < 2 || !strings.Contains(stacks[1], "group_test.raiseHere(") {
		t.Errorf("the first stack is not the original one: %s", output)
	}
}

func TestFailNow(t *testing.T) {
	inside, output, err := child.Run(t, "-test.v")
	if inside {
		endInTasks(t)
		return
	}
	require.Error(t, err)
	for _, starter := range []string{"Go", "Run", "Fork"} {
		for how, want := range map[string]string{
			"FailNow": "FAIL", "Fatal": "FAIL", "require": "FAIL", "Skip": "SKIP", "return": "PASS",
		} {
			require.Contains(t, output, "--- "+want+": TestFailNow/"+starter+"/"+how+" ", "%s", output)
		}
	}
	require.Equal(t, 3, strings.Count(output, "went on"), "only where the task returns: %s", output)
}

// endInTasks ends tests from within tasks, in every way.
func endInTasks(t *testing.T) {
	starters := map[string]func(f func()){
		"Go":  func(f func()) { var g group.Group; g.Go(f); g.Wait() },
		"Run": func(f func()) { group.Run(func(g *group.Group) { g.Go(f) }) },
		"Fork": func(f func()) {
			var g group.Group
			group.Fork(&g, func() (int, error) { f(); return 0, nil })
			g.Wait()
		},
	}
	for starter, start := range starters {
		t.Run(starter, func(t *testing.T) {
			end := func(how string, f func(t *testing.T)) {
				t.Run(how, func(t *testing.T) {
					start(func() { f(t) })
					t.Log("went on")
				})
			}
			end("FailNow", func(t *testing.T) { t.FailNow() })
			end("Fatal", func(t *testing.T) { t.Fatal("fatal") })
			end("Skip", func(t *testing.T) { t.Skip("skipped") })
			end("require", func(t *testing.T) { require.True(t, false) })
			end("return", func(t *testing.T) {})
		})
	}
}
