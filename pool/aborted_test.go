package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// A task that panics while it exits has panicked, and one that exits while it panics has
// exited, wherever it runs.
func TestTasksGoexitAndPanic(t *testing.T) {
	for _, isolate := range []bool{false, true} {
		var onPanic atomic.Pointer[core.PanicError]
		var exits atomic.Bool
		p := pool.New(2, pool.Options{Isolate: isolate, OnPanic: func(pe *core.PanicError) {
			onPanic.Store(pe)
			if exits.Load() {
				runtime.Goexit()
			}
		}})
		starters := map[string]func(f func()){
			"Pool.Go":    p.Go,
			"Pool.TryGo": func(f func()) { require.True(t, p.TryGo(f)) },
			"Pool.GoContext": func(f func()) {
				require.NoError(t, p.GoContext(t.Context(), func(context.Context) { f() }))
			},
		}
		for name, start := range starters {
			for _, exits0 := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, isolated %t, OnPanic exits %t", name, isolate, exits0), func(t *testing.T) {
					exits.Store(exits0)
					onPanic.Store(nil)
					start(exitAndPanic)
					p.Wait()
					require.NotNil(t, onPanic.Load())
					require.Equal(t, "boom", onPanic.Load().Value)
					onPanic.Store(nil)
					start(panicAndExit)
					p.Wait()
					require.Nil(t, onPanic.Load())
				})
			}
		}

		batches := map[string]func(b *pool.Batch, f func()){
			"Batch.Go":    func(b *pool.Batch, f func()) { b.Go(f) },
			"Batch.TryGo": func(b *pool.Batch, f func()) { require.True(t, b.TryGo(f)) },
			"Batch.GoContext": func(b *pool.Batch, f func()) {
				require.NoError(t, b.GoContext(context.Background(), func(context.Context) { f() }))
			},
		}
		for name, start := range batches {
			t.Run(fmt.Sprintf("%s, isolated %t", name, isolate), func(t *testing.T) {
				b := p.Batch(t.Context())
				start(b, exitAndPanic)
				panicked, _ := ending(b.Wait)
				require.Equal(t, "boom", panicked.(*core.PanicError).Value)
				start(b, panicAndExit)
				panicked, goexit := ending(b.Wait)
				require.Nil(t, panicked)
				require.True(t, goexit)
				b.Wait()
			})
			t.Run(fmt.Sprintf("%s within a task, isolated %t", name, isolate), func(t *testing.T) {
				f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
					b := p.Batch(ctx)
					start(b, exitAndPanic)
					panicked, _ := ending(b.Wait)
					if panicked.(*core.PanicError).Value != "boom" {
						return 0, errors.New("no panic")
					}
					start(b, panicAndExit)
					if panicked, goexit := ending(b.Wait); panicked != nil || !goexit {
						return 0, errors.New("no Goexit")
					}
					return 7, nil
				})
				require.NoError(t, err)
				v, err := f.Get()
				require.NoError(t, err)
				require.Equal(t, 7, v)
			})
		}

		t.Run(fmt.Sprintf("Submit, isolated %t", isolate), func(t *testing.T) {
			submit := func(end func()) *core.Future[int] {
				f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { end(); return 0, nil })
				require.NoError(t, err)
				return f
			}
			panicked := caught(func() { _, _ = submit(exitAndPanic).Get() })
			require.Equal(t, "boom", panicked.(*core.PanicError).Value)
			_, err := submit(panicAndExit).Get()
			require.Equal(t, core.ErrGoexit, err)
		})
		closeEmpty(t, p)
	}
}

// An isolated task may leave its thread locked: that ends the thread, and nothing else.
func TestIsolate(t *testing.T) {
	locked := func() bool {
		var buf [128]byte
		header, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), "\n")
		return strings.Contains(header, "locked to thread")
	}
	p := pool.New(1, pool.Options{Isolate: true})
	task := func() {
		if locked() {
			t.Error("the thread is locked")
		}
		runtime.LockOSThread()
	}
	b := p.Batch(t.Context())
	for range 20 {
		p.Go(task)
		b.Go(task)
		require.NoError(t, b.GoContext(t.Context(), func(context.Context) { task() }))
		f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			task()
			return 7, pool.For(ctx, 1, 1, func(context.Context, int) error { return nil })
		})
		require.NoError(t, err)
		_, err = f.Get()
		require.NoError(t, err)
	}
	b.Wait()
	p.Wait()
	require.False(t, locked())
	closeEmpty(t, p)
}

// A handler of net/http may abort in a task: nothing is logged, as without the pool.
func TestAbortHandler(t *testing.T) {
	p := pool.New(1, pool.Options{})
	for name, handler := range map[string]func(ctx context.Context){
		"a batch": func(ctx context.Context) {
			b := p.Batch(ctx)
			b.Go(func() { panic(http.ErrAbortHandler) })
			b.Wait()
		},
		"Submit": func(ctx context.Context) {
			f, _ := pool.Submit(ctx, p, func(context.Context) (int, error) { panic(http.ErrAbortHandler) })
			_, _ = f.Get()
		},
		"For": func(ctx context.Context) {
			_ = pool.For(ctx, 1, 1, func(context.Context, int) error { panic(http.ErrAbortHandler) })
		},
		"Map": func(ctx context.Context) {
			for range pool.Map(ctx, 1, (&input{n: 1}).seq, func(context.Context, int) (int, error) { panic(http.ErrAbortHandler) }) { //coterie:waiterr no call fails
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var logged strings.Builder
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { handler(r.Context()) }))
			server.Config.ErrorLog = log.New(&logged, "", 0)
			server.Start()
			_, err := server.Client().Get(server.URL)
			require.Error(t, err)
			server.Close()
			require.Empty(t, logged.String())
		})
	}
	closeEmpty(t, p)
}

// A panic has the path of its task, wherever it arrives.
func TestPanicHasThePath(t *testing.T) {
	boom := func(context.Context) { panic("boom") }
	for name, start := range map[string]func(p *pool.Pool) (wait func()){
		"Batch.Go": func(p *pool.Pool) func() {
			b := p.Batch(t.Context())
			b.Go(func() { panic("boom") })
			return b.Wait
		},
		"Batch.GoContext": func(p *pool.Pool) func() {
			b := p.Batch(t.Context())
			require.NoError(t, b.GoContext(t.Context(), boom))
			return b.Wait
		},
		"Keyed": func(p *pool.Pool) func() {
			k := pool.NewKeyed[int](p, 1)
			require.NoError(t, k.GoContext(t.Context(), 1, boom))
			return k.Wait
		},
		"Keyed, in the place of another task": func(p *pool.Pool) func() {
			k, hold := pool.NewKeyed[int](p, 1), make(chan struct{})
			defer close(hold)
			p.Go(func() { <-hold })
			require.NoError(t, k.GoContext(t.Context(), 1, func(context.Context) { t.Error("ran") }))
			require.NoError(t, k.Replace(t.Context(), 1, boom))
			return k.Wait
		},
		"Submit": func(p *pool.Pool) func() {
			f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) { boom(ctx); return 0, nil })
			require.NoError(t, err)
			return func() { _, _ = f.Get() }
		},
		"a Submit within, in the place of the Get": func(p *pool.Pool) func() {
			f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
				f, err := pool.Submit(ctx, p, func(ctx context.Context) (int, error) { boom(ctx); return 0, nil })
				if err != nil {
					return 0, err
				}
				return f.GetContext(ctx)
			})
			require.NoError(t, err)
			return func() { _, _ = f.Get() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "mail"})
			defer p.Close()
			require.Equal(t, "mail", caught(start(p)).(*core.PanicError).Task)
		})
	}

	t.Run("in OnPanic", func(t *testing.T) {
		var all []string
		p := pool.New(1, pool.Options{Name: "mail", OnPanic: func(p *core.PanicError) { all = append(all, p.Error()) }})
		p.Go(func() { panic("boom") })
		require.NoError(t, p.GoContext(t.Context(), boom))
		p.Close()
		require.Equal(t, []string{"panic in mail: boom", "panic in mail: boom"}, all)
	})
}

// OnPanic may submit a task with the context of the one that has panicked, although the queue is full.
func TestOnPanicStartsAnotherTask(t *testing.T) {
	boom := func(ctx context.Context) { panic(ctx) }
	for _, isolate := range []bool{false, true} {
		var p *pool.Pool
		again := 0
		p = pool.New(1, pool.Options{Queue: 1, Isolate: isolate, OnPanic: func(got *core.PanicError) {
			require.True(t, p.TryGo(func() {}))
			require.False(t, p.TryGo(func() {}), "the queue is full")
			ctx := got.Value.(context.Context)
			require.NoError(t, p.GoContext(ctx, func(context.Context) { again++ }))
		}})
		require.NoError(t, p.GoContext(t.Context(), boom))
		p.Wait()
		require.NoError(t, pool.NewKeyed[int](p, 1).GoContext(t.Context(), 1, func(ctx context.Context) { again++ }))
		p.Close()
		require.Equal(t, 2, again)
	}
}
