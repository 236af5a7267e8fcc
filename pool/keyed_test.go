package pool_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func TestKeyed(t *testing.T) {
	t.Run("tasks of a key run in their order, tasks of others at the same time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(8, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			var order [3][]int
			started := time.Now()
			for i := range 10 {
				for j, key := range []string{"a", "b", "c"} {
					require.NoError(t, k.GoContext(t.Context(), key, func(context.Context) {
						time.Sleep(time.Second)
						order[j] = append(order[j], i) // race builds see the order
					}))
				}
			}
			require.Zero(t, time.Since(started))
			k.Wait()
			require.Equal(t, 10*time.Second, time.Since(started))
			for _, got := range order {
				require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got)
			}
			require.Equal(t, pool.Stats{Submitted: 30, Completed: 30}, closeEmpty(t, p))
		})
	})

	t.Run("never more of a key than perKey", func(t *testing.T) {
		for _, perKey := range []int{1, 2, 5, math.MaxInt} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(12, pool.Options{})
				k := pool.NewKeyed[int](p, perKey)
				var now, most [3]atomic.Int32
				for i := range 90 {
					key := i % 3
					require.NoError(t, k.GoContext(t.Context(), key, func(context.Context) {
						n := now[key].Add(1)
						if n > most[key].Load() {
							most[key].Store(n)
						}
						time.Sleep(time.Second)
						now[key].Add(-1)
					}))
				}
				started := time.Now()
				k.Wait()
				if perKey <= 4 {
					require.EqualValues(t, perKey, most[0].Load())
					require.Equal(t, time.Duration(30/perKey)*time.Second, time.Since(started))
				} else {
					require.LessOrEqual(t, int(most[0].Load()), perKey)
					took := time.Since(started).Round(time.Second)
					if took != 8*time.Second { // what is left in the end may be of one key
						require.Equal(t, 5, perKey)
						require.Equal(t, 9*time.Second, took)
					}
				}
				closeEmpty(t, p)
			})
		}
	})

	t.Run("one that waits for its key holds neither a worker nor a place in the queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Queue: 2})
			k := pool.NewKeyed[string](p, 1)
			release := make(chan struct{})
			for range 3 { // one runs, two wait
				require.NoError(t, k.GoContext(t.Context(), "hot", func(context.Context) { <-release }))
			}
			synctest.Wait()
			require.Equal(t, 1, p.Stats().Busy)
			require.Zero(t, p.Stats().Queued)
			var others atomic.Int32
			for _, key := range []string{"a", "b", "c", "d"} {
				require.NoError(t, k.GoContext(t.Context(), key, func(context.Context) { others.Add(1) }))
			}
			p.Go(func() { others.Add(1) })
			synctest.Wait()
			require.EqualValues(t, 5, others.Load())
			close(release)
			closeEmpty(t, p)
		})
	})

	t.Run("as many may wait as the queue is long, and who comes then blocks, in line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Queue: 2})
			k := pool.NewKeyed[string](p, 1)
			var order []int
			release := make(chan struct{})
			add := func(i int) func(context.Context) {
				return func(context.Context) { <-release; order = append(order, i) }
			}
			for i := range 3 {
				require.NoError(t, k.GoContext(t.Context(), "a", add(i)))
			}
			var accepted atomic.Int32
			ctx, cancel := context.WithCancelCause(t.Context())
			gone := errors.New("gone")
			var wg sync.WaitGroup
			for i := 3; i < 6; i++ {
				wg.Go(func() {
					c := t.Context()
					if i == 4 {
						c = ctx
					}
					err := k.GoContext(c, "a", add(i))
					if i == 4 {
						assert.Equal(t, gone, err)
						return
					}
					assert.NoError(t, err)
					accepted.Add(1)
				})
				synctest.Wait()
			}
			require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) {}), "the key is free")
			require.Zero(t, accepted.Load())
			cancel(gone)
			synctest.Wait()
			release <- struct{}{}
			synctest.Wait()
			require.EqualValues(t, 1, accepted.Load())
			close(release)
			wg.Wait()
			k.Wait()
			require.Equal(t, []int{0, 1, 2, 3, 5}, order)
			closeEmpty(t, p)
		})
	})

	t.Run("one that is blocked for room runs when its key is free", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(4, pool.Options{Queue: 1})
			k := pool.NewKeyed[string](p, 1)
			never, release := make(chan struct{}), make(chan struct{})
			for range 2 {
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { <-never }))
			}
			require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) { <-release }))
			var ran atomic.Bool
			go func() {
				assert.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) { ran.Store(true) }))
			}()
			synctest.Wait()
			require.False(t, ran.Load())
			close(release)
			synctest.Wait()
			require.True(t, ran.Load())
			close(never)
			closeEmpty(t, p)
		})
	})

	t.Run("where the queue is full, who starts one of a free key blocks, but not for those that have waited", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			k := pool.NewKeyed[string](p, 1)
			release := make(chan struct{})
			for range 2 {
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { <-release }))
			}
			p.Go(func() { <-release })
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(time.Second, cancel).Stop()
			require.ErrorIs(t, k.GoContext(ctx, "b", func(context.Context) { t.Error("ran") }), context.Canceled)
			release <- struct{}{} // now the plain task runs, and the second of a is queued, which needs no room
			synctest.Wait()
			require.Equal(t, 1, p.Stats().Queued)
			require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) {}))
			require.Equal(t, 2, p.Stats().Queued)
			require.False(t, p.TryGo(func() {}))
			close(release)
			closeEmpty(t, p)
		})
	})

	t.Run("a task that has waited for its key takes no room when it runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(3, pool.Options{Queue: 2})
			k := pool.NewKeyed[string](p, 2)
			start := func() (end func()) {
				release := make(chan struct{})
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { <-release }))
				synctest.Wait()
				return func() { close(release); synctest.Wait() }
			}
			first, second := start(), start()
			for range 3 { // one of the two waits for its key, and then one does not
				third := start()
				first()
				second()
				first, second = third, start()
			}
			other := make(chan struct{})
			p.Go(func() { <-other })
			synctest.Wait()
			for range 2 {
				require.True(t, p.TryGo(func() {}))
			}
			require.False(t, p.TryGo(func() {}))
			close(other)
			synctest.Wait()
			for range 2 {
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) {}))
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(time.Second, cancel).Stop()
			require.ErrorIs(t, k.GoContext(ctx, "a", func(context.Context) { t.Error("ran") }), context.Canceled)
			first()
			second()
			closeEmpty(t, p)
		})
	})

	t.Run("a task that has ended makes way for the next, whatever its worker goes on with", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 2)
			third := make(chan struct{})
			p.SetWorkers(0)
			require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) {}))
			require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { p.SetWorkers(2); <-third }))
			require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { close(third) }))
			p.SetWorkers(1)
			k.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("a task may start tasks of its own key, and of others, however many wait", func(t *testing.T) {
		for _, workers := range []int{1, 3} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(workers, pool.Options{Queue: 1})
				k := pool.NewKeyed[int](p, 1)
				var ran atomic.Int32
				var spread func(ctx context.Context, depth int)
				spread = func(ctx context.Context, depth int) {
					ran.Add(1)
					if depth == 0 {
						return
					}
					for key := range 3 {
						require.NoError(t, k.GoContext(ctx, key, func(ctx context.Context) { spread(ctx, depth-1) }))
					}
				}
				require.NoError(t, k.GoContext(t.Context(), 0, func(ctx context.Context) { spread(ctx, 6) }))
				k.Wait()
				require.EqualValues(t, 1093, ran.Load())
				closeEmpty(t, p)
			})
		}
	})

	t.Run("a task that starts its next, again and again, leaves nothing behind", func(t *testing.T) {
		for _, replaces := range []bool{false, true} {
			p := pool.New(1, pool.Options{Name: "actor"})
			k := pool.NewKeyed[int](p, 1)
			start := k.GoContext
			if replaces {
				start = k.Replace
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n, most := 0, child.Many(2000, manyItems/10)
			var step func(ctx context.Context)
			step = func(ctx context.Context) {
				_ = ctx.Done()
				if n++; n < most {
					assert.NoError(t, start(ctx, 1, step))
				}
			}
			before := heap()
			require.NoError(t, start(ctx, 1, step))
			k.Wait()
			require.Equal(t, most, n)
			require.Less(t, heap()-before, int64(1<<20))
			runtime.KeepAlive(k)
			closeEmpty(t, p)
		}
	})

	t.Run("a million keys one after another leave nothing behind", func(t *testing.T) {
		if raceBuild {
			t.Skip("a race build remembers keys")
		}
		p := pool.New(2, pool.Options{})
		k := pool.NewKeyed[int](p, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var ran atomic.Int32
		before := heap()
		n := child.Many(30_000, 1_000_000)
		for key := range n {
			require.NoError(t, k.GoContext(ctx, key, func(ctx context.Context) {
				ran.Add(1)
				if key%10 == 0 {
					_ = ctx.Done()
				}
			}))
		}
		k.Wait()
		require.EqualValues(t, n, ran.Load())
		require.Less(t, heap()-before, int64(1<<20))
		runtime.KeepAlive(k)
		closeEmpty(t, p)
	})

	t.Run("keys that wait for room in the pool leave nothing behind", func(t *testing.T) {
		if raceBuild {
			t.Skip("a race build remembers keys")
		}
		p := pool.New(1, pool.Options{Queue: 1})
		k := pool.NewKeyed[int](p, 1)
		before := heap()
		for key := range 20_000 {
			require.NoError(t, k.GoContext(t.Context(), key, func(context.Context) { runtime.Gosched() }))
		}
		k.Wait()
		require.Less(t, heap()-before, int64(1<<20))
		runtime.KeepAlive(k)
		closeEmpty(t, p)
	})

	t.Run("many keys at once leave nothing behind", func(t *testing.T) {
		if raceBuild {
			t.Skip("a race build remembers keys")
		}
		p := pool.New(2, pool.Options{Queue: math.MaxInt})
		k := pool.NewKeyed[int](p, 1)
		before := heap()
		p.SetWorkers(0)
		for i := range child.Many(40_000, 100_000) {
			require.NoError(t, k.GoContext(t.Context(), i/2, func(context.Context) {}))
		}
		p.SetWorkers(2)
		k.Wait()
		require.Less(t, heap()-before, int64(1<<20))
		runtime.KeepAlive(k)
		closeEmpty(t, p)
	})

	t.Run("bad use panics at the call", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		ctx, f := t.Context(), func(context.Context) {}
		k := pool.NewKeyed[any](p, 1)
		var zero pool.Keyed[int]
		for text, call := range map[string]func(){
			"pool: perKey less than 1, got 0":                        func() { pool.NewKeyed[int](p, 0) },
			"pool: perKey less than 1, got -3":                       func() { pool.NewKeyed[int](p, -3) },
			"pool: nil pool":                                         func() { pool.NewKeyed[int](nil, 1) },
			"pool: nil func":                                         func() { k.GoContext(ctx, 1, nil) },
			"pool: nil context":                                      func() { k.GoContext(nil, 1, f) },
			"pool: key that does not equal itself, got NaN":          func() { k.GoContext(ctx, math.NaN(), f) },
			"pool: use of a zero Keyed, which NewKeyed has not made": func() { zero.GoContext(ctx, 1, f) },
			"hash of unhashable type: []int":                         func() { k.GoContext(ctx, []int{}, f) },
		} {
			v := caught(call)
			if err, ok := v.(error); ok {
				v = err.Error()
			}
			require.Equal(t, text, v)
		}
		require.Equal(t, "pool: nil func", caught(func() { k.Replace(ctx, 1, nil) }))
		require.Equal(t, "pool: nil context", caught(func() { k.WaitKey(nil, 1) }))
		require.Equal(t, "pool: use of a zero Keyed, which NewKeyed has not made", caught(func() { zero.Wait() }))
		require.Equal(t, "pool: use of a zero Keyed, which NewKeyed has not made", caught(func() { zero.WaitKey(ctx, 1) }))
		k.Wait()
		require.NoError(t, k.WaitKey(ctx, 1))
		require.Zero(t, closeEmpty(t, p))
	})

	t.Run("one whose context ends before its turn does not run, and holds up no other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[int](p, 1)
			ctx, cancel := context.WithCancel(t.Context())
			var ran atomic.Int32
			require.NoError(t, k.GoContext(t.Context(), 1, func(context.Context) { time.Sleep(time.Second) }))
			require.NoError(t, k.GoContext(ctx, 1, func(context.Context) { t.Error("ran") }))
			require.NoError(t, k.GoContext(t.Context(), 1, func(context.Context) { ran.Add(1) }))
			cancel()
			require.ErrorIs(t, k.GoContext(ctx, 1, func(context.Context) { t.Error("ran") }), context.Canceled)
			require.ErrorIs(t, k.Replace(ctx, 1, func(context.Context) { t.Error("ran") }), context.Canceled)
			require.NoError(t, k.WaitKey(t.Context(), 1))
			require.EqualValues(t, 1, ran.Load())
			require.Equal(t, pool.Stats{Submitted: 3, Completed: 2, Dropped: 1}, closeEmpty(t, p))
		})
	})
}

func TestKeyedContext(t *testing.T) {
	type key struct{}
	t.Run("has the error of the submitter's, also if nobody has asked for Done", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		k := pool.NewKeyed[string](p, 1)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, k.GoContext(ctx, "a", func(ctx context.Context) {
			assert.NoError(t, ctx.Err())
			cancel()
			assert.Equal(t, context.Canceled, ctx.Err())
		}))
		k.Wait()
		closeEmpty(t, p)
	})

	t.Run("derives from the submitter's, also after the task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cause := errors.New("cause")
			ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, 1))
			p := pool.New(4, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			var outer, inner context.Context
			var cancelInner context.CancelFunc
			var later atomic.Int32
			require.NoError(t, k.GoContext(ctx, "a", func(ctx context.Context) {
				outer = ctx
				inner, cancelInner = context.WithTimeout(context.WithValue(ctx, key{}, 2), time.Hour)
				for _, of := range []string{"a", "b"} {
					for _, ctx := range []context.Context{ctx, inner} {
						require.NoError(t, k.GoContext(ctx, of, func(ctx context.Context) { later.Add(1) }))
					}
				}
			}))
			k.Wait()
			require.EqualValues(t, 4, later.Load(), "the end of a task cancels nothing")
			defer cancelInner()
			require.NoError(t, outer.Err())
			require.NoError(t, inner.Err())
			require.Equal(t, 1, outer.Value(key{}))
			cancel(cause)
			require.Error(t, outer.Err())
			require.Equal(t, cause, context.Cause(outer))
			require.Equal(t, cause, context.Cause(inner))
			<-outer.Done()
			<-inner.Done()
			closeEmpty(t, p)
		})
	})

	t.Run("is done if the submitter's ended before anybody asked for Done", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		k := pool.NewKeyed[string](p, 1)
		cause := errors.New("cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		var got error
		require.NoError(t, k.GoContext(ctx, "a", func(ctx context.Context) {
			cancel(cause)
			<-ctx.Done()
			got = context.Cause(ctx)
		}))
		k.Wait()
		require.Equal(t, cause, got)
		closeEmpty(t, p)
	})

	t.Run("reaches a task that waits for it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("late"))
			defer cancel()
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			var cause error
			require.NoError(t, k.GoContext(ctx, "a", func(ctx context.Context) {
				deadline, ok := ctx.Deadline()
				require.True(t, ok)
				require.Equal(t, time.Second, time.Until(deadline))
				<-ctx.Done()
				cause = context.Cause(ctx)
			}))
			k.Wait()
			require.EqualError(t, cause, "late")
			closeEmpty(t, p)
		})
	})

	t.Run("one that runs is cancelled, not what it started before under another key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(4, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			var causes [2]error
			require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
				require.NoError(t, k.GoContext(ctx, "b", func(ctx context.Context) {
					<-ctx.Done()
					causes[1] = context.Cause(ctx)
				}))
				<-ctx.Done()
				causes[0] = context.Cause(ctx)
			}))
			synctest.Wait()
			require.NoError(t, k.Replace(t.Context(), "a", func(context.Context) {}))
			k.Wait()
			require.Equal(t, [2]error{pool.ErrReplaced, pool.ErrReplaced}, causes, "its context derives from that of the first")
			closeEmpty(t, p)
		})
	})
}

func TestKeyedReplace(t *testing.T) {
	t.Run("does not wait for the turn of what it drops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{})
			k := pool.NewKeyed[string](p, 2)
			release := make(chan struct{})
			p.Go(func() { <-release })
			require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) { <-ctx.Done() }))
			synctest.Wait()
			p.Go(func() { <-release })
			require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { t.Error("a dropped task runs") }))
			var ran atomic.Bool
			require.NoError(t, k.Replace(t.Context(), "a", func(context.Context) { ran.Store(true) }))
			close(release)
			require.NoError(t, k.WaitKey(t.Context(), "a"))
			require.True(t, ran.Load())
			p.Close()
			require.EqualValues(t, 1, p.Stats().Dropped)
		})
	})

	t.Run("in the place of another task, and a panic has its path", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			release := make(chan struct{})
			p.Go(func() { <-release })
			synctest.Wait()
			first, _ := sched.WithName(t.Context(), "first")
			second, _ := sched.WithName(t.Context(), "second")
			require.NoError(t, k.GoContext(first, "a", func(context.Context) { t.Error("a dropped task runs") }))
			require.NoError(t, k.Replace(second, "a", func(context.Context) { panic("boom") }))
			close(release)
			raised, _ := caught(k.Wait).(*core.PanicError)
			require.NotNil(t, raised)
			require.Equal(t, "second", raised.Task)
			closeEmpty(t, p)
		})
	})

	t.Run("by a task of the key has the values of its context", func(t *testing.T) {
		type name struct{}
		p := pool.New(1, pool.Options{})
		k := pool.NewKeyed[string](p, 1)
		outside, cancel := context.WithCancelCause(context.WithValue(t.Context(), name{}, "outside"))
		cause := errors.New("cause")
		var got any
		require.NoError(t, k.GoContext(outside, "a", func(ctx context.Context) {
			inside := context.WithValue(ctx, name{}, "inside")
			assert.NoError(t, k.Replace(inside, "a", func(ctx context.Context) {
				got = ctx.Value(name{})
				cancel(cause)
				<-ctx.Done()
				assert.Equal(t, cause, context.Cause(ctx))
			}))
		}))
		k.Wait()
		require.Equal(t, "inside", got)
		closeEmpty(t, p)
	})

	t.Run("by a task of the key, again and again, does not slow down the look-up of values", func(t *testing.T) {
		type number struct{}
		p := pool.New(1, pool.Options{})
		k := pool.NewKeyed[string](p, 1)
		n := 0
		var step func(ctx context.Context)
		step = func(ctx context.Context) {
			assert.Nil(t, ctx.Value("none"))
			if n, _ = ctx.Value(number{}).(int); n < 64 {
				assert.NoError(t, k.Replace(context.WithValue(ctx, number{}, n+1), "a", step))
			}
		}
		require.NoError(t, k.Replace(t.Context(), "a", step))
		k.Wait()
		require.Equal(t, 64, n)
		closeEmpty(t, p)
	})

	t.Run("does not cancel the context of a task that has ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Name: "ended"})
			k := pool.NewKeyed[string](p, 1)
			var first sync.Once
			var replaced atomic.Bool
			stop := group.Observe(&group.Observer{Ended: func(e group.Event) {
				if e.Path != "ended" {
					return
				}
				first.Do(func() { // the worker has yet to take the task off its key
					go func() {
						assert.NoError(t, k.Replace(t.Context(), "a", func(context.Context) { replaced.Store(true) }))
					}()
					synctest.Wait()
					assert.False(t, replaced.Load())
				})
			}})
			defer stop()
			var kept context.Context
			require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
				kept = ctx
				_ = ctx.Done()
			}))
			k.Wait()
			p.Close()
			require.True(t, replaced.Load())
			require.NoError(t, kept.Err())
		})
	})

	t.Run("makes room for those that wait for it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Queue: 2})
			k := pool.NewKeyed[string](p, 1)
			hold := make(chan struct{})
			for _, key := range []string{"a", "b"} {
				require.NoError(t, k.GoContext(t.Context(), key, func(context.Context) { <-hold }))
			}
			for range 2 {
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { t.Error("ran") }))
			}
			var accepted, ran atomic.Bool
			go func() {
				assert.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) {}))
				accepted.Store(true)
			}()
			synctest.Wait()
			require.False(t, accepted.Load())
			go func() {
				assert.NoError(t, k.Replace(t.Context(), "a", func(context.Context) { ran.Store(true) }))
			}()
			synctest.Wait()
			require.True(t, accepted.Load())
			close(hold)
			synctest.Wait()
			require.True(t, ran.Load())
			closeEmpty(t, p)
		})
	})

	t.Run("cancels and joins what runs, drops what waits, and starts its own", func(t *testing.T) {
		for _, perKey := range []int{1, 2, 3} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(8, pool.Options{})
				k := pool.NewKeyed[string](p, perKey)
				var ended, ran atomic.Int32
				for i := range 3 + perKey {
					require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
						if i >= perKey {
							t.Error("ran")
						}
						<-ctx.Done()
						require.Equal(t, pool.ErrReplaced, context.Cause(ctx))
						time.Sleep(time.Duration(i+1) * time.Second)
						ended.Add(1)
					}))
				}
				require.NoError(t, k.GoContext(t.Context(), "b", func(ctx context.Context) {
					time.Sleep(time.Minute)
					require.NoError(t, ctx.Err(), "of another key")
				}))
				synctest.Wait()
				started := time.Now()
				require.NoError(t, k.Replace(t.Context(), "a", func(ctx context.Context) {
					require.NoError(t, ctx.Err())
					ran.Add(1)
				}))
				require.EqualValues(t, perKey, ended.Load())
				require.Equal(t, time.Duration(perKey)*time.Second, time.Since(started))
				require.NoError(t, k.WaitKey(t.Context(), "a"))
				require.EqualValues(t, 1, ran.Load())
				k.Wait()
				require.Equal(t, pool.Stats{
					Submitted: 5 + uint64(perKey), Completed: 2 + uint64(perKey), Dropped: 3,
				}, closeEmpty(t, p))
			})
		}
	})

	t.Run("of several that come while one runs only the last starts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(8, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			release := make(chan struct{})
			require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { <-release }))
			var ran []int
			var errs [5]error
			var wg sync.WaitGroup
			for i := range errs {
				synctest.Wait()
				wg.Go(func() {
					errs[i] = k.Replace(t.Context(), "a", func(context.Context) { ran = append(ran, i) })
				})
			}
			synctest.Wait()
			wg.Go(func() { // comes after it
				assert.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { ran = append(ran, 9) }))
			})
			synctest.Wait()
			close(release)
			wg.Wait()
			k.Wait()
			require.Equal(t, []int{4, 9}, ran)
			require.Equal(t, [5]error{pool.ErrReplaced, pool.ErrReplaced, pool.ErrReplaced, pool.ErrReplaced}, errs)
			closeEmpty(t, p)
		})
	})

	t.Run("drops one that was accepted and has not begun, and takes its turn", func(t *testing.T) {
		for _, perKey := range []int{1, 2, 3} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{Queue: 5})
				k := pool.NewKeyed[string](p, perKey)
				release := make(chan struct{})
				p.Go(func() { <-release })
				synctest.Wait()
				var ran []int
				for i := range perKey + 1 {
					require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { ran = append(ran, -i) }))
				}
				require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) { ran = append(ran, 10) }))
				for i := range 1000 {
					require.NoError(t, k.Replace(t.Context(), "a", func(context.Context) { ran = append(ran, i) }))
				}
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { ran = append(ran, 2000) }))
				close(release)
				k.Wait()
				if perKey == 1 {
					require.Equal(t, []int{999, 10, 2000}, ran)
				} else {
					require.ElementsMatch(t, []int{999, 10, 2000}, ran)
				}
				s := closeEmpty(t, p)
				require.EqualValues(t, 4, s.Completed)
				require.EqualValues(t, perKey+1+999, s.Dropped)
			})
		}
	})

	t.Run("in a full pool drops one that has not begun too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			k := pool.NewKeyed[string](p, 1)
			release := make(chan struct{})
			p.Go(func() { <-release })
			synctest.Wait()
			p.Go(func() {})
			var ran []int
			var errs [4]error
			var wg sync.WaitGroup
			for i, key := range []string{"a", "b", "b", "a"} { // the first takes the only place for those that wait
				wg.Go(func() {
					errs[i] = k.Replace(t.Context(), key, func(context.Context) { ran = append(ran, i) })
				})
				synctest.Wait()
			}
			close(release)
			wg.Wait()
			k.Wait()
			require.Equal(t, [4]error{nil, pool.ErrReplaced}, errs)
			require.Equal(t, []int{3, 2}, ran)
			closeEmpty(t, p)
		})
	})

	t.Run("of a free key only starts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			var ran atomic.Int32
			require.NoError(t, k.Replace(t.Context(), "a", func(ctx context.Context) { ran.Add(1) }))
			k.Wait()
			require.EqualValues(t, 1, ran.Load())
			closeEmpty(t, p)
		})
	})

	t.Run("by a task of the key waits for nobody", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			var ran []int
			require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
				require.NoError(t, k.GoContext(ctx, "a", func(context.Context) { ran = append(ran, 1) }))
				require.NoError(t, k.Replace(ctx, "a", func(context.Context) { ran = append(ran, 2) }))
				require.Equal(t, pool.ErrReplaced, context.Cause(ctx))
				require.Equal(t, pool.ErrReplaced, k.Replace(ctx, "a", func(context.Context) { ran = append(ran, 3) }))
				ran = append(ran, 0)
			}))
			k.Wait()
			require.Equal(t, []int{0, 2}, ran)
			closeEmpty(t, p)
		})
	})

	t.Run("by tasks that would replace each other ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			var errs [2]error
			for i, keys := range [][2]string{{"a", "b"}, {"b", "a"}} {
				require.NoError(t, k.GoContext(t.Context(), keys[0], func(ctx context.Context) {
					time.Sleep(time.Duration(i+1) * time.Second)
					errs[i] = k.Replace(ctx, keys[1], func(context.Context) {})
				}))
			}
			k.Wait()
			require.Contains(t, errs, pool.ErrReplaced)
			closeEmpty(t, p)
		})
	})

	t.Run("by a task on the place of the task that it replaces does not block", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			begin := make(chan struct{})
			var f *core.Future[bool]
			ran := false
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				<-begin
				f, _ = pool.Submit(ctx, p, func(ctx context.Context) (bool, error) {
					err := k.Replace(ctx, "a", func(context.Context) { ran = true })
					return ran, err
				})
			}))
			require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
				early, err := f.GetContext(ctx)
				assert.NoError(t, err)
				assert.False(t, early)
				assert.Equal(t, pool.ErrReplaced, context.Cause(ctx))
			}))
			close(begin)
			k.Wait()
			closeEmpty(t, p)
			require.True(t, ran)
		})
	})

	t.Run("by a task that runs there because the queue is full does not block either", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			k := pool.NewKeyed[string](p, 1)
			ran := false
			require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
				assert.True(t, p.TryGo(func() {}))
				assert.NoError(t, p.Batch(ctx).GoContext(context.Background(), func(ctx context.Context) {
					assert.NoError(t, k.Replace(ctx, "a", func(context.Context) { ran = true }))
				}))
				assert.False(t, ran)
			}))
			k.Wait()
			closeEmpty(t, p)
			require.True(t, ran)
		})
	})

	t.Run("of a task that waits for the replacing task ends, whoever runs that", func(t *testing.T) {
		for _, workers := range []int{1, 2} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(workers, pool.Options{})
				k := pool.NewKeyed[string](p, 1)
				var replaced, waited, waitedBatch error
				var ran atomic.Int32
				replace := func(ctx context.Context) {
					replaced = k.Replace(ctx, "a", func(context.Context) { ran.Add(1) })
				}
				require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
					assert.NoError(t, k.GoContext(t.Context(), "b", replace))
					waited = k.WaitKey(ctx, "b")
				}))
				k.Wait()
				require.NoError(t, replaced)
				require.ErrorIs(t, waited, pool.ErrReplaced)
				require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
					b := p.Batch(ctx)
					assert.NoError(t, b.GoContext(t.Context(), replace))
					waitedBatch = b.WaitContext(ctx)
				}))
				k.Wait()
				p.Wait()
				require.NoError(t, replaced)
				require.ErrorIs(t, waitedBatch, pool.ErrReplaced)
				require.EqualValues(t, 2, ran.Load())
				require.Equal(t, pool.Stats{Submitted: 6, Completed: 6}, closeEmpty(t, p))
			})
		}
	})

	t.Run("gives up when its context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			var ran atomic.Int32
			require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { time.Sleep(time.Minute) }))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			synctest.Wait()
			require.ErrorIs(t, k.Replace(ctx, "a", func(context.Context) { t.Error("ran") }), context.DeadlineExceeded)
			require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { ran.Add(1) }))
			k.Wait()
			require.EqualValues(t, 1, ran.Load())
			closeEmpty(t, p)
		})
	})

	t.Run("that gives up waiting for room leaves nothing to wait for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			k := pool.NewKeyed[string](p, 1)
			release := make(chan struct{})
			for range 2 {
				require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) { <-release }))
				synctest.Wait()
			}
			p.Go(func() {})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, k.Replace(ctx, "a", func(context.Context) { t.Error("ran") }), context.DeadlineExceeded)
			require.NoError(t, k.WaitKey(t.Context(), "a"))
			close(release)
			k.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("releases those that were blocked for room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Queue: 1})
			k := pool.NewKeyed[string](p, 1)
			for range 2 {
				require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) { <-ctx.Done() }))
			}
			var blocked error
			var other atomic.Bool
			release := make(chan struct{})
			require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) { <-release }))
			go func() { blocked = k.GoContext(t.Context(), "a", func(context.Context) { t.Error("ran") }) }()
			synctest.Wait()
			go func() {
				assert.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) {}))
				other.Store(true)
			}()
			synctest.Wait()
			require.False(t, other.Load())
			require.NoError(t, k.Replace(t.Context(), "a", func(context.Context) {}))
			synctest.Wait()
			require.Equal(t, pool.ErrReplaced, blocked)
			require.True(t, other.Load())
			close(release)
			closeEmpty(t, p)
		})
	})
}

func TestReplaceInAFullPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.Options{Queue: 1})
		k := pool.NewKeyed[string](p, 1)
		release := make(chan struct{})
		p.Go(func() { <-release })
		synctest.Wait()
		p.Go(func() {})
		var blocked error
		go func() { blocked = k.GoContext(t.Context(), "a", func(context.Context) { t.Error("ran") }) }()
		synctest.Wait()
		ran := false
		require.NoError(t, k.Replace(t.Context(), "a", func(context.Context) { ran = true }))
		synctest.Wait()
		require.Equal(t, pool.ErrReplaced, blocked)
		close(release)
		closeEmpty(t, p)
		require.True(t, ran)
	})
}

func TestKeyedWait(t *testing.T) {
	t.Run("waits for the tasks of a key, or of all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Name: "mail"})
			k := pool.NewKeyed[string](p, 1)
			for range 3 {
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { time.Sleep(time.Second) }))
				require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) { time.Sleep(time.Minute) }))
			}
			started := time.Now()
			require.NoError(t, k.WaitKey(t.Context(), "c"))
			require.NoError(t, k.WaitKey(t.Context(), "a"))
			require.Equal(t, 3*time.Second, time.Since(started))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := k.WaitKey(ctx, "b")
			stuck := (*core.StuckError)(nil)
			require.ErrorAs(t, err, &stuck)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, `key of pool "mail": 1 running, 2 queued: context deadline exceeded`, err.Error())
			k.Wait()
			require.Equal(t, 3*time.Minute, time.Since(started))
			closeEmpty(t, p)
		})
	})

	t.Run("raises what tasks raised, once, wherever somebody waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(4, pool.Options{OnPanic: func(*core.PanicError) { t.Error("OnPanic was called") }})
			k := pool.NewKeyed[string](p, 1)
			boom := errors.New("boom")
			fail := func() {
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { time.Sleep(time.Second); panic(boom) }))
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { panic("bang") }))
				require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) { panic("other") }))
			}
			fail()
			p.Wait()
			pe := caught(func() { k.WaitKey(t.Context(), "a") }).(*core.PanicError)
			require.ErrorIs(t, pe, boom)
			require.Len(t, pe.Others, 1)
			require.NoError(t, k.WaitKey(t.Context(), "a"))
			require.Equal(t, "other", caught(k.Wait).(*core.PanicError).Value)
			k.Wait()

			fail()
			p.Wait()
			require.Len(t, caught(k.Wait).(*core.PanicError).Others, 2)
			require.NoError(t, k.WaitKey(t.Context(), "b"))

			fail()
			var key, all any
			var wg sync.WaitGroup
			wg.Go(func() { key = caught(func() { k.WaitKey(t.Context(), "a") }) })
			wg.Go(func() { all = caught(k.Wait) })
			wg.Wait()
			require.ErrorIs(t, key.(*core.PanicError), boom)
			require.Len(t, all.(*core.PanicError).Others, 2)
			k.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("counts the panics that it does not list, of each key and of all", func(t *testing.T) {
		p := pool.New(4, pool.Options{})
		k := pool.NewKeyed[int](p, 1)
		start := func() {
			for i := range 80 {
				require.NoError(t, k.GoContext(t.Context(), i%2, func(context.Context) { panic(i) }))
			}
			p.Wait()
		}
		start()
		all := caught(k.Wait).(*core.PanicError)
		require.Len(t, all.Others, 32)
		require.Equal(t, 47, all.More)
		start()
		require.Equal(t, 7, caught(func() { k.WaitKey(t.Context(), 1) }).(*core.PanicError).More)
		require.Equal(t, 7, caught(k.Wait).(*core.PanicError).More)
		closeEmpty(t, p)
	})

	t.Run("of one key takes nothing from a wait for all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(4, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { panic("boom") }))
			require.NoError(t, k.GoContext(t.Context(), "b", func(context.Context) { time.Sleep(time.Second) }))
			var all any
			var wg sync.WaitGroup
			wg.Go(func() { all = caught(k.Wait) })
			synctest.Wait()
			require.NotNil(t, caught(func() { k.WaitKey(t.Context(), "a") }))
			wg.Wait()
			require.Equal(t, "boom", all.(*core.PanicError).Value)
			k.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("raises a Goexit", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		k := pool.NewKeyed[string](p, 1)
		var after atomic.Bool
		require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { runtime.Goexit() }))
		require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { after.Store(true) }))
		returned := false
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = k.WaitKey(t.Context(), "a")
			returned = true
		}()
		<-done
		require.False(t, returned)
		require.True(t, after.Load())
		k.Wait()
		closeEmpty(t, p)
	})

	t.Run("by a task of the pool lends its place to tasks of the key", func(t *testing.T) {
		for _, queue := range []int{1, 100} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{Queue: queue})
				k := pool.NewKeyed[string](p, 1)
				var order []int
				f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
					for i := range 5 {
						require.NoError(t, k.GoContext(ctx, "b", func(context.Context) {}))
						require.NoError(t, k.GoContext(ctx, "a", func(ctx context.Context) {
							order = append(order, i)
							require.NoError(t, k.WaitKey(ctx, "b"))
						}))
					}
					require.NoError(t, k.WaitKey(ctx, "a"))
					return len(order), nil
				})
				require.NoError(t, err)
				n, err := f.Get()
				require.NoError(t, err)
				require.Equal(t, 5, n)
				require.True(t, slices.IsSorted(order))
				closeEmpty(t, p)
			})
		}
	})

	t.Run("in a circle ends when one gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			for of, other := range map[string]string{"a": "b", "b": "a"} {
				require.NoError(t, k.GoContext(t.Context(), of, func(ctx context.Context) {
					if of == "a" {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, time.Second)
						defer cancel()
					}
					_ = k.WaitKey(ctx, other)
				}))
			}
			k.Wait()
			require.Equal(t, pool.Stats{Submitted: 2, Completed: 2}, closeEmpty(t, p))
		})
	})

	t.Run("for itself panics", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		k := pool.NewKeyed[string](p, 1)
		for text, wait := range map[string]func(ctx context.Context){
			"pool: WaitKey within one of the key's own tasks":          func(ctx context.Context) { k.WaitKey(ctx, "a") },
			"pool: Wait of a Keyed within one of the pool's own tasks": func(context.Context) { k.Wait() },
			"pool: WaitContext within one of the pool's own tasks":     func(ctx context.Context) { p.WaitContext(ctx) }, //coterie:waiterr the context does not end
		} {
			require.NoError(t, k.GoContext(t.Context(), "a", wait))
			require.Equal(t, text, caught(k.Wait).(*core.PanicError).Value)
		}
		closeEmpty(t, p)
	})
}

func TestKeyedClose(t *testing.T) {
	t.Run("runs those that wait for their key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Queue: 3})
			k := pool.NewKeyed[string](p, 1)
			var ran atomic.Int32
			for range 4 {
				require.NoError(t, k.GoContext(t.Context(), "a", func(ctx context.Context) {
					time.Sleep(time.Second)
					if ran.Add(1) == 1 { // from inside
						require.NoError(t, k.GoContext(ctx, "a", func(context.Context) { ran.Add(1) }))
						require.NoError(t, k.GoContext(ctx, "b", func(context.Context) { ran.Add(1) }))
						require.NoError(t, k.Replace(ctx, "c", func(context.Context) { ran.Add(1) }))
					}
				}))
			}
			go func() { // waits for room, and gets it
				assert.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { ran.Add(1) }))
			}()
			synctest.Wait()
			var done atomic.Bool
			go func() { p.Close(); done.Store(true) }()
			synctest.Wait()
			require.False(t, done.Load())
			require.Equal(t, pool.ErrClosed, k.GoContext(t.Context(), "a", func(context.Context) { t.Error("ran") }))
			require.Equal(t, pool.ErrClosed, k.GoContext(t.Context(), "z", func(context.Context) { t.Error("ran") }))
			require.Equal(t, pool.ErrClosed, k.Replace(t.Context(), "a", func(context.Context) { t.Error("ran") }))
			k.Wait()
			require.EqualValues(t, 8, ran.Load())
			closeEmpty(t, p)
		})
	})

	t.Run("a Shutdown that gives up drops and counts them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 2})
			k := pool.NewKeyed[string](p, 1)
			release := make(chan struct{})
			var errs [2]error
			var wg sync.WaitGroup
			for _, key := range []string{"a", "a", "a", "b"} { // runs, waits, waits, is queued
				require.NoError(t, k.GoContext(t.Context(), key, func(ctx context.Context) {
					<-release
					require.Equal(t, pool.ErrClosed, k.GoContext(ctx, "a", func(context.Context) { t.Error("ran") }))
				}))
				synctest.Wait()
			}
			for i, key := range []string{"a", "b"} { // blocked
				wg.Go(func() { errs[i] = k.GoContext(t.Context(), key, func(context.Context) { t.Error("ran") }) })
			}
			var waited [2]error
			for i, key := range []string{"a", "b"} {
				wg.Go(func() { waited[i] = k.WaitKey(t.Context(), key) })
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			stuck := p.Shutdown(ctx).(*core.StuckError)
			require.Equal(t, 1, stuck.Running)
			require.Equal(t, 3, stuck.Dropped)
			close(release)
			wg.Wait()
			require.Equal(t, [2]error{pool.ErrClosed, pool.ErrClosed}, errs)
			require.Equal(t, [2]error{pool.ErrClosed, pool.ErrClosed}, waited)
			require.Equal(t, pool.ErrClosed, k.WaitKey(t.Context(), "a"))
			require.Equal(t, pool.ErrClosed, k.WaitKey(t.Context(), "b"))
			require.NoError(t, k.WaitKey(t.Context(), "c"))
			k.Wait()
			require.Equal(t, pool.Stats{Submitted: 4, Completed: 1, Dropped: 3}, closeEmpty(t, p))
		})
	})

	t.Run("a Shutdown that gives up does not count what a Replace has dropped before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{})
			k := pool.NewKeyed[int](p, 2)
			release := make(chan struct{})
			p.Go(func() { <-release })
			require.NoError(t, k.GoContext(t.Context(), 1, func(context.Context) { <-release }))
			synctest.Wait()
			require.NoError(t, k.GoContext(t.Context(), 1, func(context.Context) { panic("was replaced") }))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, k.Replace(ctx, 1, func(context.Context) { panic("was given up") }), context.DeadlineExceeded)
			require.EqualError(t, p.Shutdown(ctx), "pool: 2 running: context deadline exceeded")
			close(release)
			require.NoError(t, k.WaitKey(t.Context(), 1))
			p.Close()
			require.Equal(t, pool.Stats{Submitted: 3, Completed: 2, Dropped: 1}, p.Stats())
		})
	})
}

// A panic that no wait has raised ends the process when the Keyed is collected.
func TestKeyedPanicUnseen(t *testing.T) {
	run := func(wait string) (collected func() bool) {
		p := pool.New(1, pool.Options{})
		defer p.Close()
		k := pool.NewKeyed[int](p, 1)
		for key := range 3 {
			require.NoError(t, k.GoContext(t.Context(), key, func(context.Context) { panic("boom") }))
		}
		for key := range 3 {
			switch {
			case wait == "all" && key == 2:
				require.NotNil(t, caught(k.Wait))
			case wait == "each", wait == "two" && key > 0:
				require.NotNil(t, caught(func() { k.WaitKey(t.Context(), key) }))
			}
		}
		p.Wait()
		return child.Cleanup(k)
	}
	for wait, told := range map[string]bool{"all": true, "each": true, "two": false, "none": false} {
		t.Run(wait, func(t *testing.T) {
			t.Parallel()
			inside, output, err := child.Run(t)
			switch {
			case inside:
				child.Unseen(run(wait), told)
			case told:
				require.NoError(t, err, output)
			default:
				child.Panicked(t, output, err, "panic: boom", "pool_test.TestKeyedPanicUnseen.func")
			}
		})
	}
}

// Two tasks on lent places that wait for each other's key go on when their time is up.
func TestKeyedCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := pool.New(1, pool.Options{Queue: 3})
		k := pool.NewKeyed[string](p, 1)
		accepted := make(chan struct{})
		wait := func(ctx context.Context, key string, d time.Duration) time.Duration {
			ctx, cancel := context.WithTimeout(ctx, d)
			defer cancel()
			_ = k.WaitKey(ctx, key)
			return time.Since(start)
		}
		var outer, b, c time.Duration
		require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) { <-accepted; outer = wait(ctx, "b", time.Second) }))
		require.NoError(t, k.GoContext(t.Context(), "b", func(ctx context.Context) { b = wait(ctx, "c", 10*time.Second) }))
		require.NoError(t, k.GoContext(t.Context(), "c", func(ctx context.Context) { c = wait(ctx, "b", 5*time.Second) }))
		close(accepted)
		k.Wait()
		p.Wait()
		require.Equal(t, []time.Duration{time.Second, 5 * time.Second, 5 * time.Second}, []time.Duration{outer, b, c})
		closeEmpty(t, p)
	})
}

// A model of Keyed, driven by random calls of several goroutines.
func TestKeyedRandomly(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			perKey, workers, queue := 1+random.IntN(3), 1+random.IntN(4), 1+random.IntN(4)
			p := pool.New(workers, pool.Options{Queue: queue})
			k := pool.NewKeyed[int](p, perKey)
			var accepted, refused, ran atomic.Int64
			var busy [5]atomic.Int32
			var task func(key, depth int) func(ctx context.Context)
			start := func(ctx context.Context, key, depth int, replace bool) {
				call := k.GoContext
				if replace {
					call = k.Replace
				}
				if err := call(ctx, key, task(key, depth)); err != nil {
					refused.Add(1)
				} else {
					accepted.Add(1)
				}
			}
			task = func(key, depth int) func(ctx context.Context) {
				return func(ctx context.Context) {
					require.LessOrEqual(t, int(busy[key].Add(1)), perKey)
					defer busy[key].Add(-1)
					ran.Add(1)
					select {
					case <-time.After(time.Duration(rand.IntN(1000)) * time.Millisecond):
					case <-ctx.Done():
						require.Equal(t, pool.ErrReplaced, context.Cause(ctx))
					}
					for range rand.IntN(3) {
						if depth > 0 {
							start(ctx, rand.IntN(len(busy)), depth-1, rand.IntN(8) == 0)
						}
					}
					if rand.IntN(10) == 0 {
						_ = k.WaitKey(ctx, (key+1)%len(busy)) // in a circle it ends when its time is up, see below
					}
				}
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 30 {
						ctx, cancel := context.WithTimeoutCause(t.Context(), time.Duration(rand.IntN(10000))*time.Millisecond, pool.ErrReplaced)
						defer cancel()
						start(ctx, rand.IntN(len(busy)), 2, rand.IntN(5) == 0)
					}
					time.Sleep(time.Minute) // before the deferred calls
				})
			}
			wg.Wait()
			k.Wait()
			p.Wait()
			s := closeEmpty(t, p)
			require.EqualValues(t, accepted.Load(), s.Submitted)
			require.EqualValues(t, ran.Load(), s.Completed)
		})
	}
}
