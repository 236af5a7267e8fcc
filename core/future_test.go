package core_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
)

// run gives a promise the outcome of f, as a task does.
func run(p core.Promise[int], f func() (int, error)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		core.Call(func() { p.Resolve(f()) }, p.Abort)
	}()
	<-done
}

func TestFuture(t *testing.T) {
	failure := errors.New("failed")

	t.Run("get returns what the task returned, to each caller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := core.NewPromise[int]()
			results := make(chan any, 4)
			for range cap(results) / 2 {
				go func() { v, err := p.Future().Get(); results <- v; results <- err }()
			}
			synctest.Wait()
			require.Empty(t, results)
			run(p, func() (int, error) { return 7, failure })
			synctest.Wait()
			require.Len(t, results, 4)
			v, err := p.Future().Get()
			require.Equal(t, 7, v)
			require.Equal(t, failure, err)
		})
	})

	t.Run("get raises the panic of the task, with its stack", func(t *testing.T) {
		p := core.NewPromise[int]()
		run(p, func() (int, error) { panicHere("boom"); return 0, nil })
		for range 2 {
			e := call(func() { _, _ = p.Future().Get() })
			require.Equal(t, "boom", e.panicked.Value)
			require.Contains(t, string(e.panicked.Stack), "core_test.panicHere(")
			require.Same(t, e.panicked, call(func() { _, _ = p.Future().GetContext(t.Context()) }).panicked)
		}
	})

	t.Run("a goexit of the task is an error of get", func(t *testing.T) {
		p := core.NewPromise[int]()
		run(p, func() (int, error) { runtime.Goexit(); return 0, nil })
		_, err := p.Future().Get()
		require.Equal(t, core.ErrGoexit, err)
	})

	t.Run("a panic during a goexit is raised by get", func(t *testing.T) {
		p := core.NewPromise[int]()
		run(p, func() (int, error) { defer panicHere("late"); runtime.Goexit(); return 0, nil })
		require.Equal(t, "late", call(func() { _, _ = p.Future().Get() }).panicked.Value)
	})

	t.Run("get with a context gives up when that is done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := core.NewPromise[int]()
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, failure)
			defer cancel()
			start := time.Now()
			_, err := p.Future().GetContext(ctx)
			require.Equal(t, failure, err)
			require.Equal(t, time.Minute, time.Since(start))
			select {
			case <-p.Future().Done():
				t.Error("done")
			default:
			}
			p.Resolve(7, nil)
			v, err := p.Future().GetContext(ctx)
			require.NoError(t, err, "there is a result, though ctx is done")
			require.Equal(t, 7, v)
			<-p.Future().Done()
		})
	})

	t.Run("done is one channel", func(t *testing.T) {
		p := core.NewPromise[int]()
		require.Equal(t, p.Future().Done(), p.Future().Done())
		p.Resolve(1, nil)
		<-p.Future().Done()
		q := core.NewPromise[int]()
		q.Resolve(1, nil)
		<-q.Future().Done()
		require.Equal(t, q.Future().Done(), q.Future().Done())
	})

	t.Run("a nil context panics", func(t *testing.T) {
		var none context.Context
		require.PanicsWithValue(t, "core: nil context", func() { _, _ = new(core.Future[int]).GetContext(none) })
	})

	t.Run("a promise is resolved once", func(t *testing.T) {
		p := core.NewPromise[int]()
		p.Resolve(1, nil)
		require.PanicsWithValue(t, "core: promise resolved twice", func() { p.Resolve(2, nil) })
		v, err := p.Future().Get()
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})

	t.Run("help is called before a wait, with the context of the caller", func(t *testing.T) {
		p := core.NewPromise[int]()
		var calls []context.Context
		p.Help(func(ctx context.Context) {
			if calls = append(calls, ctx); len(calls) == 3 {
				p.Resolve(7, nil)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		later, cancelLater := context.WithCancel(t.Context())
		cancelLater()
		_, err := p.Future().GetContext(later)
		require.Equal(t, context.Canceled, err)
		require.Empty(t, calls, "the context was done")
		p.Help(func(ctx context.Context) { calls = append(calls, ctx); cancel() })
		_, err = p.Future().GetContext(ctx)
		require.Equal(t, context.Canceled, err)
		require.Equal(t, []context.Context{ctx}, calls)
		p.Help(func(ctx context.Context) { calls = append(calls, ctx); p.Resolve(7, nil) })
		v, err := p.Future().Get()
		require.NoError(t, err)
		require.Equal(t, 7, v)
		require.Equal(t, []context.Context{ctx, nil}, calls)
		_, _ = p.Future().Get()
		require.Len(t, calls, 2, "there is a result")
	})
}

// A resolving context resolves a promise, and then ends, when a wait asks for its Done.
type resolving struct {
	context.Context
	resolve func()
}

func (r resolving) Done() <-chan struct{} { r.resolve(); return r.Context.Done() }

func TestAResultComesBeforeTheEndOfTheContext(t *testing.T) {
	for range 100 {
		p := core.NewPromise[int]()
		ctx, cancel := context.WithCancel(t.Context())
		v, err := p.Future().GetContext(resolving{ctx, func() { p.Resolve(7, nil); cancel() }})
		require.NoError(t, err)
		require.Equal(t, 7, v)
	}
}

// Goroutines that begin to wait while the result comes get it, however they wait.
func TestFutureResolvedMeanwhile(t *testing.T) {
	for range stormRounds() / 2 {
		p := core.NewPromise[int]()
		f := p.Future()
		var all sync.WaitGroup
		all.Go(func() { p.Resolve(7, nil) })
		for i := range 3 {
			all.Go(func() {
				if i == 0 {
					<-f.Done()
				}
				v, err := f.Get()
				assert.NoError(t, err)
				assert.Equal(t, 7, v)
			})
		}
		all.Wait()
		require.PanicsWithValue(t, "core: promise resolved twice", func() { p.Resolve(8, nil) })
		v, _ := f.Get()
		require.Equal(t, 7, v)
		<-f.Done()
	}
}

func TestUnreadPanics(t *testing.T) {
	type task struct {
		name   string
		future core.Future[int]
	}
	for _, c := range []struct {
		name    string
		watched bool
		use     func(f *core.Future[int])
		crashes bool
	}{
		{"nothing is done with it, it ends the process", true, func(*core.Future[int]) {}, true},
		{"done is looked at only, it ends the process", true, func(f *core.Future[int]) { <-f.Done() }, true},
		{"get has raised it, it does not end the process", true, func(f *core.Future[int]) { call(func() { _, _ = f.Get() }) }, false},
		{"get with a context has raised it, it does not end the process", true, func(f *core.Future[int]) {
			call(func() { _, _ = f.GetContext(context.Background()) })
		}, false},
		{"the future is not watched, it does not end the process", false, func(*core.Future[int]) {}, false},
	} {
		t.Run("if "+c.name, func(t *testing.T) {
			t.Parallel()
			inside, output, err := child.Run(t)
			switch {
			case inside:
				child.Unseen(func() (collected func() bool) {
					p := core.PromiseOf(&(&task{name: "mail"}).future)
					if c.watched {
						p.Watch()
					}
					run(p, func() (int, error) { panicHere("boom"); return 0, nil })
					c.use(p.Future())
					return child.Cleanup(p.Future())
				}(), !c.crashes)
			case c.crashes:
				require.Error(t, err, output)
				require.Regexp(t, `^panic: boom\n\t\n\tgoroutine \d+ \[running\]:\n\tpanic\(.*\n.*\n\t\S*/core_test\.panicHere\(`, output)
			default:
				require.NoError(t, err, output)
			}
		})
	}
}
