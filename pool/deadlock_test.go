package pool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

func TestDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := make(chan *core.PanicError, 10)
		p := pool.New(2, pool.Options{Name: "mail", Queue: 3, OnPanic: func(p *core.PanicError) { panics <- p }})
		begin := time.Now()
		var ran atomic.Int64
		for range 2 {
			p.Go(func() {
				time.Sleep(time.Second)
				for range 4 {
					p.Go(func() { ran.Add(1) })
				}
			})
		}
		p.Wait()
		require.Len(t, panics, 1)
		require.Equal(t, `pool: deadlock: all 2 tasks of "mail" wait for room in it; start them with GoContext and the task's context`,
			(<-panics).Value)
		require.Equal(t, 2*time.Second, time.Since(begin))
		p.Close()
		require.GreaterOrEqual(t, ran.Load(), int64(4))
	})
}

func TestATaskThatWaitsForItsOwnBatch(t *testing.T) {
	const text = "pool: Wait on a batch within one of its own tasks"
	for name, opts := range map[string]pool.Options{"": {}, ", isolated": {Isolate: true}} {
		for first, d := range map[string]time.Duration{"first": time.Second, "last": -time.Second} {
			t.Run("is told, if it waits "+first+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(4, opts)
					begin := time.Now()
					b, other := p.Batch(t.Context()), p.Batch(t.Context())
					other.Go(func() { time.Sleep(time.Minute) })
					b.Go(func() { time.Sleep(max(0, -d)); b.Wait() }) //coterie:selfwait that it waits for itself is the point
					b.Go(func() { other.Wait() })
					time.Sleep(max(0, d))
					require.Equal(t, text, caught(b.Wait).(*core.PanicError).Value)
					require.Equal(t, time.Minute, time.Since(begin))
					p.Close()
				})
			})
		}

		t.Run("is told also if it lends its place"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, opts)
				require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
					b := p.Batch(ctx)
					for range 4 {
						b.Go(func() { time.Sleep(time.Second) })
					}
					assert.NoError(t, b.GoContext(ctx, func(context.Context) {
						require.Equal(t, text, caught(b.Wait))
					}))
					b.Wait()
				}))
				p.Close()
			})
		})
	}
}

// With a long queue submitters wait until it is half empty. Tasks that wait for that, all of them,
// go on as soon as there is any room.
func TestNoDeadlockWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2, pool.Options{Queue: 64})
		first, second := make(chan struct{}), make(chan struct{})
		var ended atomic.Int32
		leaf := func() { ended.Add(1) }
		p.Go(func() { <-first; p.Go(leaf) })
		p.Go(func() { <-second })
		synctest.Wait()
		p.Go(func() { p.Go(leaf) })
		for range 63 {
			p.Go(leaf)
		}
		close(first)
		synctest.Wait() // it waits: the queue is full
		close(second)
		p.Wait()
		require.EqualValues(t, 65, ended.Load())
		p.Close()
	})
}
