package pool_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

// Submitters that wait for room in the pool's queue because their key is free. It may be busy when
// there is room.
func TestKeyedRoom(t *testing.T) {
	// full returns a pool whose queue is full, and a function that ends all its tasks.
	full := func(workers, queue int) (p *pool.Pool, k *pool.Keyed[string], end func()) {
		p = pool.New(workers, pool.Options{Queue: queue})
		release := make(chan struct{})
		for range workers + queue {
			p.Go(func() { <-release })
			synctest.Wait()
		}
		return p, pool.NewKeyed[string](p, 1), func() { close(release); synctest.Wait() }
	}

	t.Run("no more of them join the line than there is room for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, k, end := full(1, 2)
			gone := errors.New("gone")
			ctx, cancel := context.WithCancelCause(t.Context())
			release := make(chan struct{})
			var accepted atomic.Int32
			var order []int
			var errs [6]error
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() {
					c := t.Context()
					if i == 4 {
						c = ctx
					}
					errs[i] = k.GoContext(c, "a", func(context.Context) { <-release; order = append(order, i) })
					accepted.Add(1)
				})
				synctest.Wait()
			}
			end()
			require.EqualValues(t, 3, accepted.Load(), "one runs, two wait for it")
			cancel(gone)
			synctest.Wait()
			require.EqualValues(t, 4, accepted.Load())
			release <- struct{}{}
			synctest.Wait()
			require.EqualValues(t, 5, accepted.Load())
			close(release)
			wg.Wait()
			k.Wait()
			require.Equal(t, [6]error{4: gone}, errs)
			require.Equal(t, []int{0, 1, 2, 3, 5}, order)
			require.Equal(t, pool.Stats{Submitted: 8, Completed: 8}, closeEmpty(t, p))
		})
	})

	for name, replaces := range map[string]bool{"Replace": true, "a Shutdown that gives up": false} {
		t.Run(name+" ends their wait for a place in line", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, k, end := full(1, 1)
				release := make(chan struct{})
				var errs [4]error
				var wg sync.WaitGroup
				for i := range errs {
					wg.Go(func() {
						errs[i] = k.GoContext(t.Context(), "a", func(context.Context) { assert.Zero(t, i); <-release })
					})
					synctest.Wait()
				}
				end()
				want := pool.ErrReplaced
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if replaces {
					require.Equal(t, context.DeadlineExceeded, k.Replace(ctx, "a", func(context.Context) {}))
				} else {
					want = pool.ErrClosed
					require.Error(t, p.Shutdown(ctx))
				}
				wg.Wait()
				require.Equal(t, [4]error{nil, nil, want, want}, errs)
				close(release)
				k.Wait()
				require.Equal(t, pool.Stats{Submitted: 4, Completed: 3, Dropped: 1}, closeEmpty(t, p))
			})
		})
	}

	t.Run("they are accepted after Close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, k, end := full(1, 1)
			var ran atomic.Int32
			for range 5 {
				go func() { assert.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { ran.Add(1) })) }()
			}
			synctest.Wait()
			go p.Close()
			synctest.Wait()
			end()
			require.EqualValues(t, 5, ran.Load())
			closeEmpty(t, p)
		})
	})

	t.Run("a Replace of a free key begins when a worker is free, however many tasks wait for their keys", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{Queue: 1})
			k := pool.NewKeyed[string](p, 1)
			hot, release := make(chan struct{}), make(chan struct{})
			for range 2 { // one runs, one waits for it
				require.NoError(t, k.GoContext(t.Context(), "hot", func(context.Context) { <-hot }))
			}
			synctest.Wait()
			for range 2 {
				p.Go(func() { <-release })
				synctest.Wait()
			}
			var ran atomic.Bool
			var first error
			go func() { first = k.Replace(t.Context(), "a", func(context.Context) { t.Error("ran") }) }()
			synctest.Wait()
			go func() { assert.NoError(t, k.Replace(t.Context(), "a", func(context.Context) { ran.Store(true) })) }()
			synctest.Wait()
			require.Equal(t, pool.ErrReplaced, first)
			close(release)
			synctest.Wait()
			require.True(t, ran.Load())
			close(hot)
			closeEmpty(t, p)
		})
	})
}
