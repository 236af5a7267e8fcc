package errgroup_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/errgroup"
)

var errBoom = errors.New("boom")

// sleepThen returns a task that takes d and returns err.
func sleepThen(d time.Duration, err error) func() error {
	return func() error {
		time.Sleep(d)
		return err
	}
}

// untilDone returns a task that ends when ctx is done, and reports that.
func untilDone(ctx context.Context) func() error {
	return func() error {
		<-ctx.Done()
		return ctx.Err()
	}
}

func TestFailFast(t *testing.T) {
	t.Run("the first error is returned unchanged and is the cause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := errgroup.WithContext(t.Context())
			g.Go(sleepThen(2*time.Second, errOther))
			g.Go(sleepThen(time.Second, errBoom))
			g.Go(untilDone(ctx))
			g.Go(func() error { <-ctx.Done(); return fmt.Errorf("task: %w", context.Cause(ctx)) })
			require.Equal(t, errBoom, g.Wait())
			require.Equal(t, errBoom, context.Cause(ctx))
			require.Equal(t, errBoom, g.Wait(), "it sticks")
		})
	})

	t.Run("a zero group keeps the first error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g errgroup.Group
			g.Go(sleepThen(2*time.Second, errOther))
			g.Go(sleepThen(time.Second, errBoom))
			require.Equal(t, errBoom, g.Wait())
			g.Go(func() error { return errOther })
			require.Equal(t, errBoom, g.Wait(), "it sticks")
		})
	})

	t.Run("an error equal to the cause is real before the context is done", func(t *testing.T) {
		var g errgroup.Group
		for range 2 {
			g.Go(func() error { return errBoom })
		}
		require.Equal(t, errBoom, g.Wait())
	})

	t.Run("a typed nil is an error", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		g.Go(func() error { return (*nilError)(nil) })
		require.Equal(t, error((*nilError)(nil)), g.Wait())
		require.Equal(t, error((*nilError)(nil)), context.Cause(ctx))
	})

	t.Run("the parent's cancellation alone is what a task says of it", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(t.Context())
		g, ctx := errgroup.WithContext(parent)
		g.Go(untilDone(ctx))
		cancel(errStop)
		require.Equal(t, context.Canceled, g.Wait())
		require.Equal(t, errStop, context.Cause(ctx))
	})

	t.Run("the parent's cancellation is no error if no task says so", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(t.Context())
		g, ctx := errgroup.WithContext(parent)
		g.Go(func() error { <-ctx.Done(); return nil })
		cancel(errStop)
		require.NoError(t, g.Wait())
	})

	// The parent is cancelled in the first second; what tasks return after that
	// is in the order of their ends.
	for _, tc := range []struct {
		name string
		errs []error
		want string
	}{
		{"a real error shows with the parent's cause", []error{errBoom}, "boom; stop"},
		{"a real error shows with what another task has said", []error{context.Canceled, errBoom}, "boom; context canceled"},
		{"a real error shows with what another task says later", []error{errBoom, context.Canceled}, "boom; stop"},
		{"an error in doubt gives way", []error{fmt.Errorf("a: %w", context.Canceled), errBoom}, "boom; a: context canceled"},
		{"an error in doubt to errors.Is gives way", []error{isError{context.Canceled}, errBoom}, "boom; is context canceled"},
		{"an error in doubt is told after a real error too", []error{errBoom, fmt.Errorf("a: %w", context.Canceled)}, "boom; a: context canceled"},
		{"an error in doubt is told in place of an earlier report", []error{context.Canceled, fmt.Errorf("a: %w", context.Canceled)}, "a: context canceled"},
		{"an error in doubt is told alone", []error{fmt.Errorf("a: %w", context.Canceled)}, "a: context canceled"},
		{"the first real error wins", []error{errStop, errBoom, errOther}, "boom; stop"},
		{"a foreign deadline is real", []error{context.DeadlineExceeded}, "context deadline exceeded; stop"},
	} {
		t.Run("after the parent is cancelled "+tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(t.Context())
				g, ctx := errgroup.WithContext(parent)
				for i, err := range tc.errs {
					g.Go(sleepThen(time.Duration(i+2)*time.Second, err))
				}
				time.Sleep(time.Second)
				cancel(errStop)
				err := g.Wait()
				require.EqualError(t, err, tc.want)
				require.Same(t, err, g.Wait())
				require.Equal(t, errStop, context.Cause(ctx))
			})
		})
	}

	t.Run("the parent's deadline never erases a real error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			g, ctx := errgroup.WithContext(parent)
			g.Go(untilDone(ctx))
			g.Go(sleepThen(2*time.Second, errBoom))
			err := g.Wait()
			require.ErrorIs(t, err, errBoom)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.EqualError(t, err, "boom; context deadline exceeded")
		})
	})

	t.Run("an error from before the parent's cancellation stands alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			g, ctx := errgroup.WithContext(parent)
			g.Go(func() error { return errBoom })
			g.Go(func() error { <-parent.Done(); return parent.Err() }) //coterie:outerctx it has to outlive the group's
			synctest.Wait()
			cancel(errStop)
			require.Equal(t, errBoom, g.Wait())
			require.Equal(t, errBoom, context.Cause(ctx))
		})
	})

	// Every task fails at about the same time, some because another one did.
	t.Run("the recorded error is never one that the cancellation caused", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
		for range child.Many(100, 500) {
			g, ctx := errgroup.WithContext(t.Context())
			first := make([]error, 8)
			for i := range first {
				first[i] = fmt.Errorf("task %d", i)
				g.Go(func() error {
					for range rand.IntN(100) {
						if ctx.Err() != nil {
							return fmt.Errorf("caused by %w", errCausedBy)
						}
						runtime.Gosched()
					}
					return first[i]
				})
			}
			err := g.Wait()
			require.Contains(t, first, err)
			require.Same(t, context.Cause(ctx), err)
		}
	})
}

var errCausedBy = errors.New("another task")

func TestCollect(t *testing.T) {
	collect := errgroup.Options{Collect: true}

	t.Run("errors come in the order of start whatever the order of finish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := errgroup.New(t.Context(), collect)
			for i, s := range []int{3, 1, 5, 2, 4} {
				g.Go(func() error {
					time.Sleep(time.Duration(s) * time.Second)
					require.NoError(t, ctx.Err(), "an error cancels nothing")
					return fmt.Errorf("task %d", i)
				})
			}
			err := g.Wait()
			require.EqualError(t, err, "task 0; task 1; task 2; task 3; task 4")
			require.Equal(t, err, context.Cause(ctx))
			require.Same(t, err, g.Wait())
		})
	})

	t.Run("one error is returned unchanged", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), collect)
		g.Go(func() error { return nil })
		g.Go(func() error { return errBoom })
		require.Equal(t, errBoom, g.Wait())
	})

	t.Run("no error is nil", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), collect)
		g.Go(func() error { return nil })
		require.NoError(t, g.Wait())
		require.Equal(t, context.Canceled, context.Cause(ctx))
	})

	t.Run("the same error value from two tasks counts twice", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), collect)
		for range 2 {
			g.Go(func() error { return errBoom })
		}
		require.EqualError(t, g.Wait(), "boom; boom")
	})

	t.Run("errors of a multierr are taken apart and those of a join are not", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), collect)
		g.Go(func() error { return multierr.Combine(errBoom, errOther) })
		g.Go(func() error { return errors.Join(errBoom, errOther) })
		require.Equal(t, multierr.Combine(errBoom, errOther, errors.Join(errBoom, errOther)), g.Wait())
	})

	t.Run("the parent's cancellation shows once beside real errors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			g, ctx := errgroup.New(parent, collect)
			g.Go(sleepThen(2*time.Second, errOther))
			for range 3 {
				g.Go(untilDone(ctx))
			}
			g.Go(func() error { return errBoom })
			time.Sleep(time.Second)
			cancel(errStop)
			require.EqualError(t, g.Wait(), "other; boom; context canceled")
		})
	})

	t.Run("cancel takes its place among the tasks", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), collect)
		g.Go(func() error { <-ctx.Done(); return errBoom })
		g.Cancel(errStop)
		g.Go(func() error { <-ctx.Done(); return errOther })
		g.Go(untilDone(ctx))
		g.Cancel(errStop) // says nothing new
		require.EqualError(t, g.Wait(), "boom; stop; other")
		require.Equal(t, errStop, context.Cause(ctx))
	})

	t.Run("max errors keeps those of the tasks that were started first", func(t *testing.T) {
		const n = 100
		for _, most := range []int{1, 2, 3, 50, 99, 100, 101, math.MaxInt} {
			g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, MaxErrors: most})
			turn := make([]chan struct{}, n)
			for i := range turn {
				turn[i] = make(chan struct{})
				g.Go(func() error { <-turn[i]; return fmt.Errorf("task %d", i) })
			}
			for _, i := range rand.Perm(n) {
				close(turn[i])
			}
			got := multierr.Errors(g.Wait())
			for i := range min(most, n) {
				require.EqualError(t, got[i], fmt.Sprintf("task %d", i))
			}
			if most >= n {
				require.Len(t, got, n)
				continue
			}
			require.Len(t, got, most+1)
			require.EqualError(t, got[most], fmt.Sprintf("errgroup: %d more errors dropped", n-most))
		}
	})

	t.Run("errors of several rounds add up", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), collect)
		for i := range 100 {
			g.Go(func() error { return fmt.Errorf("task %d", i) })
			requireTasks(t, i+1, g.Wait())
		}
	})

	// Errors that are spread thin are put together before all tasks have ended,
	// so that those that come later belong between them.
	t.Run("errors come in the order of start though many come early", func(t *testing.T) {
		const n = 10_000
		for _, each := range []int{2, 28, 29, 50} {
			synctest.Test(t, func(t *testing.T) {
				g, _ := errgroup.New(t.Context(), collect)
				late := make(chan struct{})
				for i := range n {
					g.Go(func() error {
						if i%each != 0 {
							<-late
						}
						return fmt.Errorf("task %d", i)
					})
				}
				synctest.Wait()
				close(late)
				requireTasks(t, n, g.Wait())
			})
		}
	})

	t.Run("an error is not lost to a cancel at the same time", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
		for range child.Many(2000, 20_000) {
			g, _ := errgroup.New(context.Background(), collect)
			var canceller sync.WaitGroup
			begin := make(chan struct{})
			canceller.Go(func() { <-begin; g.Cancel(errStop) })
			g.Go(func() error { <-begin; return errBoom })
			close(begin)
			require.ErrorIs(t, g.Wait(), errBoom)
			canceller.Wait()
		}
	})

	t.Run("what few tasks fail of takes the memory of few tasks", func(t *testing.T) {
		n := child.Many(100_000, 500_000)
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, Limit: 4})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range n {
			g.Go(func() error {
				if i%100 == 0 {
					return errBoom
				}
				return nil
			})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		require.Less(t, after.HeapAlloc, before.HeapAlloc+1<<20)
		require.Len(t, multierr.Errors(g.Wait()), n/100)
	})

	t.Run("errors are not sorted one by one if MaxErrors is never reached", func(t *testing.T) {
		const n = 50_000 // otherwise this takes minutes
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, MaxErrors: math.MaxInt})
		for i := range n {
			g.Go(func() error { return taskOf{i: i} })
		}
		require.Len(t, multierr.Errors(g.Wait()), n)
	})

	t.Run("a million failing tasks take bounded memory", func(t *testing.T) {
		n := child.Many(100_000, 1_000_000)
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, MaxErrors: 10, Limit: 4})
		var before, now runtime.MemStats
		var most uint64
		runtime.ReadMemStats(&before)
		for i := range n {
			g.Go(func() error { return &bigError{i: i} })
			if i%(n/20) == n/20-1 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
		require.EqualError(t, g.Wait(), fmt.Sprintf("task 0; task 1; task 2; task 3; task 4; "+
			"task 5; task 6; task 7; task 8; task 9; errgroup: %d more errors dropped", n-10))
		require.Less(t, most, before.HeapAlloc+2<<20)
	})
}

// requireTasks asks for the errors of n tasks, in the order of their start.
func requireTasks(t *testing.T, n int, err error) {
	t.Helper()
	got := multierr.Errors(err)
	require.Len(t, got, n)
	for i, err := range got {
		if want := fmt.Sprintf("task %d", i); err.Error() != want { // require.EqualError takes longer
			require.EqualError(t, err, want)
		}
	}
}

type bigError struct {
	i int
	_ [128]byte
}

func (e *bigError) Error() string { return fmt.Sprintf("task %d", e.i) }

func TestFailuresFromEightPs(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	const n = 2000
	g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, MaxErrors: 7})
	for i := range n {
		g.Go(func() error { return fmt.Errorf("task %d", i) })
	}
	require.True(t, strings.HasPrefix(g.Wait().Error(), "task 0; task 1; task 2; task 3; task 4; task 5; task 6; errgroup: 1993"))

	g, _ = errgroup.New(t.Context(), errgroup.Options{Collect: true})
	for i := range n {
		g.Go(func() error { return fmt.Errorf("task %d", i) })
	}
	requireTasks(t, n, g.Wait())
}

// Several start tasks, most of which fail, while somebody waits all the time, and
// somebody cancels.
func TestFailuresAtOnce(t *testing.T) {
	const starters = 4
	n := child.Many(200, 500)
	for _, procs := range []int{1, 2, 8} {
		for _, most := range []int{0, 100, 2 * starters * n} {
			t.Run(fmt.Sprintf("%d Ps, at most %d errors", procs, most), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, MaxErrors: most})
				var others, waiter sync.WaitGroup
				var failing atomic.Int64
				var started atomic.Bool
				waiter.Go(func() {
					for !started.Load() {
						_ = g.Wait()
						runtime.Gosched()
					}
				})
				for starter := range starters {
					others.Go(func() {
						for i := range n {
							fails := rand.IntN(8) > 0
							if fails {
								failing.Add(1)
							}
							g.Go(func() error {
								for range rand.IntN(4) {
									runtime.Gosched()
								}
								if !fails {
									return nil
								}
								return taskOf{starter, i}
							})
							if rand.IntN(16) == 0 {
								runtime.Gosched()
							}
						}
					})
				}
				others.Go(func() {
					for i := range n {
						failing.Add(1)
						g.Cancel(taskOf{starters, i})
						runtime.Gosched()
					}
				})
				others.Wait()
				started.Store(true)
				waiter.Wait()
				errs := multierr.Errors(g.Wait())
				if most > 0 && failing.Load() > int64(most) {
					require.EqualError(t, errs[most], fmt.Sprintf("errgroup: %d more errors dropped", failing.Load()-int64(most)))
					errs = errs[:most]
				} else {
					require.EqualValues(t, failing.Load(), len(errs))
				}
				last := [starters + 1]int{}
				for _, err := range errs {
					task := err.(taskOf)
					require.Less(t, last[task.starter], task.i+1, "in the order of start, and once")
					last[task.starter] = task.i + 1
				}
			})
		}
	}
}

func TestCollectAllocates(t *testing.T) {
	if race.Hidden {
		t.Skip("each task has a goroutine of its own")
	}
	allocs := testing.AllocsPerRun(10, func() {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true})
		for range 1000 {
			g.Go(func() error { return errBoom })
		}
		require.Error(t, g.Wait())
	})
	require.Less(t, allocs, 1500.0, "one for each task")
}

type taskOf struct{ starter, i int }

func (e taskOf) Error() string { return fmt.Sprintf("task %d of %d", e.i, e.starter) }
