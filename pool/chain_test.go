package pool_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

// values drops the errors of a sequence. A loop over the rest is a loop in the input of the next.
func values(in iter.Seq2[int, error]) iter.Seq[int] {
	return func(yield func(int) bool) {
		for v, err := range in {
			if err != nil || !yield(v) {
				return
			}
		}
	}
}

// A loop that is left ends the loops in its input, also if their items wait for nothing but that.
func TestLeavingALoopEndsItsInputs(t *testing.T) {
	same := func(_ context.Context, v int) (int, error) { return v, nil }
	upstream := map[string]func(ctx context.Context, f func(context.Context, int) (int, error)) iter.Seq2[int, error]{
		"Map": func(ctx context.Context, f func(context.Context, int) (int, error)) iter.Seq2[int, error] {
			return pool.Map(ctx, 2, slices.Values([]int{0, 1, 2}), f)
		},
		"MapUnordered": func(ctx context.Context, f func(context.Context, int) (int, error)) iter.Seq2[int, error] {
			return pool.MapUnordered(ctx, 2, slices.Values([]int{0, 1, 2}), f)
		},
		"Then, itself after a Map": func(ctx context.Context, f func(context.Context, int) (int, error)) iter.Seq2[int, error] {
			return pool.Then(ctx, 2, pool.Map(ctx, 2, slices.Values([]int{0, 1, 2}), same), f)
		},
		"a Map two loops before": func(ctx context.Context, f func(context.Context, int) (int, error)) iter.Seq2[int, error] {
			return pool.ThenUnordered(ctx, 2, pool.Map(ctx, 2, slices.Values([]int{0, 1, 2}), f), same)
		},
		"a Map before a Chunk": func(ctx context.Context, f func(context.Context, int) (int, error)) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for chunk := range pool.Chunk(ctx, values(pool.Map(ctx, 2, slices.Values([]int{0, 1, 2}), f)), 2, time.Second) {
					if !yield(chunk[0], nil) {
						return
					}
				}
			}
		},
	}
	errLate := errors.New("late")
	downstream := map[string]func(ctx context.Context, in iter.Seq2[int, error]){
		"Then": func(ctx context.Context, in iter.Seq2[int, error]) {
			for range pool.Then(ctx, 2, in, same) { //coterie:waiterr what it yields is not the point
				break
			}
		},
		"ThenUnordered": func(ctx context.Context, in iter.Seq2[int, error]) {
			for range pool.ThenUnordered(ctx, 2, in, same) { //coterie:waiterr what it yields is not the point
				break
			}
		},
		"Then with an error": func(ctx context.Context, in iter.Seq2[int, error]) {
			var got []error
			for _, err := range pool.Then(ctx, 2, in, func(context.Context, int) (int, error) {
				time.Sleep(time.Second)
				return 0, errLate
			}) {
				got = append(got, err)
			}
			assert.Equal(t, []error{errLate}, got)
		},
		"Map": func(ctx context.Context, in iter.Seq2[int, error]) {
			for range pool.Map(ctx, 2, values(in), same) { //coterie:waiterr what it yields is not the point
				break
			}
		},
		"Each with an error": func(ctx context.Context, in iter.Seq2[int, error]) {
			assert.Equal(t, errLate, pool.Each(ctx, 2, values(in), func(context.Context, int) error { return errLate }))
		},
		"Chunk": func(ctx context.Context, in iter.Seq2[int, error]) {
			for range pool.Chunk(ctx, values(in), 3, time.Second) {
				break
			}
		},
		"Merge": func(ctx context.Context, in iter.Seq2[int, error]) {
			for range pool.Merge(ctx, slices.Values([]int{7}), values(in)) {
				break
			}
		},
	}
	for name, up := range upstream {
		for below, down := range downstream {
			t.Run(below+" after "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ended := 0
					down(t.Context(), up(t.Context(), func(ctx context.Context, v int) (int, error) {
						if v == 1 {
							<-ctx.Done()
							require.Error(t, context.Cause(ctx))
							ended++
						}
						return v, nil
					}))
					require.LessOrEqual(t, ended, 1)
				})
			})
		}
	}

	t.Run("and none that is in another goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			other := make(chan error)
			input := func(yield func(int) bool) {
				go func() {
					_, err := pool.MapSlice(t.Context(), 1, []int{1}, func(ctx context.Context, v int) (int, error) {
						<-release
						return v, ctx.Err()
					})
					other <- err
				}()
				yield(1)
			}
			for range pool.Map(t.Context(), 1, input, same) { //coterie:waiterr what it yields is not the point
				break
			}
			close(release)
			require.NoError(t, <-other)
		})
	})
}
