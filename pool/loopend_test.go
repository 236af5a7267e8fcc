package pool_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The context of a loop's items ends with the loop, however that ends.
func TestContextOfALoopThatHasEnded(t *testing.T) {
	failure := errors.New("failed")
	for name, loop := range loops {
		for _, workers := range []int{1, 4} {
			for _, asks := range []bool{false, true} {
				for _, err := range []error{nil, failure} {
					t.Run(fmt.Sprintf("%s with %d workers, asked for Done within %t, returns %v", name, workers, asks, err), func(t *testing.T) {
						everywhere(t, func(t *testing.T, here place) {
							var kept context.Context
							require.Equal(t, err, loop(here.ctx, workers, 3, func(ctx context.Context, i int) error {
								if i == 0 {
									kept = ctx
									if asks {
										ctx.Done()
									}
								}
								if i == 2 {
									time.Sleep(time.Second)
									return err
								}
								return nil
							}))
							require.Equal(t, context.Canceled, kept.Err())
							select {
							case <-kept.Done():
							default:
								t.Error("it is not done")
							}
							require.NoError(t, here.ctx.Err())
							derived, cancel := context.WithCancel(kept)
							defer cancel()
							require.Error(t, derived.Err())
						})
					})
				}
			}
		}
	}
}

// An error that an item returns of its own stays, also if the context is done by then. One
// that only reports the end of the context is replaced by its cause.
func TestItemErrorsBesideTheContexts(t *testing.T) {
	failure, cause := errors.New("failed"), errors.New("enough")
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, here place) {
				run := func(fail func(ctx context.Context) error) error {
					ctx, cancel := context.WithCancelCause(here.ctx)
					defer cancel(nil)
					return loop(ctx, 1, 1, func(item context.Context, _ int) error {
						cancel(cause)
						<-item.Done()
						return fail(item)
					})
				}
				got := run(func(context.Context) error { return failure })
				if name == "For" || name == "MapSlice" {
					require.Equal(t, failure, got)
				} else { // the end of the context is told at once
					require.Contains(t, []error{failure, cause}, got)
				}
				require.Equal(t, cause, run(func(ctx context.Context) error { return ctx.Err() }))
				require.Equal(t, cause, run(func(ctx context.Context) error { return fmt.Errorf("item: %w", ctx.Err()) }))
			})
		})
	}
}
