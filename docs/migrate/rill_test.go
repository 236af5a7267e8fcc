package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

type rillUser struct {
	id     int
	active bool
}

var errNoUser = errors.New("no such user")

// getUser stands for a request that takes a second.
func getUser(ctx context.Context, id int) (*rillUser, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if id == 999 {
		return nil, errNoUser
	}
	return &rillUser{id: id}, nil
}

func TestFromRill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, ids := t.Context(), []int{1, 2, 3, 4, 5, 6}
		var saved atomic.Int32
		saveUser := func(ctx context.Context, u *rillUser) error { saved.Add(1); return nil }
		started := time.Now()
		// snippet: rill stages after
		users := pool.MapUnordered(ctx, 3, slices.Values(ids), getUser)
		activated := pool.ThenUnordered(ctx, 2, users, func(ctx context.Context, u *rillUser) (*rillUser, error) {
			u.active = true
			return u, saveUser(ctx, u)
		})
		for _, err := range activated {
			if err != nil {
				return // both stages have ended
			}
		}
		// end snippet
		require.EqualValues(t, 6, saved.Load())
		require.Equal(t, 2*time.Second, time.Since(started))
	})
}

func TestFromRillErr(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, ids := t.Context(), []int{1, 2, 999, 4, 5, 6, 7, 8}
		// snippet: rill err after
		err := pool.Each(ctx, 3, slices.Values(ids), func(ctx context.Context, id int) error {
			_, err := getUser(ctx, id)
			if err != nil {
				return fmt.Errorf("user %d: %w", id, err)
			}
			return nil
		})
		// end snippet
		require.EqualError(t, err, "user 999: no such user")
	})
}

func TestFromRillFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		ids := slices.Values([]int{1, 2, 3, 4, 5, 6})
		wanted := func(u *rillUser) bool { return u.id == 2 }
		// snippet: rill first after
		var found *rillUser
		for u, err := range pool.Map(ctx, 3, ids, getUser) { // in the order of ids
			if err != nil {
				return
			}
			if wanted(u) {
				found = u
				break // cancels the requests that run, and waits for them
			}
		}
		// end snippet
		require.Equal(t, 2, found.id)
	})
}
