package group_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
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

func runVictim(t *testing.T, name string) (status int, stderr string) {
	require.Contains(t, victims, name)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVar+"="+name)
	var out bytes.Buffer
	cmd.Stderr = &out
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func TestCrash(t *testing.T) {
	runs := 40 // of each of the victims, so 200 in all
	if testing.Short() {
		runs = 2
	}
	for name := range victims {
		t.Run(name+" ends the process with its own stack first", func(t *testing.T) {
			t.Parallel()
			var workers group.Group
			for range 4 {
				workers.Go(func() {
					for range runs / 4 {
						status, stderr := runVictim(t, name)
						if status != 2 {
							t.Errorf("status %d: %s", status, stderr)
							return
						}
						checkCrash(t, name, stderr)
					}
				})
			}
			workers.Wait()
		})
	}
}

// checkCrash looks at what the runtime prints for a panic that ends the process.
func checkCrash(t *testing.T, name, stderr string) {
	if !strings.HasPrefix(stderr, "panic: boom") && !strings.HasPrefix(stderr, "panic: panic: boom") {
		t.Errorf("does not begin with the panic: %s", stderr)
	}
	if strings.Contains(name, "OnPanic") && !strings.Contains(stderr, "panic: in OnPanic") {
		t.Errorf("does not tell of the panic in OnPanic: %s", stderr)
	}
	stacks := regexp.MustCompile(`(?m)^\s*goroutine \d+`).Split(stderr, -1)
	if len(stacks) < 2 || !strings.Contains(stacks[1], "group_test.raiseHere(") {
		t.Errorf("the first stack is not the original one: %s", stderr)
	}
}

// TestInATest is run by TestFailNow in a process of its own, with one subtest.
func TestInATest(t *testing.T) {
	if os.Getenv(inATestVar) == "" {
		t.Skip("for TestFailNow")
	}
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

const inATestVar = "COTERIE_GROUP_IN_A_TEST"

func TestFailNow(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestInATest$", "-test.v")
	cmd.Env = append(os.Environ(), inATestVar+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	for _, starter := range []string{"Go", "Run", "Fork"} {
		for how, want := range map[string]string{
			"FailNow": "FAIL", "Fatal": "FAIL", "require": "FAIL", "Skip": "SKIP", "return": "PASS",
		} {
			require.Contains(t, string(out), "--- "+want+": TestInATest/"+starter+"/"+how+" ", "%s", out)
		}
	}
	require.Equal(t, 3, strings.Count(string(out), "went on"), "only where the task returns: %s", out)
}
