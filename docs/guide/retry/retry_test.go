// Package retry_test runs the programs of the page about retries, rates and timeouts.
package retry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"github.com/coterie-go/coterie/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBusy = errors.New("server is busy")
	errGone = errors.New("no such page")
)

// A site answers after a second, and fails as often as it is told to.
type site struct {
	failures atomic.Int32 // that are still to come
	slow     atomic.Int32 // answers that take a minute
	requests atomic.Int32
}

func (s *site) get(ctx context.Context, url string) (string, error) {
	s.requests.Add(1)
	wait := time.Second
	if s.slow.Add(-1) >= 0 {
		wait = time.Minute
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if url == "gone" {
		return "", errGone
	}
	if s.failures.Add(-1) >= 0 {
		return "", errBusy
	}
	return "page " + url, nil
}

// snippet: retry
// getWithRetry asks up to three times, with growing pauses between.
func (s *site) getWithRetry(ctx context.Context, url string) (string, error) {
	return backoff.Retry(ctx, func() (string, error) {
		page, err := s.get(ctx, url)
		if errors.Is(err, errGone) {
			return "", backoff.Permanent(err) // to ask again would not help
		}
		return page, err
	}, backoff.WithMaxTries(3))
}

// end snippet

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, urls, s := t.Context(), []string{"a", "b", "c"}, new(site)
		s.failures.Store(2)
		// snippet: retry in a loop
		pages, err := pool.MapSlice(ctx, 8, urls, s.getWithRetry)
		// end snippet
		require.NoError(t, err)
		require.Equal(t, []string{"page a", "page b", "page c"}, pages)
		require.EqualValues(t, 5, s.requests.Load())

		s.failures.Store(100)
		_, err = pool.MapSlice(ctx, 8, urls, s.getWithRetry)
		require.ErrorIs(t, err, errBusy)
		_, err = pool.MapSlice(ctx, 8, []string{"gone"}, s.getWithRetry)
		require.Equal(t, errGone, err)
	})
}

func TestRetryIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(site)
		s.failures.Store(100)
		started := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
		defer cancel()
		_, err := pool.MapSlice(ctx, 8, []string{"a"}, s.getWithRetry)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1200*time.Millisecond, time.Since(started), "in the pause before the second attempt, or in it")
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), new(site)
		urls := slices.Repeat([]string{"a"}, 30)
		started := time.Now()
		// snippet: rate
		limiter := rate.NewLimiter(10, 1) // ten requests in a second, one at a time
		_, err := pool.MapSlice(ctx, 20, urls, func(ctx context.Context, url string) (string, error) {
			if err := limiter.Wait(ctx); err != nil {
				return "", err // ctx has ended, or would end first
			}
			return s.get(ctx, url)
		})
		// end snippet
		require.NoError(t, err)
		// The last of thirty starts after 2.9 s, and takes one second.
		require.Equal(t, 3900*time.Millisecond, time.Since(started))
	})
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(site)
		s.slow.Store(1)
		started := time.Now()
		// snippet: timeouts
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // of all of it
		defer cancel()
		page, err := backoff.Retry(ctx, func() (string, error) {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // of one attempt
			defer cancel()
			return s.get(ctx, "a")
		}, backoff.WithBackOff(backoff.NewConstantBackOff(time.Second)))
		// end snippet
		require.NoError(t, err)
		require.Equal(t, "page a", page)
		require.Equal(t, 4*time.Second, time.Since(started), "two seconds, a pause, and a second")
	})
}

func Example_together() {
	ctx, s := context.Background(), new(site)
	// snippet: together
	limiter := rate.NewLimiter(rate.Every(10*time.Millisecond), 1)
	get := func(ctx context.Context, url string) (string, error) {
		return backoff.Retry(ctx, func() (string, error) {
			if err := limiter.Wait(ctx); err != nil { // each attempt counts
				return "", backoff.Permanent(err)
			}
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return s.getOrGone(ctx, url)
		}, backoff.WithMaxTries(3))
	}
	for kept, err := range pool.Map(ctx, 4, slices.Values([]string{"gone", "a"}), pool.Keep(get)) {
		if err != nil {
			return // ctx has ended
		}
		fmt.Printf("%s: %q, %v\n", kept.In, kept.Out, kept.Err)
	}
	// end snippet
	// Output:
	// gone: "", no such page
	// a: "page a", <nil>
}

// getOrGone is get, but for errors after which to ask again would not help.
func (s *site) getOrGone(ctx context.Context, url string) (string, error) {
	page, err := s.get(ctx, url)
	if errors.Is(err, errGone) {
		err = backoff.Permanent(err)
	}
	return page, err
}
