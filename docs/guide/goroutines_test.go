package guide_test

import (
	"context"
	"crypto/fips140"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// A mark is what a task can leave on its goroutine.
type mark struct {
	set  func(t *testing.T)
	seen func() bool // by the task that follows
}

// marks has the rows of goroutines.md that a test can see.
var marks = map[string]mark{
	"the goroutine is locked to its thread": {
		set:  func(*testing.T) { runtime.LockOSThread() },
		seen: isLocked,
	},
	"profiler labels": {
		set: func(t *testing.T) {
			pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), pprof.Labels("left", "behind")))
		},
		seen: isLabelled,
	},
	"a fault is a panic": {
		set:  func(*testing.T) { debug.SetPanicOnFault(true) },
		seen: func() bool { return debug.SetPanicOnFault(false) },
	},
}

func isLocked() bool {
	var buf [128]byte
	header, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), "\n")
	return strings.Contains(header, "locked to thread")
}

var goroutineRecord = regexp.MustCompile(`(?m)^\d+ @.*\n(?:# labels: (.*)\n)?((?:#.*\n)+)`)

// isLabelled reports whether the caller's goroutine has labels.
//
//go:noinline
func isLabelled() bool {
	var profile strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
	for _, r := range goroutineRecord.FindAllStringSubmatch(profile.String(), -1) {
		if strings.Contains(r[2], "guide_test.isLabelled") {
			return strings.Contains(r[1], "left")
		}
	}
	return false
}

// An isolating owner starts tasks of an owner without a name, and waits for them.
type taskStarter struct {
	start func(f func())
	wait  func()
}

func starters(t *testing.T, isolate bool) map[string]taskStarter {
	g := group.New(group.Options{Isolate: isolate})
	e, _ := errgroup.New(t.Context(), errgroup.Options{Isolate: isolate})
	p := pool.New(1, pool.Options{Isolate: isolate})
	t.Cleanup(p.Close)
	b := p.Batch(t.Context())
	return map[string]taskStarter{
		"group":    {g.Go, g.Wait},
		"errgroup": {func(f func()) { e.Go(func() error { f(); return nil }) }, func() { require.NoError(t, e.Wait()) }},
		"pool":     {p.Go, p.Wait},
		"batch":    {b.Go, b.Wait},
	}
}

func TestMarksOnGoroutines(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that one worker takes both tasks
	for name, m := range marks {
		for _, isolate := range []bool{false, true} {
			for owner, s := range starters(t, isolate) {
				t.Run(name+", "+owner+map[bool]string{true: ", isolated"}[isolate], func(t *testing.T) {
					shared := false
					for range 1000 {
						var first, second uint64
						seen := false
						s.start(func() { first = sched.GoroutineID(); m.set(t) })
						s.start(func() { second = sched.GoroutineID(); seen = m.seen() })
						s.wait()
						require.Equal(t, first == second, seen)
						if shared = first == second; shared || isolate || race.Hidden {
							break
						}
					}
					require.Equal(t, !isolate && !race.Hidden, shared)
				})
			}
		}
	}
}

// TestInheritedByGoroutines runs itself in a process that enforces FIPS 140-3.
func TestInheritedByGoroutines(t *testing.T) {
	if os.Getenv("GUIDE_FIPS") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInheritedByGoroutines$")
		cmd.Env = append(os.Environ(), "GUIDE_FIPS=1", "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "fips140") && strings.Contains(string(out), "not supported") {
			t.Skip(string(out))
		}
		require.NoError(t, err, "%s", out)
		return
	}
	require.True(t, fips140.Enforced())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))

	t.Run("around Go it reaches whatever the worker runs", func(t *testing.T) {
		for range 1000 {
			var g group.Group
			var first, second uint64
			enforced := true
			fips140.WithoutEnforcement(func() { g.Go(func() { first = sched.GoroutineID() }) })
			g.Go(func() { second, enforced = sched.GoroutineID(), fips140.Enforced() })
			g.Wait()
			if first == second {
				require.False(t, enforced)
				return
			}
			if race.Hidden {
				return
			}
		}
		t.Error("no two tasks have shared a goroutine")
	})

	t.Run("within the task it ends there", func(t *testing.T) {
		for _, isolate := range []bool{false, true} {
			g := group.New(group.Options{Isolate: isolate})
			for range 100 {
				g.Go(func() { fips140.WithoutEnforcement(func() { require.False(t, fips140.Enforced()) }) })
				g.Go(func() { require.True(t, fips140.Enforced()) })
			}
			g.Wait()
		}
	})
}

// An owner with a name labels each task afresh, and so does a pool.
func TestLabelsAreSetAfresh(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	pprof.Do(t.Context(), pprof.Labels("left", "behind"), func(ctx context.Context) {
		g := group.New(group.Options{Name: "named"})
		p := pool.New(1, pool.Options{})
		for range 10 {
			// One at a time, because isLabelled takes the first goroutine that calls it.
			g.Go(func() { require.False(t, isLabelled()) })
			g.Wait()
			require.NoError(t, g.GoContext(ctx, func(context.Context) { require.True(t, isLabelled()) }))
			g.Wait()
			p.Go(func() { assert.False(t, isLabelled()) })
			p.Wait()
			require.NoError(t, p.GoContext(ctx, func(context.Context) { assert.True(t, isLabelled()) }))
			p.Wait()
		}
		p.Close()
		require.NoError(t, pool.For(ctx, 4, 100, func(context.Context, int) error {
			require.True(t, isLabelled())
			return nil
		}))
	})
}
