package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

// ownContext is a context of a type that package context does not know. Package context watches it
// with a goroutine.
type ownContext struct {
	context.Context
	done chan struct{}
}

func (c ownContext) Done() <-chan struct{} { return c.done }

func (c ownContext) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

func TestContextOfATaskWithAKeyIsCollectedInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		defer p.Close()
		k := pool.NewKeyed[int](p, 1)
		base := ownContext{t.Context(), make(chan struct{})}
		for range 20 {
			require.NoError(t, k.GoContext(base, 1, func(ctx context.Context) { ctx.Done() }))
			k.Wait()
			runtime.GC()
		}
		close(base.done) // ends the goroutines that watch it
	})
	runtime.GC() // a channel of the bubble that is closed now ends the process
}

// A task with a key starts another with its context. The other's context ends with that of the
// first while the first runs, and then only with the context of both.
func TestContextOfATaskThatATaskWithAKeyStarts(t *testing.T) {
	type valueKey struct{}
	for _, looksFirst := range []bool{false, true} { // whether Done is called while the first task runs
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("looks first: %t, replaced: %t", looksFirst, replaced), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(3, pool.Options{Name: "mail"})
					defer p.Close()
					k := pool.NewKeyed[string](p, 1)
					enough := errors.New("enough")
					ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), valueKey{}, "value"))
					end, second := make(chan struct{}), make(chan context.Context, 1)
					require.NoError(t, k.GoContext(ctx, "first", func(ctx context.Context) {
						assert.NoError(t, k.GoContext(ctx, "second", func(ctx context.Context) {
							if looksFirst {
								ctx.Done()
							}
							second <- ctx
							<-end
						}))
						if replaced {
							<-ctx.Done()
						}
					}))
					at := <-second
					require.Equal(t, "value", at.Value(valueKey{}))
					require.Nil(t, at.Value("none"))
					if replaced {
						require.NoError(t, at.Err())
						require.NoError(t, k.Replace(ctx, "first", func(context.Context) {}))
						synctest.Wait()
						require.Equal(t, pool.ErrReplaced, context.Cause(at))
						require.Equal(t, context.Canceled, at.Err())
						<-at.Done()
						cancel(enough)
						require.Equal(t, pool.ErrReplaced, context.Cause(at))
					} else {
						synctest.Wait() // the first task has ended
						require.NoError(t, k.Replace(ctx, "first", func(context.Context) {}))
						synctest.Wait()
						require.NoError(t, at.Err())
						cancel(enough)
						require.Equal(t, context.Canceled, at.Err())
						<-at.Done()
						require.Equal(t, enough, context.Cause(at))
					}
					close(end)
					k.Wait()
				})
			})
		}
	}
}

// Each task starts the next while it runs itself. With a chain of contexts the time would grow with
// the square of their number.
func TestTasksWithKeysThatOverlap(t *testing.T) {
	p := pool.New(2, pool.Options{})
	defer p.Close()
	k := pool.NewKeyed[int](p, 1)
	var run func(ctx context.Context, left int)
	run = func(ctx context.Context, left int) {
		_ = ctx.Value("none")
		if left > 0 && ctx.Err() == nil {
			begun := make(chan struct{})
			assert.NoError(t, k.GoContext(ctx, left%3, func(ctx context.Context) {
				close(begun)
				run(ctx, left-1)
			}))
			<-begun
		}
	}
	run(t.Context(), 5_000)
	k.Wait()
}
