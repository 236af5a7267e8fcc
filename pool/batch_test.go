package pool_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func TestBatch(t *testing.T) {
	t.Run("Err is why the first task did not run, in each round", func(t *testing.T) {
		p := pool.New(1, pool.Options{Queue: 8})
		b := p.Batch(t.Context())
		for _, causes := range [][]error{{errors.New("first"), errors.New("second")}, {errors.New("third")}} {
			hold := make(chan struct{})
			p.Go(func() { <-hold })
			for _, cause := range causes {
				ctx, cancel := context.WithCancelCause(t.Context())
				require.NoError(t, b.GoContext(ctx, func(context.Context) { t.Error("ran") }))
				cancel(cause)
			}
			close(hold)
			b.Wait()
			require.Equal(t, causes[0], b.Err())
		}

		ctx, cancel := context.WithCancel(t.Context())
		hold := make(chan struct{})
		p.Go(func() { <-hold })
		require.NoError(t, b.GoContext(ctx, func(context.Context) { t.Error("ran") }))
		cancel()
		close(hold)
		b.Wait() // this reports it, and nobody asks for it
		b.Go(func() {})
		b.Wait()
		require.NoError(t, b.Err())
		closeEmpty(t, p)
	})

	t.Run("wait waits for the batch's own tasks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(3, pool.Options{})
			release := make(chan struct{})
			p.Go(func() { <-release })
			other := p.Batch(t.Context())
			other.Go(func() { <-release })
			b := p.Batch(t.Context())
			b.Wait()
			for range 3 {
				var ran atomic.Int32
				for range 10 {
					b.Go(func() { ran.Add(1) })
				}
				b.Wait()
				require.EqualValues(t, 10, ran.Load())
			}
			close(release)
			other.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("tasks may start tasks while wait waits", func(t *testing.T) {
		p := pool.New(2, pool.Options{})
		b := p.Batch(t.Context())
		var ran atomic.Int32
		var spread func(depth int)
		spread = func(depth int) {
			ran.Add(1)
			if depth > 0 {
				b.Go(func() { spread(depth - 1) })
				b.Go(func() { spread(depth - 1) })
			}
		}
		b.Go(func() { spread(8) })
		b.Wait()
		require.EqualValues(t, 1<<9-1, ran.Load())
		closeEmpty(t, p)
	})

	t.Run("wait raises the first panic with the others, and only once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{OnPanic: func(*core.PanicError) { t.Error("OnPanic was called") }})
			b := p.Batch(t.Context())
			boom := errors.New("boom")
			var raised [2]any
			var waits sync.WaitGroup
			release := make(chan struct{})
			b.Go(func() { <-release; panic(boom) })
			b.Go(func() { panic("bang") })
			b.Go(runtime.Goexit)
			for i := range raised {
				waits.Go(func() { raised[i] = caught(b.Wait) })
			}
			synctest.Wait()
			close(release)
			waits.Wait()
			for _, v := range raised {
				pe := v.(*core.PanicError)
				require.ErrorIs(t, pe, boom)
				require.Contains(t, string(pe.Stack), "pool_test.TestBatch")
				require.Len(t, pe.Others, 1)
				require.Equal(t, "bang", pe.Others[0].Value)
			}
			b.Go(func() {})
			require.NoError(t, b.WaitContext(t.Context()))
			p.Wait()
			require.Equal(t, pool.Stats{Submitted: 4, Completed: 4, Panicked: 2}, closeEmpty(t, p))
		})
	})

	t.Run("wait raises a Goexit", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		b := p.Batch(t.Context())
		b.Go(runtime.Goexit)
		done := make(chan string)
		go func() {
			defer close(done)
			b.Wait()
			done <- "returned"
		}()
		require.Empty(t, <-done)
		b.Wait()
		closeEmpty(t, p)
	})

	t.Run("a Goexit in a task that its waiter runs ends the waiter, when all have ended", func(t *testing.T) {
		for _, bad := range []func(){runtime.Goexit, func() { panic("bad") }} {
			p := pool.New(1, pool.Options{})
			var ran, after atomic.Int32
			f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
				b := p.Batch(ctx)
				for i := range 10 {
					b.Go(func() {
						ran.Add(1)
						if i%4 == 1 {
							bad()
						}
					})
				}
				b.Wait()
				after.Add(1)
				return 1, nil
			})
			require.NoError(t, err)
			v := caught(func() {
				_, err := f.Get()
				require.Equal(t, core.ErrGoexit, err)
			})
			if v != nil {
				require.Equal(t, "bad", v.(*core.PanicError).Value)
				require.Len(t, v.(*core.PanicError).Others, 2)
			}
			require.EqualValues(t, 10, ran.Load())
			require.Zero(t, after.Load())
			p.Wait()
			require.EqualValues(t, 11, closeEmpty(t, p).Completed)
		}
	})

	t.Run("a panic beside a Goexit in tasks that their waiter runs is raised", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			b := p.Batch(ctx)
			b.Go(runtime.Goexit)
			b.Go(func() { panic("bad") })
			b.Wait()
			return 1, nil
		})
		require.NoError(t, err)
		// The panic is recovered by the worker, and the Goexit goes on. What the
		// task ended by is the one or the other.
		v := caught(func() { _, err = f.Get() })
		if v != nil {
			require.Equal(t, "bad", v.(*core.PanicError).Value)
		} else {
			require.Equal(t, core.ErrGoexit, err)
		}
		closeEmpty(t, p)
	})

	t.Run("a waiter runs tasks that are added while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{})
			release := make(chan struct{})
			var ran atomic.Bool
			f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
				b := p.Batch(ctx)
				started, add := make(chan struct{}), make(chan struct{})
				b.Go(func() { // on the other worker
					close(started)
					<-add
					b.Go(func() { ran.Store(true) })
					<-release
				})
				<-started
				go func() {
					time.Sleep(time.Second) // until Wait waits
					close(add)
				}()
				b.Wait()
				return 1, nil
			})
			require.NoError(t, err)
			time.Sleep(2 * time.Second)
			require.True(t, ran.Load())
			close(release)
			_, err = f.Get()
			require.NoError(t, err)
			closeEmpty(t, p)
		})
	})

	t.Run("a waiter runs one at a time of the tasks that are added while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Queue: 3})
			release := make(chan struct{})
			var began atomic.Int32
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				b := p.Batch(ctx)
				started := make(chan struct{})
				b.Go(func() { // on the other worker
					close(started)
					time.Sleep(time.Second) // until Wait waits
					for range 3 {
						b.Go(func() { began.Add(1); <-release })
					}
					<-release
				})
				<-started
				b.Wait()
			}))
			time.Sleep(2 * time.Second)
			require.Equal(t, int32(1), began.Load())
			close(release)
			p.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("WaitContext gives up at any point and can be called again", func(t *testing.T) {
		for _, nested := range []bool{false, true} {
			p := pool.New(2, pool.Options{Queue: 4})
			var ran atomic.Int32
			rounds := func(ctx context.Context) {
				b := p.Batch(ctx)
				for i := range 300 {
					short, cancel := context.WithCancel(ctx)
					for range 4 {
						b.Go(func() { ran.Add(1) })
					}
					go func() {
						for range i % 7 {
							runtime.Gosched()
						}
						cancel()
					}()
					if err := b.WaitContext(short); err != nil {
						var stuck *core.StuckError
						require.ErrorAs(t, err, &stuck)
						require.ErrorIs(t, err, context.Canceled)
					}
					b.Wait()
				}
			}
			if nested {
				f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) { rounds(ctx); return 1, nil })
				require.NoError(t, err)
				_, err = f.Get()
				require.NoError(t, err)
			} else {
				rounds(t.Context())
			}
			require.EqualValues(t, 1200, ran.Load())
			closeEmpty(t, p)
		}
	})

	t.Run("WaitContext returns nil with a context that is done when all have ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p := pool.New(1, pool.Options{})
		require.NoError(t, p.WaitContext(ctx))
		require.NoError(t, p.Batch(t.Context()).WaitContext(ctx))
		f, err := pool.Submit(t.Context(), p, func(inner context.Context) (int, error) {
			b := p.Batch(inner)
			if err := b.WaitContext(ctx); err != nil {
				return 0, err
			}
			var ran atomic.Bool
			b.Go(func() { ran.Store(true) })
			if err := b.WaitContext(ctx); !errors.Is(err, context.Canceled) || ran.Load() {
				return 0, errors.New("waited")
			}
			b.Wait()
			return 7, b.WaitContext(ctx)
		})
		require.NoError(t, err)
		v, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 7, v)
		closeEmpty(t, p)
	})

	t.Run("the zero value panics", func(t *testing.T) {
		var b pool.Batch
		for name, use := range map[string]func(){
			"Go":          func() { b.Go(func() {}) },
			"TryGo":       func() { b.TryGo(func() {}) },
			"GoContext":   func() { _ = b.GoContext(t.Context(), func(context.Context) {}) },
			"Wait":        b.Wait,
			"WaitContext": func() { _ = b.WaitContext(t.Context()) },
			"Err":         func() { _ = b.Err() },
		} {
			require.PanicsWithValue(t, "pool: use of a zero Batch, which Pool.Batch has not made", use, name)
		}
	})

	t.Run("a waiter that is called to run a task and gives up calls another", func(t *testing.T) {
		for range 100 { // it may be called before or after it gives up
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{})
				require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
					b := p.Batch(ctx)
					impatient, cancel := context.WithCancel(ctx)
					waits := []func(){func() { b.WaitContext(ctx) }, func() { b.WaitContext(impatient) }}
					var waiters group.Group
					b.Go(func() {
						for _, wait := range waits {
							waiters.Go(wait)
							time.Sleep(time.Second) // until it waits
						}
						b.Go(func() {})
						cancel()
					})
					b.WaitContext(impatient)
					waiters.Wait()
				}))
				p.Wait()
				p.Close()
			})
		}
	})

	t.Run("WaitContext says how many are running", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "mail"})
			b := p.Batch(t.Context())
			release := make(chan struct{})
			b.Go(func() { <-release })
			b.Go(func() {})
			p.Go(func() {})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.EqualError(t, b.WaitContext(ctx),
				`batch of pool "mail": 1 running, 1 queued: context deadline exceeded`)
			close(release)
			require.NoError(t, b.WaitContext(t.Context()))
			require.NoError(t, b.WaitContext(ctx))
			closeEmpty(t, p)
		})
	})

	t.Run("WaitContext panics within a task of the batch", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		b := p.Batch(t.Context())
		require.NoError(t, b.GoContext(t.Context(), func(ctx context.Context) {
			other := p.Batch(ctx)
			if err := other.GoContext(ctx, func(ctx context.Context) { b.WaitContext(ctx) }); err != nil {
				panic(err)
			}
			other.Wait()
		}))
		require.Equal(t, "pool: WaitContext on a batch within one of its own tasks",
			caught(b.Wait).(*core.PanicError).Value)
		closeEmpty(t, p)
	})

	t.Run("a task's context no longer stands for it when it has ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			var leaked context.Context
			b := p.Batch(t.Context())
			require.NoError(t, b.GoContext(t.Context(), func(ctx context.Context) { leaked = ctx }))
			b.Wait()
			release := make(chan struct{})
			p.Go(func() { <-release })
			var ran atomic.Bool
			late := p.Batch(leaked)
			late.Go(func() { ran.Store(true) })
			go late.Wait()
			synctest.Wait()
			require.False(t, ran.Load())
			go p.GoContext(leaked, func(context.Context) { ran.Store(true) }) // finds the queue full
			synctest.Wait()
			require.False(t, ran.Load())
			close(release)
			late.Wait()
			require.NoError(t, p.WaitContext(leaked))
			closeEmpty(t, p)
		})
	})

	t.Run("a task fills the queue with its batch, and not beyond", func(t *testing.T) {
		for name, start := range map[string]func(ctx context.Context, b *pool.Batch){
			"Go":        func(_ context.Context, b *pool.Batch) { b.Go(func() {}) },
			"GoContext": func(ctx context.Context, b *pool.Batch) { _ = b.GoContext(ctx, func(context.Context) {}) },
			"TryGo":     func(_ context.Context, b *pool.Batch) { b.TryGo(func() {}) },
		} {
			p := pool.New(1, pool.Options{Queue: 3})
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				b := p.Batch(ctx)
				for range 3 {
					start(ctx, b)
				}
				assert.False(t, b.TryGo(func() {}), name)
				assert.False(t, p.TryGo(func() {}), name)
				b.Wait()
			}))
			p.Wait() // before Close, which computes the room again
			require.Equal(t, pool.Stats{Submitted: 4, Completed: 4}, closeEmpty(t, p), name)
		}
	})

	t.Run("err is cleared by the next task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			b := p.Batch(t.Context())
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			release := make(chan struct{})
			b.Go(func() { <-release; cancel(cause) })
			require.NoError(t, b.GoContext(ctx, func(context.Context) { panic("started") }))
			close(release)
			b.Wait()
			require.Equal(t, cause, b.Err())
			b.Go(func() {})
			require.NoError(t, b.WaitContext(t.Context()))
			require.NoError(t, b.Err())
			closeEmpty(t, p)
		})
	})

	t.Run("a million rounds leave nothing behind", func(t *testing.T) {
		rounds := child.Many(30_000, 1_000_000)
		if raceBuild {
			rounds = 2000
		}
		p := pool.New(1, pool.Options{})
		before := heap()
		for range rounds {
			b := p.Batch(t.Context())
			b.Go(func() {})
			b.Wait()
		}
		require.Less(t, heap()-before, int64(1<<20))
		closeEmpty(t, p)
	})
}

// A failed assertion in a task ends the test that waits.
func TestFailNow(t *testing.T) {
	inside, output, err := child.Run(t, "-test.v")
	if inside {
		p := pool.New(1, pool.Options{})
		defer p.Close()
		b := p.Batch(t.Context())
		b.Go(func() { t.Fatal("in the task") })
		b.Wait()
		t.Log("after the wait")
		return
	}
	require.Error(t, err)
	require.Contains(t, output, "in the task")
	require.Contains(t, output, "--- FAIL: TestFailNow")
	require.NotContains(t, output, "after the wait")
}

func TestNames(t *testing.T) {
	profile := func() string {
		var b bytes.Buffer
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
		return b.String()
	}

	t.Run("are labels of the tasks, and nest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Name: "mail"})
			release := make(chan struct{})
			p.Go(func() { <-release })
			ctx, path := sched.WithName(t.Context(), "night")
			require.Equal(t, "night", path)
			require.NoError(t, p.GoContext(ctx, func(ctx context.Context) {
				g := group.New(group.Options{})
				_ = g.GoContext(ctx, func(context.Context) { <-release })
				g.Wait()
			}))
			synctest.Wait()
			text := profile()
			require.Contains(t, text, `# labels: {"coterie":"mail"}`)
			require.Contains(t, text, `# labels: {"coterie":"night/mail"}`)
			canceled, cancel := context.WithCancel(t.Context())
			cancel()
			var stuck *core.StuckError
			require.ErrorAs(t, p.WaitContext(canceled), &stuck)
			var names []string
			for _, task := range stuck.Tasks {
				names = append(names, task.Name)
			}
			require.ElementsMatch(t, []string{"mail", "night/mail"}, names)
			close(release)
			p.Wait()
			// What a task leaves behind does not reach the next.
			p.Go(func() { pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), pprof.Labels("left", "behind"))) })
			p.Wait()
			stop := make(chan struct{})
			for range 2 {
				p.Go(func() { <-stop })
			}
			synctest.Wait()
			require.NotContains(t, profile(), "behind")
			close(stop)
			closeEmpty(t, p)
		})
	})

	t.Run("of a task that ran others while it waited are its own again", func(t *testing.T) {
		p := pool.New(1, pool.Options{Name: "mail"})
		f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (string, error) {
			b := p.Batch(ctx)
			inner, _ := sched.WithName(ctx, "inner")
			if err := b.GoContext(inner, func(context.Context) {}); err != nil {
				return "", err
			}
			b.Wait()
			return profile(), nil
		})
		require.NoError(t, err)
		text, err := f.Get()
		require.NoError(t, err)
		require.Contains(t, text, `# labels: {"coterie":"mail"}`)
		require.NotContains(t, text, "inner")
		closeEmpty(t, p)
	})

	t.Run("the workers of a pool without one carry no labels", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			release := make(chan struct{})
			pprof.Do(t.Context(), pprof.Labels("starter", "of the worker"), func(context.Context) {
				p.Go(func() { <-release })
			})
			synctest.Wait()
			require.NotContains(t, profile(), "starter")
			close(release)
			closeEmpty(t, p)
		})
	})
}

func TestErrOfABatchThatLostTasksInBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		release := make(chan struct{})
		p.Go(func() { <-release })
		b := p.Batch(t.Context())
		ctx, cancel := context.WithCancelCause(t.Context())
		require.NoError(t, b.GoContext(ctx, func(context.Context) {}))
		p.Go(func() { <-release })
		require.NoError(t, b.GoContext(t.Context(), func(context.Context) {}))
		late := errors.New("too late")
		cancel(late)
		release <- struct{}{}
		synctest.Wait()
		require.Error(t, p.Shutdown(ctx))
		close(release)
		b.Wait()
		require.Equal(t, []error{late, pool.ErrClosed}, multierr.Errors(b.Err()))
		p.Close()
	})
}

func TestErrOfABatchEndsWithATaskThatRunsInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.Options{Queue: 1})
		require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
			b := p.Batch(ctx)
			lost, cancel := context.WithCancel(ctx)
			assert.NoError(t, b.GoContext(lost, func(context.Context) {}))
			cancel()
			assert.ErrorIs(t, b.WaitContext(ctx), context.Canceled)
			assert.ErrorIs(t, b.Err(), context.Canceled)
			p.Go(func() {}) // the queue is full
			assert.NoError(t, b.GoContext(ctx, func(context.Context) {
				require.NoError(t, b.Err())
			}))
			assert.NoError(t, b.Err())
		}))
		p.Wait()
		p.Close()
	})
}
