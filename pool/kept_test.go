package pool_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/pool"
)

// A pool whose queue once held a million tasks keeps little, also after Close.
func TestKeepsLittleOfALongQueue(t *testing.T) {
	n := child.Many(30_000, 1_000_000)
	if raceBuild {
		n = 20_000
	}
	p := pool.New(1, pool.Options{Queue: n + 1})
	p.Go(func() {})
	p.Wait()
	b := p.Batch(t.Context())
	before := heap()
	for _, start := range []func(f func()){p.Go, b.Go} {
		hold := make(chan struct{})
		p.Go(func() { <-hold })
		var ran atomic.Int64
		f := func() { ran.Add(1) }
		for range n {
			start(f)
		}
		close(hold)
		p.Wait()
		require.EqualValues(t, n, ran.Load())
		require.Less(t, heap()-before, int64(1<<17))
	}
	p.Close()
	require.Less(t, heap()-before, int64(1<<17))

	t.Run("when a Shutdown has dropped it", func(t *testing.T) {
		p := pool.New(1, pool.Options{Queue: n + 1})
		before := heap()
		begun, hold := make(chan struct{}), make(chan struct{})
		p.Go(func() {
			close(begun)
			<-hold
		})
		<-begun // what has not begun is dropped, too
		for range n {
			p.Go(func() { t.Error("ran") })
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stuck *core.StuckError
		require.ErrorAs(t, p.Shutdown(ctx), &stuck)
		require.Equal(t, n, stuck.Dropped)
		close(hold)
		p.Close()
		stuck = nil
		require.Less(t, heap()-before, int64(1<<17))
		runtime.KeepAlive(p)
	})
	runtime.KeepAlive(p)
	runtime.KeepAlive(b)
}

// A task that has ended is not kept by those that were accepted beside it.
func TestKeepsNoTaskThatHasEnded(t *testing.T) {
	p := pool.New(1, pool.Options{Queue: 1000})
	begin, begun, hold := make(chan struct{}), make(chan struct{}), make(chan struct{})
	p.Go(func() { <-begin })
	freed := func() (freed func() bool) {
		value := new([1 << 20]byte)
		p.Go(func() { runtime.KeepAlive(value) })
		return child.Cleanup(value)
	}()
	p.Go(func() {
		close(begun)
		<-hold
	})
	close(begin)
	<-begun
	child.Collect(freed)
	close(hold)
	closeEmpty(t, p)
}

// However many tasks panic before somebody waits, a bounded number of panics is kept, and
// none after the wait.
func TestKeepsABoundedNumberOfPanics(t *testing.T) {
	n := child.Many(100, 1000)
	t.Run("by a batch", func(t *testing.T) {
		p := pool.New(4, pool.Options{})
		b := p.Batch(t.Context())
		for i := range n {
			b.Go(func() { panic(i) })
		}
		pe := caught(b.Wait).(*core.PanicError)
		require.Len(t, pe.Others, 32)
		require.Equal(t, n-1-32, pe.More)
		require.EqualValues(t, n, closeEmpty(t, p).Panicked)
	})

	for name, loop := range loops {
		t.Run("by "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ready atomic.Int32
				pe := caught(func() {
					_ = loop(t.Context(), n, n, func(ctx context.Context, i int) error {
						ready.Add(1)
						time.Sleep(time.Second) // until all have begun
						panic(i)
					})
				}).(*core.PanicError)
				require.EqualValues(t, n, ready.Load())
				require.Len(t, pe.Others, 32)
				require.Equal(t, n-1-32, pe.More)
			})
		})
	}

	t.Run("a batch keeps none after its wait", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		b := p.Batch(t.Context())
		var freed func() bool
		func() {
			value := new([1 << 20]byte)
			freed = child.Cleanup(value)
			b.Go(func() { panic(&value[0]) })
			require.NotNil(t, caught(b.Wait))
		}()
		child.Collect(freed)
		b.Wait()
		closeEmpty(t, p)
	})
}

// A loop keeps neither an item that has ended nor a result that was yielded.
func TestLoopsKeepNoItemThatHasEnded(t *testing.T) {
	type item struct{ large *[1 << 20]byte }
	var freed [3]func() bool
	items := func(yield func(item) bool) {
		for i := range freed {
			large := new([1 << 20]byte)
			freed[i] = child.Cleanup(large)
			if !yield(item{large}) {
				return
			}
		}
	}
	t.Run("Map: an item", func(t *testing.T) {
		var n atomic.Int32
		for _, err := range pool.Map(t.Context(), 1, items, func(_ context.Context, v item) (int, error) {
			if i := n.Add(1); i > 1 {
				child.Collect(freed[i-2])
			}
			runtime.KeepAlive(v)
			return 0, nil
		}) {
			require.NoError(t, err)
		}
		require.EqualValues(t, 3, n.Load())
	})

	t.Run("Map: an item that was claimed together with the next", func(t *testing.T) {
		const quick, slow = 200, 20
		type item struct {
			i int
			_ [64]byte
		}
		var freed [quick + slow]func() bool
		items := func(yield func(*item) bool) {
			for i := range freed {
				v := &item{i: i}
				freed[i] = child.Cleanup(v)
				if !yield(v) {
					return
				}
			}
		}
		for _, err := range pool.Map(t.Context(), 1, items, func(_ context.Context, v *item) (int, error) {
			if i := v.i; i >= quick {
				child.Collect(freed[i-1])
			}
			return 0, nil
		}) {
			require.NoError(t, err)
		}
	})

	t.Run("Map: an item, while the input blocks", func(t *testing.T) {
		input := func(yield func(item) bool) {
			large := new([1 << 20]byte)
			freed := child.Cleanup(large)
			if yield(item{large}) {
				child.Collect(freed)
			}
		}
		for _, err := range pool.Map(t.Context(), 1, input, func(_ context.Context, v item) (int, error) { return 0, nil }) {
			require.NoError(t, err)
		}
	})

	t.Run("Map: a result", func(t *testing.T) {
		n := 0
		for v, err := range pool.Map(t.Context(), 1, items, func(_ context.Context, v item) (item, error) { return v, nil }) {
			require.NoError(t, err)
			if n > 0 {
				child.Collect(freed[n-1])
			}
			n++
			runtime.KeepAlive(v)
		}
		require.Equal(t, 3, n)
	})

	t.Run("Merge", func(t *testing.T) {
		n := 0
		for v := range pool.Merge(t.Context(), items) {
			if n > 0 {
				child.Collect(freed[n-1])
			}
			n++
			runtime.KeepAlive(v)
		}
		require.Equal(t, 3, n)
	})
}

// An idle worker keeps nothing of its last task.
func TestAnIdleWorkerKeepsNoBatch(t *testing.T) {
	p := pool.New(1, pool.Options{IdleAfter: time.Hour})
	defer p.Close()
	freed := func() func() bool {
		b := p.Batch(t.Context())
		b.Go(func() {})
		b.Wait()
		return child.Cleanup(b)
	}()
	child.Collect(freed)
	require.Equal(t, 1, p.Stats().Workers)
}
