package pool_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/coterie-go/coterie/pool"
	"github.com/stretchr/testify/require"
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
