package tree_test

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/tree"
	"github.com/coterie-go/coterie/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write returns the text of the owners under a path, without what differs from run to run.
func write(t *testing.T, path string) string {
	var b strings.Builder
	require.NoError(t, tree.Write(&b, tree.Options{Path: path}))
	return masked(b.String())
}

func masked(text string) string {
	text = regexp.MustCompile(`(?m)^\s+(\S+\(.*\)|/.*|created by .*)\n`).ReplaceAllString(text, "") // stacks
	text = regexp.MustCompile(`(\w+\.go):\d+`).ReplaceAllString(text, "$1:N")
	return regexp.MustCompile(`goroutine \d+`).ReplaceAllString(text, "goroutine N")
}

// owner returns the owner with this path that was made last: those of earlier tests may not be
// collected.
func owner(t *testing.T, path string) (last tree.Owner) {
	for _, o := range tree.Take().Owners {
		if o.Path == path && o.ID > last.ID {
			last = o
		}
	}
	require.NotZero(t, last.ID, "no owner %q", path)
	return last
}

// warnings returns those that mention a path.
func warnings(path string) (found []string) {
	for _, w := range tree.Take().Warnings {
		if strings.Contains(w, path) {
			found = append(found, regexp.MustCompile(`(\w+\.go):\d+`).ReplaceAllString(w, "$1:N"))
		}
	}
	return found
}

func fetch(c chan struct{}) { <-c }

func TestText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		outer, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "ingest", Limit: 8})
		require.NoError(t, outer.GoContext(ctx, func(ctx context.Context) error {
			inner, _ := errgroup.New(ctx, errgroup.Options{Name: "fetch"})
			for range 3 {
				inner.GoNamed("page", func() error { fetch(stop); return nil })
			}
			return inner.Wait()
		}))
		noPage := errors.New("no such page")
		outer.GoNamed("parse", func() error { time.Sleep(time.Second); return noPage })
		ended := make(chan error)
		go func() { ended <- outer.Wait() }()
		time.Sleep(13 * time.Second)
		synctest.Wait()

		text := write(t, "ingest")
		require.Equal(t, strings.TrimPrefix(`
coterie: 2 owners, 4 tasks, 1 warning, at 2000-01-01 00:00:13 UTC

! ingest/fetch was cancelled 12 s ago by ingest/parse and 3 of its tasks still run, all at tree_test.go:N

longest waits:
  goroutine N at tree_test.go:N waits for the tasks of ingest for 13 s
  ingest waits for the tasks of ingest/fetch for 13 s

ingest  errgroup, cancelled 12 s ago by ingest/parse (ingest/parse: no such page), 1 running of 8, goroutine N at tree_test.go:N waits for its tasks for 13 s, 1 ended, 1 failed, 13 s old, made at tree_test.go:N
  - ingest: waits for the tasks of ingest/fetch for 13 s at tree_test.go:N, begun 13 s ago, its context is done for 12 s

  ingest/fetch  errgroup, cancelled 12 s ago by ingest/parse (ingest/parse: no such page), 3 running, ingest waits for its tasks for 13 s, 0 ended, 13 s old, made at tree_test.go:N
    - 3 × ingest/fetch/page: chan receive at tree_test.go:N, begun 13 s ago
`, "\n"), text)
		var b strings.Builder
		require.NoError(t, tree.Write(&b, tree.Options{Path: "ingest/"}))
		require.Contains(t, b.String(), "tree_test.fetch(")
		b.Reset()
		require.NoError(t, tree.Write(&b, tree.Options{Path: "ingest", NoStacks: true}))
		require.NotContains(t, b.String(), "tree_test.fetch(")
		require.Contains(t, b.String(), "3 × ingest/fetch/page: running, begun 13 s ago\n")
		require.NotContains(t, write(t, "ingest/fetch"), "of 8")
		require.NotContains(t, write(t, "ing"), "ingest")

		close(stop)
		require.ErrorIs(t, <-ended, noPage)
		require.Empty(t, warnings("ingest"))
	})
}

func TestTake(t *testing.T) {
	t.Run("the counts of an owner", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			p := pool.New(1, pool.Options{Name: "counts", Queue: 2, OnPanic: func(*core.PanicError) {}})
			p.Go(func() { panic("boom") })
			f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { return 0, errors.New("no") })
			require.NoError(t, err)
			_, err = f.Get()
			require.Error(t, err)
			p.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			p.Go(func() { fetch(release) })
			synctest.Wait()
			require.NoError(t, p.GoContext(ctx, func(context.Context) {}))
			p.Go(func() {})
			go p.Go(func() {})
			go p.GoContext(t.Context(), func(context.Context) {})
			synctest.Wait()
			cancel()
			time.Sleep(11 * time.Second)

			o := owner(t, "counts")
			require.Equal(t, "pool", o.Kind)
			require.Equal(t, tree.Open, o.State)
			require.Equal(t, []int{1, 1, 2, 2}, []int{o.Running, o.Limit, o.Queued, o.Queue})
			require.Equal(t, []uint64{3, 2, 1, 1, 0}, []uint64{o.Started, o.Ended, o.Failed, o.Panicked, o.Dropped})
			require.Len(t, o.Submitters, 2)
			require.Equal(t, tree.Room, o.Submitters[0].For)
			require.Equal(t, 11*time.Second, o.Submitters[1].Age)
			require.Regexp(t, `^tree_test.go:\d+$`, o.Submitters[0].Place)
			require.Equal(t, "queued", o.Tasks[1].State)
			require.Equal(t, "chan receive", o.Tasks[0].State)
			require.Equal(t, 2, o.Tasks[1].Count)
			require.Equal(t, "counts", o.Tasks[0].Path)
			require.Regexp(t, `tree_test\.fetch$`, o.Tasks[0].Function)
			require.Regexp(t, `^tree_test.go:\d+$`, o.Made)
			require.Equal(t, 11*time.Second, o.Age)
			require.Len(t, warnings("room in counts"), 1)
			require.Regexp(t, `^goroutine \d+ at tree_test.go:N waits for room in counts for 11 s, and 1 more$`, warnings("room in counts")[0])

			close(release)
			p.Close()
			o = owner(t, "counts")
			require.Equal(t, tree.Closed, o.State)
			require.Equal(t, []uint64{6, 6, 1}, []uint64{o.Started, o.Ended, o.Dropped})
			require.Empty(t, o.Tasks)
			runtime.KeepAlive(p) // a pool that nobody holds leaves the tree
		})
	})

	t.Run("how long tasks are queued", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			p := pool.New(1, pool.Options{Name: "queue", Queue: 2})
			do := func() { fetch(release) }
			waited := func() time.Duration {
				time.Sleep(time.Second)
				tasks := owner(t, "queue").Tasks
				return tasks[len(tasks)-1].Age
			}
			p.Go(do)
			synctest.Wait()
			p.Go(do)
			time.Sleep(2 * time.Second)
			require.NoError(t, p.GoContext(t.Context(), func(context.Context) { do() }))
			time.Sleep(3 * time.Second)
			require.Contains(t, write(t, "queue"), "  - 2 × queue: queued for 5 s\n")
			go p.Go(do) // is blocked for 4 s
			time.Sleep(time.Second)
			go p.GoContext(t.Context(), func(context.Context) { do() }) // is blocked for 4 s
			require.Equal(t, 7*time.Second, waited())
			time.Sleep(2 * time.Second)
			release <- struct{}{}
			require.Equal(t, 8*time.Second, waited())
			release <- struct{}{}
			require.Equal(t, 2*time.Second, waited())
			release <- struct{}{}
			require.Equal(t, 2*time.Second, waited())
			close(release)
			p.Close()
		})
	})

	t.Run("how long tasks wait for their key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			p := pool.New(4, pool.Options{Name: "keys", Queue: 2})
			k := pool.NewKeyed[string](p, 1)
			do := func(context.Context) { fetch(release) }
			for range 3 {
				require.NoError(t, k.GoContext(t.Context(), "key", do))
				time.Sleep(time.Second)
			}
			go k.GoContext(t.Context(), "key", do)
			time.Sleep(time.Second)
			text := write(t, "keys")
			require.Contains(t, text, "keys  pool, open, 1 running of 4, 0 queued of 2, 2 waiting for their keys, goroutine N at tree_test.go:N waits for room for 1 s, 0 ended")
			require.Contains(t, text, "  - 2 × keys: waits for its key for 3 s\n")
			release <- struct{}{}
			time.Sleep(time.Second)
			tasks := owner(t, "keys").Tasks
			require.Equal(t, []string{"chan receive", "waits for its key"}, []string{tasks[0].State, tasks[1].State})
			require.Equal(t, 2, tasks[1].Count)
			require.Equal(t, 3*time.Second, tasks[1].Age)
			close(release)
			k.Wait()
			p.Close()
		})
	})

	t.Run("how long a task has waited whose submitter was blocked for its key, or that replaces another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			p := pool.New(1, pool.Options{Name: "late", Queue: 1})
			k := pool.NewKeyed[string](p, 1)
			do := func(context.Context) { fetch(release) }
			require.NoError(t, k.GoContext(t.Context(), "key", do))
			require.NoError(t, k.GoContext(t.Context(), "key", do))
			go k.GoContext(t.Context(), "key", do)
			time.Sleep(2 * time.Second)
			release <- struct{}{} // the submitter gets on
			time.Sleep(3 * time.Second)
			require.Contains(t, write(t, "late"), "  - late: waits for its key for 3 s\n")
			release <- struct{}{}
			synctest.Wait()
			require.NoError(t, k.GoContext(t.Context(), "other", do))
			time.Sleep(time.Second)
			require.Contains(t, write(t, "late"), "  - late: queued for 1 s\n")
			require.NoError(t, k.Replace(t.Context(), "other", do))
			time.Sleep(4 * time.Second)
			require.Contains(t, write(t, "late"), "  - late: queued for 4 s\n")
			close(release)
			k.Wait()
			p.Close()
		})
	})

	t.Run("how long a task with a key ignores that it was replaced", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			p := pool.New(1, pool.Options{Name: "stubborn"})
			k := pool.NewKeyed[string](p, 1)
			require.NoError(t, k.GoContext(t.Context(), "key", func(context.Context) { fetch(release) }))
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.Error(t, k.Replace(ctx, "key", func(context.Context) {}))
			owner(t, "stubborn") // sees it first
			time.Sleep(2 * time.Second)
			require.Equal(t, 2*time.Second, owner(t, "stubborn").Tasks[0].Ignored)
			close(release)
			p.Close()
		})
	})

	t.Run("why an owner outside of the bubble is cancelled", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "outside"})
		g.Cancel(errors.New("no such page"))
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, "no such page", owner(t, "outside").Cancelled.Why)
		})
		require.Error(t, ctx.Err())
		require.EqualError(t, g.Wait(), "no such page")
	})

	t.Run("that a task ignores its context, outside of bubbles too", func(t *testing.T) {
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		g := group.New(group.Options{Name: "deaf"})
		require.NoError(t, g.GoContext(ctx, func(context.Context) { cancel(); <-release }))
		<-ctx.Done()
		require.Positive(t, owner(t, "deaf").Tasks[0].Ignored)
		close(release)
		g.Wait()
	})

	t.Run("how long a task with a name of its own is queued", func(t *testing.T) {
		if raceBuild {
			t.Skip("a race build does not queue the task")
		}
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the task begins when this goroutine blocks
		g := group.New(group.Options{Name: "own"})
		release := make(chan struct{})
		g.GoNamed("task", func() { <-release })
		tasks := owner(t, "own").Tasks
		for len(tasks) == 0 { // a worker has claimed the task, and has not begun it
			runtime.Gosched()
			tasks = owner(t, "own").Tasks
		}
		require.Len(t, tasks, 1)
		require.Equal(t, "own/task", tasks[0].Path)
		require.Positive(t, tasks[0].Age)
		close(release)
		g.Wait()
	})

	t.Run("the first task of a group counts", func(t *testing.T) {
		g := group.New(group.Options{Name: "first"})
		for n := range uint64(3) {
			require.Equal(t, n, owner(t, "first").Ended)
			g.Go(func() {})
			g.Wait()
		}
	})

	t.Run("what each task does", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			sem := core.NewSemaphore(1)
			require.NoError(t, sem.Acquire(t.Context(), 1))
			shared := group.New(group.Options{Name: "shared", Semaphore: sem})
			busy := group.New(group.Options{Name: "busy", Limit: 1})
			busy.Go(func() { <-release })
			g := group.New(group.Options{Name: "states"})
			results := group.New(group.Options{Name: "results"})
			future := group.Fork(results, func() (int, error) { <-release; return 1, nil })
			g.GoNamed("wait", busy.Wait)
			g.GoNamed("room", func() { busy.Go(func() {}) })
			g.GoNamed("permit", func() { shared.Go(func() {}) })
			g.GoNamed("own semaphore", func() { _ = sem.Acquire(context.Background(), 1); sem.Release(1) })
			g.GoNamed("result", func() { _, _ = future.Get() })
			g.GoNamed("sleep", func() { time.Sleep(time.Hour) })
			g.GoNamed("loop", func() {
				for range pool.Map(t.Context(), 1, slices.Values([]int{1}), func(context.Context, int) (int, error) { <-release; return 0, nil }) { //coterie:waiterr no call fails
				}
			})
			g.GoNamed("unnamed", func() {
				var inner group.Group
				inner.Go(func() { <-release })
				inner.Wait()
			})
			time.Sleep(time.Second)
			synctest.Wait()
			states := make(map[string]string)
			for _, task := range owner(t, "states").Tasks {
				states[strings.TrimPrefix(task.Path, "states/")] = task.State
			}
			require.Equal(t, map[string]string{
				"wait": "waits for the tasks of busy", "room": "waits for room in busy", "permit": "waits for the semaphore of shared",
				"own semaphore": "waits for a semaphore", "result": "waits for tasks of results", "sleep": "sleep",
				"loop": "waits for the items of its loop", "unnamed": "waits in group.(*Group).Wait",
			}, states)
			require.Equal(t, tree.Joining, owner(t, "busy").State)
			require.Equal(t, "states/permit", owner(t, "shared").Submitters[0].Path)
			sem.Release(1)
			close(release)
			g.Wait()
			busy.Wait()
			shared.Wait()
		})
	})

	t.Run("where the items of loops stand", func(t *testing.T) {
		if raceBuild {
			t.Skip("there each item has a goroutine of its own")
		}
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			block := func(context.Context, int) (int, error) { fetch(release); return 0, nil }
			g, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "loops"})
			require.NoError(t, g.GoContext(ctx, func(ctx context.Context) error {
				for _, err := range pool.Map(ctx, 3, slices.Values([]int{1, 2, 3}), block) {
					require.NoError(t, err)
				}
				return nil
			}))
			synctest.Wait() // so that its wait comes first
			g.GoNamed("ctx of group", func() error {
				for range pool.Map(ctx, 1, slices.Values([]int{1}), block) { //coterie:waiterr no call fails
				}
				return nil
			})
			p := pool.New(2, pool.Options{Name: "two"})
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				for _, err := range pool.MapUnordered(ctx, 3, slices.Values([]int{1, 2, 3}), block) {
					assert.NoError(t, err)
				}
			}))
			time.Sleep(3 * time.Second)
			for range pool.Map(ctx, 1, slices.Values([]int{1}), func(context.Context, int) (int, error) { return 0, nil }) { //coterie:waiterr no call fails
				text := write(t, "loops")
				require.Contains(t, text, "  - loops: waits for the items of its loop for 3 s at tree_test.go:N, begun 3 s ago\n")
				require.Contains(t, text, "longest waits:\n  loops waits for items of a loop in loops for 3 s\n  loops/ctx of group waits for items of a loop in loops for 3 s\n\n")
				require.Contains(t, text, "  - 4 × loops: item of a loop at tree_test.go:N\n")
			}
			require.Regexp(t, `tree_test\.fetch$`, owner(t, "loops").Tasks[2].Function)
			require.Contains(t, write(t, "two"), "  - two: waits for the items of its loop for 3 s at tree_test.go:N, begun 3 s ago\n  - 2 × two: item of a loop at tree_test.go:N\n")
			close(release)
			require.NoError(t, g.Wait())
			p.Close()
		})
	})

	t.Run("at most 1000 tasks of an owner are listed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			g := group.New(group.Options{Name: "many"})
			for range 1500 {
				g.Go(func() { <-release })
			}
			synctest.Wait()
			o := owner(t, "many")
			require.Equal(t, 1500, o.Running)
			require.Equal(t, 500, o.Unlisted)
			require.Len(t, o.Tasks, 1)
			require.Equal(t, 1000, o.Tasks[0].Count)
			require.Contains(t, write(t, "many"), "- 500 more that run\n")
			close(release)
			g.Wait()
		})
	})

	t.Run("a task in which an owner was made is not folded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			g := group.New(group.Options{Name: "parents"})
			for range 2 {
				require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
					_ = errgroup.RunWith(ctx, errgroup.Options{Name: "child"}, func(ctx context.Context, g *errgroup.Group) error {
						<-release
						return nil
					})
				}))
			}
			synctest.Wait()
			o := owner(t, "parents")
			require.Len(t, o.Tasks, 2)
			child := owner(t, "parents/child")
			require.Equal(t, o.ID, child.Parent)
			require.Equal(t, 1, child.Depth)
			require.Contains(t, []uint64{o.Tasks[0].ID, o.Tasks[1].ID}, child.ParentTask)
			close(release)
			g.Wait()
		})
	})

	t.Run("an owner that nobody holds leaves", func(t *testing.T) {
		for range 100 {
			group.New(group.Options{Name: "short-lived"}).Go(func() {})
		}
		child.Collect(func() bool { return !strings.Contains(write(t, ""), "short-lived") })
	})

	t.Run("an owner without a name is not there", func(t *testing.T) {
		before := len(tree.Take().Owners)
		g := group.New(group.Options{Limit: 1})
		g.Go(func() {})
		g.Wait()
		_, _ = errgroup.New(t.Context(), errgroup.Options{})
		require.LessOrEqual(t, len(tree.Take().Owners), before)
		runtime.KeepAlive(g)
	})
}
