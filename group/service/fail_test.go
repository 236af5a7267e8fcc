package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group/service"
)

var errDown = errors.New("down")

type joinsNothing struct{}

func (joinsNothing) Error() string   { return "nothing joined" }
func (joinsNothing) Unwrap() []error { return nil }

func TestFailure(t *testing.T) {
	t.Run("a failure stops all, in order", func(t *testing.T) {
		lines, err := observed(t, 0, service.Options{Name: "app"},
			service.Service{Name: "db", Run: serve(0, 1*second)},
			service.Service{Name: "mail", After: []string{"db"}, Run: fail(5*second, errDown)},
			service.Service{Name: "web", After: []string{"mail"}, Run: serve(0, 2*second)},
		)
		require.Equal(t, []string{
			"0s db starting", "0s db ready", "0s mail starting", "0s mail ready", "0s web starting", "0s web ready",
			"5s mail failed: down", "5s web stopping", "7s web ended", "7s db stopping", "8s db ended",
		}, lines)
		require.EqualError(t, err, "app/mail: down")
		var failure *service.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, []service.Failure{{Service: "mail", Err: errDown}}, failure.Failed)
		require.Empty(t, failure.Stuck)
		require.Equal(t, errDown, failure.Cause)
		require.ErrorIs(t, err, errDown)
	})

	t.Run("what waits to start when another fails never starts", func(t *testing.T) {
		lines, err := observed(t, 0, service.Options{},
			service.Service{Name: "a", Run: job(1*second, errDown)},
			service.Service{Name: "b", After: []string{"a"}, Run: serve(0, 0)},
			service.Service{Name: "c", After: []string{"b"}, Run: serve(0, 0)},
		)
		require.EqualError(t, err, "a: down")
		require.Equal(t, []string{"0s a starting", "1s a failed: down"}, lines)
	})

	t.Run("all failures are in the error, in the order in which they happened", func(t *testing.T) {
		late := func(ctx context.Context, ready func()) error {
			ready()
			<-ctx.Done()
			return io.ErrUnexpectedEOF
		}
		_, err := observed(t, 0, service.Options{Name: "app"},
			service.Service{Name: "db", Run: late},
			service.Service{Name: "web", After: []string{"db"}, Run: late},
			service.Service{Name: "mail", Run: fail(second, errDown)},
		)
		require.EqualError(t, err, "app/mail: down\napp/web: unexpected EOF\napp/db: unexpected EOF")
		require.ErrorIs(t, err, errDown)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})

	t.Run("a panic is a failure with its stack", func(t *testing.T) {
		_, err := observed(t, 0, service.Options{Name: "app"},
			service.Service{Name: "db", Run: func(context.Context, func()) error { panic(errDown) }})
		var p *core.PanicError
		require.ErrorAs(t, err, &p)
		require.Equal(t, errDown, p.Value)
		require.Contains(t, string(p.Stack), "fail_test.go")
		require.ErrorIs(t, err, errDown)
		require.Regexp(t, "^app/db: panic", err.Error())
	})

	t.Run("a panic when told to stop is a failure, whatever it panics with", func(t *testing.T) {
		_, err := observed(t, second, service.Options{},
			service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				<-ctx.Done()
				panic(context.Cause(ctx))
			}})
		var failure *service.Error
		require.ErrorAs(t, err, &failure)
		require.IsType(t, (*core.PanicError)(nil), failure.Failed[0].Err)
		require.Equal(t, context.DeadlineExceeded, failure.Cause)
	})

	t.Run("a Goexit is a failure", func(t *testing.T) {
		_, err := observed(t, 0, service.Options{Name: "app"},
			service.Service{Name: "db", Run: func(context.Context, func()) error { runtime.Goexit(); return nil }})
		var failure *service.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, []service.Failure{{Service: "db", Err: core.ErrGoexit}}, failure.Failed)
	})

	t.Run("a panic during a Goexit is a panic", func(t *testing.T) {
		_, err := observed(t, 0, service.Options{},
			service.Service{Name: "db", Run: func(context.Context, func()) error {
				defer func() { panic(errDown) }()
				runtime.Goexit()
				return nil
			}},
			service.Service{Name: "web", Run: serve(0, 0)})
		var p *core.PanicError
		require.ErrorAs(t, err, &p)
		require.Equal(t, errDown, p.Value)
	})

	for _, c := range []struct {
		name string
		err  func(ctx context.Context) error
		ends bool // well
	}{
		{"ctx.Err()", func(ctx context.Context) error { return ctx.Err() }, true},
		{"the cause", context.Cause, true},
		{"what wraps the cause", func(ctx context.Context) error { return fmt.Errorf("serve: %w", context.Cause(ctx)) }, true},
		{"what joins ctx.Err() and the cause", func(ctx context.Context) error { return errors.Join(ctx.Err(), context.Cause(ctx)) }, true},
		{"what joins ctx.Err() and a failure", func(ctx context.Context) error { return errors.Join(ctx.Err(), io.EOF) }, false},
		{"what wraps ctx.Err(), which may be of any context", func(ctx context.Context) error { return fmt.Errorf("flush: %w", ctx.Err()) }, false},
		{"the error for which all stop, of its own", func(context.Context) error { return errDown }, false},
		{"another error", func(context.Context) error { return io.EOF }, false},
		{"an error that joins nothing", func(context.Context) error { return joinsNothing{} }, false},
	} {
		t.Run(fmt.Sprintf("at the end %s is no failure: %v", c.name, c.ends), func(t *testing.T) {
			_, err := observed(t, 0, service.Options{},
				service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
					<-ctx.Done()
					return c.err(ctx)
				}},
				service.Service{Name: "mail", Run: fail(second, errDown)})
			var failure *service.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.ends, len(failure.Failed) == 1)
		})
	}

	t.Run("context.Canceled before the end is a failure", func(t *testing.T) {
		_, err := observed(t, 0, service.Options{}, service.Service{Name: "db", Run: job(0, context.Canceled)})
		require.EqualError(t, err, "db: context canceled")
	})

	t.Run("the cause of the context says why a service is stopped", func(t *testing.T) {
		var cause error
		_, err := observed(t, 0, service.Options{Name: "app"},
			service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return nil
			}},
			service.Service{Name: "mail", Run: fail(second, errDown)})
		require.Error(t, err)
		require.EqualError(t, cause, "app/mail: down")
		require.ErrorIs(t, cause, errDown)
	})
}

func TestReady(t *testing.T) {
	t.Run("a service that is not ready in time fails, and those that had started stop", func(t *testing.T) {
		lines, err := observed(t, 0, service.Options{Name: "app", StartWithin: 5 * second},
			service.Service{Name: "db", Run: serve(5*second-1, second)},
			service.Service{Name: "mail", After: []string{"db"}, Run: serve(5*second+1, 0)},
			service.Service{Name: "web", After: []string{"mail"}, Run: serve(0, 0)},
		)
		require.EqualError(t, err, "app/mail: not ready within 5s")
		require.Equal(t, []string{
			"0s db starting", "4.999999999s db ready", "4.999999999s mail starting",
			"9.999999999s mail failed: not ready within 5s", "9.999999999s mail stopping",
			"10s mail ended", // it sleeps
			"10s db stopping", "11s db ended",
		}, lines)
	})

	t.Run("a late service says why with the error that it returns", func(t *testing.T) {
		_, err := observed(t, 0, service.Options{StartWithin: 5 * second},
			service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				<-ctx.Done()
				return fmt.Errorf("dial: %w", errDown)
			}})
		require.EqualError(t, err, "db: not ready within 5s\ndb: dial: down")
		require.ErrorIs(t, err, errDown)
	})

	t.Run("without StartWithin a service may take as long as it likes", func(t *testing.T) {
		lines, err := observed(t, 2000*time.Hour, service.Options{}, service.Service{Name: "db", Run: serve(1000*time.Hour, 0)})
		require.NoError(t, err)
		require.Equal(t, "1000h0m0s db ready", lines[1])
	})

	t.Run("a job has to end in time", func(t *testing.T) {
		_, err := observed(t, 0, service.Options{StartWithin: second}, service.Service{Name: "job", Run: job(second+1, nil)})
		require.EqualError(t, err, "job: not ready within 1s")
	})

	t.Run("a service that never calls ready keeps those after it from starting", func(t *testing.T) {
		lines, err := observed(t, time.Hour, service.Options{},
			service.Service{Name: "db", Run: func(ctx context.Context, _ func()) error { <-ctx.Done(); return nil }},
			service.Service{Name: "web", After: []string{"db"}, Run: serve(0, 0)})
		require.NoError(t, err)
		require.Equal(t, []string{"0s db starting", "1h0m0s db stopping", "1h0m0s db ended"}, lines)
	})

	t.Run("a second ready does nothing", func(t *testing.T) {
		lines, err := observed(t, 0, service.Options{}, service.Service{Name: "db", Run: func(_ context.Context, ready func()) error {
			ready()
			ready()
			return nil
		}})
		require.NoError(t, err)
		require.Equal(t, []string{"0s db starting", "0s db ready", "0s db ended"}, lines)
	})

	t.Run("ready while stopping starts nobody", func(t *testing.T) {
		lines, err := observed(t, second, service.Options{},
			service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				<-ctx.Done()
				ready()
				return nil
			}},
			service.Service{Name: "web", After: []string{"db"}, Run: serve(0, 0)})
		require.NoError(t, err)
		require.Equal(t, []string{"0s db starting", "1s db stopping", "1s db ended"}, lines)
	})

	t.Run("ready after its attempt does nothing for the next, and after the end of all returns", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			h := &history{start: time.Now()}
			var stale func()
			err := service.Run(ctx, service.Options{Observe: h.observe},
				service.Service{Name: "db", Restart: service.Restart{Max: 1}, Run: func(ctx context.Context, ready func()) error {
					if stale == nil {
						stale = ready
						return errDown
					}
					stale()
					<-ctx.Done()
					return nil
				}})
			require.NoError(t, err)
			require.Equal(t, []string{
				"0s db starting", "0s db failed: down", "0s db restarting", "0s db starting 2", "1m0s db stopping 2", "1m0s db ended 2",
			}, h.lines)
			stale()
		})
	})
}

func TestContext(t *testing.T) {
	t.Run("nothing starts if ctx is done before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := service.Run(ctx, service.Options{Observe: func(e service.Event) { t.Error(e) }}, service.Service{Name: "db", Run: serve(0, 0)})
		require.NoError(t, err)
	})

	t.Run("ctx done while a service gets ready stops in order", func(t *testing.T) {
		lines, err := observed(t, 2*second, service.Options{},
			service.Service{Name: "db", Run: serve(1*second, 1*second)},
			service.Service{Name: "mail", After: []string{"db"}, Run: serve(3*second, 1*second)},
			service.Service{Name: "web", After: []string{"mail"}, Run: serve(0, 0)})
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s db starting", "1s db ready", "1s mail starting",
			"2s mail stopping", "5s mail ended", "5s db stopping", "6s db ended",
		}, lines)
	})

	t.Run("ctx done while stopping changes nothing", func(t *testing.T) {
		lines, err := observed(t, 2*second, service.Options{},
			service.Service{Name: "db", Run: serve(0, 5*second)},
			service.Service{Name: "mail", After: []string{"db"}, Run: fail(second, errDown)})
		require.Equal(t, []string{"1s mail failed: down", "1s db stopping", "6s db ended"}, lines[4:])
		var failure *service.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, errDown, failure.Cause)
	})

	t.Run("a failure while ctx stops all is reported, with the cause of ctx", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cause := errors.New("deploy")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(second, func() { cancel(cause) })
			err := service.Run(ctx, service.Options{}, service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				<-ctx.Done()
				require.ErrorIs(t, context.Cause(ctx), cause)
				return io.EOF
			}})
			var failure *service.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, cause, failure.Cause)
			require.EqualError(t, err, "db: EOF")
		})
	})

	t.Run("a service's context has the values of ctx, and is done when Run has returned", func(t *testing.T) {
		type key struct{}
		var kept context.Context
		err := service.Run(context.WithValue(t.Context(), key{}, 1), service.Options{},
			service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				require.Equal(t, 1, ctx.Value(key{}))
				require.NoError(t, ctx.Err())
				kept = ctx
				return nil
			}})
		require.NoError(t, err)
		require.Error(t, kept.Err())
	})
}
