package tree_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/tree"
	"github.com/coterie-go/coterie/pool"
)

// What group.Observe tells of the tasks of errgroup and pool, which group does not know.
func TestObserve(t *testing.T) {
	bad := errors.New("bad")
	fails := func() error { return bad }
	failsContext := func(context.Context) error { return bad }
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
		want group.Event // of the last Ended, without numbers
		ends int
	}{
		{"errgroup: Go", func(t *testing.T) {
			g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "seen"})
			g.Go(fails)
			require.ErrorIs(t, g.Wait(), bad)
		}, group.Event{Path: "seen", Err: bad}, 1},
		{"errgroup: GoNamed, collecting", func(t *testing.T) {
			g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "seen", Collect: true})
			g.GoNamed("a", fails)
			require.ErrorIs(t, g.Wait(), bad)
		}, group.Event{Path: "seen/a", Err: bad}, 1},
		{"errgroup: GoContext", func(t *testing.T) {
			g, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "seen"})
			require.NoError(t, g.GoContext(ctx, failsContext))
			require.ErrorIs(t, g.Wait(), bad)
		}, group.Event{Path: "seen", Err: bad}, 1},
		{"errgroup: Fork", func(t *testing.T) {
			g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "seen"})
			_, err := errgroup.Fork(g, func() (int, error) { return 0, bad }).Get()
			require.ErrorIs(t, err, bad)
			require.ErrorIs(t, g.Wait(), bad)
		}, group.Event{Path: "seen", Err: bad}, 1},
		{"errgroup: Background", func(t *testing.T) {
			g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "seen"})
			g.Background(failsContext)
			synctest.Wait()
			require.ErrorIs(t, g.Wait(), bad)
		}, group.Event{Path: "seen", Err: bad}, 1},
		{"errgroup: Background until the others have ended", func(t *testing.T) {
			g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "seen"})
			g.Background(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			require.NoError(t, g.Wait())
		}, group.Event{Path: "seen", Cancelled: true}, 1},
		{"pool: Submit", func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "seen"})
			f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { return 0, bad })
			require.NoError(t, err)
			_, err = f.Get()
			require.ErrorIs(t, err, bad)
			p.Close()
		}, group.Event{Path: "seen", Err: bad}, 1},
		{"pool: two tasks with a key", func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "seen"})
			k := pool.NewKeyed[string](p, 1)
			for range 2 {
				require.NoError(t, k.GoContext(t.Context(), "key", func(context.Context) { time.Sleep(time.Second) }))
			}
			p.Close()
		}, group.Event{Path: "seen", Waited: time.Second, Ran: time.Second}, 2},
		{"pool: a task with a key that calls Goexit", func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "seen"})
			k := pool.NewKeyed[string](p, 1)
			require.NoError(t, k.GoContext(t.Context(), "key", func(context.Context) { runtime.Goexit() }))
			p.Close()
		}, group.Event{Path: "seen", Err: core.ErrGoexit}, 1},
		{"pool: a task whose context is done at its turn", func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "seen"})
			ctx, cancel := context.WithCancelCause(t.Context())
			release := make(chan struct{})
			p.Go(func() { <-release })
			synctest.Wait()
			require.NoError(t, p.GoContext(ctx, func(context.Context) {}))
			cancel(bad)
			time.Sleep(time.Second)
			close(release)
			p.Close()
		}, group.Event{Path: "seen", Err: bad, Waited: time.Second, Cancelled: true}, 2},
		{"pool: a task that calls Goexit after its context is done", func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "seen"})
			ctx, cancel := context.WithCancel(t.Context())
			require.NoError(t, p.GoContext(ctx, func(context.Context) { cancel(); runtime.Goexit() }))
			p.Close()
		}, group.Event{Path: "seen", Err: core.ErrGoexit, Cancelled: true}, 1},
		{"pool: a batch's task that Shutdown drops", func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "seen"})
			release := make(chan struct{})
			p.Go(func() { <-release })
			synctest.Wait()
			p.Batch(t.Context()).Go(func() {})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.Error(t, p.Shutdown(ctx))
			require.Equal(t, uint64(1), owner(t, "seen").Dropped)
			close(release)
			p.Close()
		}, group.Event{Path: "seen", Ran: time.Second}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var ended []group.Event
				queued := 0
				stop := group.Observe(&group.Observer{
					Queued: func(group.Event) { mu.Lock(); queued++; mu.Unlock() },
					Ended:  func(e group.Event) { mu.Lock(); ended = append(ended, e); mu.Unlock() },
				})
				c.run(t)
				stop()
				require.Len(t, ended, c.ends)
				require.Equal(t, c.ends, queued)
				last := ended[len(ended)-1]
				require.NotZero(t, last.Owner)
				require.NotZero(t, last.Task)
				last.Owner, last.Task = 0, 0
				require.Equal(t, c.want, last)
			})
		})
	}

	t.Run("the numbers are those of the tree", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			events := make(chan group.Event, 1)
			stop := group.Observe(&group.Observer{Started: func(e group.Event) { events <- e }})
			release := make(chan struct{})
			g := group.New(group.Options{Name: "numbers"})
			g.Go(func() { <-release })
			e := <-events
			synctest.Wait()
			o := owner(t, "numbers")
			require.Equal(t, e.Owner, o.ID)
			require.Equal(t, e.Task, o.Tasks[0].ID)
			close(release)
			g.Wait()
			stop()
			require.Equal(t, tree.Open, owner(t, "numbers").State)
		})
	})
}
