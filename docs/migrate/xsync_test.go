package migrate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	xerrgroup "golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

func TestFromErrgroup(t *testing.T) {
	fetch := func(ctx context.Context, url string) error {
		if url == "bad" {
			return errors.New("no such host")
		}
		return nil
	}
	before := func(ctx context.Context, urls []string) error {
		// snippet: errgroup before
		g, ctx := xerrgroup.WithContext(ctx)
		g.SetLimit(10)
		for _, url := range urls {
			g.Go(func() error { return fetch(ctx, url) })
		}
		return g.Wait()
		// end snippet
	}
	after := func(ctx context.Context, urls []string) error {
		// snippet: errgroup after
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(10)
		for _, url := range urls {
			g.Go(func() error { return fetch(ctx, url) })
		}
		return g.Wait()
		// end snippet
	}
	scope := func(ctx context.Context, urls []string) error {
		// snippet: errgroup in a scope
		opts := errgroup.Options{Limit: 10}
		return errgroup.RunWith(ctx, opts, func(ctx context.Context, g *errgroup.Group) error {
			for _, url := range urls {
				g.Go(func() error { return fetch(ctx, url) })
			}
			return nil
		})
		// end snippet
	}
	for _, f := range []func(context.Context, []string) error{before, after, scope} {
		require.EqualError(t, f(t.Context(), []string{"a", "bad", "b"}), "no such host")
		require.NoError(t, f(t.Context(), []string{"a", "b"}))
	}
}

func TestFromSemaphore(t *testing.T) {
	ctx := t.Context()
	{
		// snippet: semaphore before
		sem := semaphore.NewWeighted(64)
		if err := sem.Acquire(ctx, 48); err != nil {
			return
		}
		defer sem.Release(48)
		// end snippet
		require.False(t, sem.TryAcquire(17))
	}
	{
		// snippet: semaphore after
		sem := core.NewSemaphore(64)
		if err := sem.Acquire(ctx, 48); err != nil {
			return
		}
		defer sem.Release(48)
		// end snippet
		require.False(t, sem.TryAcquire(17))
		sem.SetLimit(65)
		require.True(t, sem.TryAcquire(17))
		sem.Release(17)
	}
}

func TestSemaphoreDifferences(t *testing.T) {
	t.Run("more than there is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			require.Equal(t, core.ErrWeight, core.NewSemaphore(1).Acquire(ctx, 2))
			require.Zero(t, time.Since(started))
			require.Equal(t, context.DeadlineExceeded, semaphore.NewWeighted(1).Acquire(ctx, 2))
			require.Equal(t, time.Hour, time.Since(started))
		})
	})

	t.Run("the reason for giving up", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("shutting down")
		cancel(cause)
		require.Equal(t, context.Canceled, semaphore.NewWeighted(1).Acquire(ctx, 1))
		require.Equal(t, cause, core.NewSemaphore(1).Acquire(ctx, 1))
	})

	t.Run("releasing too much", func(t *testing.T) {
		theirs, ours := semaphore.NewWeighted(1), core.NewSemaphore(1)
		require.Panics(t, func() { theirs.Release(1) })
		require.Panics(t, func() { ours.Release(1) })
		require.True(t, theirs.TryAcquire(2)) // the state was changed first
		require.False(t, ours.TryAcquire(2))
	})
}
