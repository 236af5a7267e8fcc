package errgroup_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/errgroup"
)

// exitAndPanic calls Goexit, and panics in a deferred function while that is under way.
func exitAndPanic() {
	defer panic(errBoom)
	runtime.Goexit()
}

// panicAndExit panics, and calls Goexit in a deferred function, which ends the panic.
func panicAndExit() {
	defer runtime.Goexit()
	panic(errBoom)
}

// ending returns what a goroutine panics with that calls f, which may exit it, too.
func ending(f func()) (panicked any) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { panicked = recover() }()
		f()
	}()
	<-ended
	return panicked
}

// starters are the ways to start a task.
var starters = map[string]func(g *errgroup.Group, f func() error){
	"Go":      func(g *errgroup.Group, f func() error) { g.Go(f) },
	"TryGo":   func(g *errgroup.Group, f func() error) { g.TryGo(f) },
	"GoNamed": func(g *errgroup.Group, f func() error) { g.GoNamed("x", f) },
	"GoContext": func(g *errgroup.Group, f func() error) {
		_ = g.GoContext(context.Background(), func(context.Context) error { return f() })
	},
	"Fork": func(g *errgroup.Group, f func() error) {
		errgroup.Fork(g, func() (int, error) { return 0, f() })
	},
}

// A task that panics while it exits has panicked, and one that exits while it panics has
// exited, whichever way it was started.
func TestGoexitAndPanicAtOnce(t *testing.T) {
	for name, start := range starters {
		for _, isolate := range []bool{false, true} {
			opts := errgroup.Options{Isolate: isolate}
			t.Run(fmt.Sprintf("%s, isolated %t", name, isolate), func(t *testing.T) {
				g, ctx := errgroup.New(t.Context(), opts)
				start(g, func() error { exitAndPanic(); return nil })
				p := caught(func() { _ = g.Wait() }).(*core.PanicError)
				require.Equal(t, errBoom, p.Value)
				require.True(t, p.Goexit)
				require.Error(t, ctx.Err())

				g, ctx = errgroup.New(t.Context(), opts)
				start(g, func() error { panicAndExit(); return nil })
				require.True(t, exits(func() { _ = g.Wait() }))
				require.Equal(t, core.ErrGoexit, context.Cause(ctx))
			})

			opts.Panics = core.Capture
			for _, opts.Collect = range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, isolated %t, captured, collected %t", name, isolate, opts.Collect), func(t *testing.T) {
					g, _ := errgroup.New(t.Context(), opts)
					start(g, func() error { exitAndPanic(); return nil })
					err := g.Wait()
					require.Len(t, multierr.Errors(err), 1)
					require.ErrorIs(t, err, errBoom)
					var p *core.PanicError
					require.ErrorAs(t, err, &p)

					g, _ = errgroup.New(t.Context(), opts)
					start(g, func() error { panicAndExit(); return nil })
					require.ErrorIs(t, g.Wait(), core.ErrGoexit)
				})
			}
		}
	}

	t.Run("in the body of a scope", func(t *testing.T) {
		body := func(end func()) func() {
			return func() {
				_ = errgroup.Run(t.Context(), func(context.Context, *errgroup.Group) error { end(); return nil })
			}
		}
		require.Equal(t, errBoom, ending(body(exitAndPanic)))
		require.Nil(t, ending(body(panicAndExit)))
		require.True(t, exits(body(panicAndExit)))
	})

	t.Run("of a body and a task, which panics while the body exits", func(t *testing.T) {
		v := ending(func() {
			_ = errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
				g.Go(func() error { <-ctx.Done(); panic(errBoom) })
				runtime.Goexit()
				return nil
			})
		})
		require.Equal(t, errBoom, v.(*core.PanicError).Value)
	})

	t.Run("in Gather and Race", func(t *testing.T) {
		end := func(f func()) func(context.Context) (int, error) {
			return func(context.Context) (int, error) { f(); return 0, nil }
		}
		other := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		for name, run := range map[string]func(end func()){
			"Gather": func(f func()) { _, _ = errgroup.Gather(t.Context(), end(f), other) },
			"All2":   func(f func()) { _, _, _ = errgroup.All2(t.Context(), end(f), other) },
			"Race":   func(f func()) { _, _ = errgroup.Race(t.Context(), errgroup.RaceOptions[int]{}, end(f), other) },
		} {
			v := ending(func() { run(exitAndPanic) })
			require.IsType(t, new(core.PanicError), v, name)
			require.Equal(t, errBoom, v.(*core.PanicError).Value, name)
			require.Nil(t, ending(func() { run(panicAndExit) }), name)
			require.True(t, exits(func() { run(panicAndExit) }), name)
		}
	})
}

// A Goexit is an error of its own, also where it is the parent's cause.
func TestGoexitIsNoCancellationReport(t *testing.T) {
	for name, start := range starters {
		t.Run(name, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			g, ctx := errgroup.New(parent, errgroup.Options{Panics: core.Capture, Collect: true})
			start(g, func() error {
				cancel(core.ErrGoexit)
				<-ctx.Done()
				runtime.Goexit()
				return nil
			})
			start(g, func() error { <-ctx.Done(); return errBoom })
			err := g.Wait()
			require.ErrorIs(t, err, errBoom)
			require.ErrorIs(t, err, core.ErrGoexit)
			// The first task's, and the parent's cancellation beside it.
			require.Len(t, multierr.Errors(err), 3)
		})
	}
}

// However many tasks panic, a bounded number of panics is kept, and none after Wait.
func TestKeepsABoundedNumberOfPanics(t *testing.T) {
	n := child.Many(100, 1000)
	for _, collect := range []bool{false, true} {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: collect})
		for i := range n {
			g.Go(func() error { panic(i) })
		}
		p := caught(func() { _ = g.Wait() }).(*core.PanicError)
		require.Len(t, p.Others, 32)
		require.Equal(t, n-1-32, p.More)
	}

	g := new(errgroup.Group)
	var freed func() bool
	func() {
		value := new([1 << 20]byte)
		freed = child.Cleanup(value)
		g.Go(func() error { panic(&value[0]) })
		require.NotNil(t, caught(func() { _ = g.Wait() }))
	}()
	child.Collect(freed)
	runtime.KeepAlive(g)
}

// An error that MaxErrors drops is not kept.
func TestKeepsNoDroppedError(t *testing.T) {
	g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, MaxErrors: 2})
	var freed func() bool
	func() {
		large := new(largeError)
		freed = child.Cleanup(large)
		for i := range 3 {
			g.Go(func() error {
				if i == 2 {
					return large
				}
				return errBoom
			})
		}
		require.Len(t, multierr.Errors(g.Wait()), 3)
	}()
	child.Collect(freed)
	runtime.KeepAlive(g)
}

type largeError [1 << 20]byte

func (*largeError) Error() string { return "large" }

// A handler of net/http may abort in a task: nothing is logged, as without the group.
func TestAbortHandler(t *testing.T) {
	var logged strings.Builder
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = errgroup.Run(r.Context(), func(_ context.Context, g *errgroup.Group) error {
			g.Go(func() error { panic(http.ErrAbortHandler) })
			return nil
		})
	}))
	server.Config.ErrorLog = log.New(&logged, "", 0)
	server.Start()
	_, err := server.Client().Get(server.URL)
	require.Error(t, err)
	server.Close()
	require.Empty(t, logged.String())
}

// An isolated task leaves its thread locked to nobody, and ends the thread by returning.
func TestIsolate(t *testing.T) {
	locked := func() bool {
		var buf [128]byte
		header, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), "\n")
		return strings.Contains(header, "locked to thread")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, limit := range []int{0, 1} {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Isolate: true, Limit: limit})
		for range 100 {
			g.Go(func() error {
				require.False(t, locked())
				runtime.LockOSThread()
				require.True(t, locked())
				return nil
			})
		}
		require.NoError(t, g.Wait())
	}
}

// A name that is not printable forges no line of a log.
func TestNamesArePrintable(t *testing.T) {
	g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "in\ngest"})
	g.GoNamed("fetch", func() error { return errBoom })
	require.EqualError(t, g.Wait(), `"in\ngest/fetch": boom`)
	require.EqualError(t, &errgroup.TaskError{Err: errBoom}, "boom")
}

// The context of a task that has ended does not keep the task's function.
func TestAContextKeepsNoFunction(t *testing.T) {
	g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true})
	var ended []context.Context
	var freed func() bool
	func() {
		large := new(largeError)
		freed = child.Cleanup(large)
		f := func(ctx context.Context) error {
			runtime.KeepAlive(large)
			ended = append(ended, ctx)
			return errBoom
		}
		require.NoError(t, g.GoContext(t.Context(), f))
		require.Error(t, g.Wait())
		g.Background(f)
		require.Error(t, g.Wait())
	}()
	child.Collect(freed)
	runtime.KeepAlive(ended)
}
