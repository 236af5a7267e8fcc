package pool_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// An events is an observer of the tasks of a pool with the name seen.
type events struct {
	mu   sync.Mutex
	all  []event
	stop func()
}

type event struct {
	kind, task string // the task has the path task/seen
	group.Event
}

func (l *events) observe() (stop func()) {
	keep := func(kind string) func(group.Event) {
		return func(e group.Event) {
			if task, ok := strings.CutSuffix(e.Path, "/seen"); ok {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.all = append(l.all, event{kind, task, e})
			}
		}
	}
	return group.Observe(&group.Observer{Queued: keep("queued"), Started: keep("started"), Ended: keep("ended")})
}

// of returns the kinds of the events of a task, and its last event.
func (l *events) of(task string) (kinds []string, last group.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.all {
		if e.task == task {
			kinds, last = append(kinds, e.kind), e.Event
		}
	}
	return kinds, last
}

func TestKeyedObserved(t *testing.T) {
	ran, declined := []string{"queued", "started", "ended"}, []string{"queued", "ended"}
	bad := errors.New("bad")
	for name, c := range map[string]struct {
		run  func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(task string) context.Context)
		want []string
		last group.Event // of the task x, without numbers and path
	}{
		"a task that waits for its key is queued before": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				require.NoError(t, k.GoContext(as("a"), "key", func(context.Context) { time.Sleep(time.Second) }))
				require.NoError(t, k.GoContext(as("x"), "key", func(context.Context) { time.Sleep(time.Minute) }))
				kinds, _ := seen.of("x")
				require.Equal(t, []string{"queued"}, kinds)
			}, ran, group.Event{Waited: time.Second, Ran: time.Minute},
		},
		"a task that is replaced while it runs": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				require.NoError(t, k.GoContext(as("x"), "key", func(ctx context.Context) { <-ctx.Done(); time.Sleep(time.Second) }))
				synctest.Wait()
				require.NoError(t, k.Replace(as("a"), "key", func(context.Context) {}))
			}, ran, group.Event{Ran: time.Second, Cancelled: true},
		},
		"a task that panics when it is replaced": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				require.NoError(t, k.GoContext(as("x"), "key", func(ctx context.Context) { <-ctx.Done(); panic(bad) }))
				synctest.Wait()
				require.NoError(t, k.Replace(as("a"), "key", func(context.Context) {}))
				require.NotNil(t, caught(k.Wait))
				_, last := seen.of("x")
				require.Equal(t, bad, last.Panic.Value)
			}, ran, group.Event{Cancelled: true},
		},
		"a task that is replaced while it waits for its key": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				require.NoError(t, k.GoContext(as("a"), "key", func(context.Context) { time.Sleep(time.Second) }))
				require.NoError(t, k.GoContext(as("x"), "key", func(context.Context) {}))
				require.NoError(t, k.Replace(as("b"), "key", func(context.Context) {}))
			}, declined, group.Event{Err: pool.ErrReplaced, Cancelled: true},
		},
		"a task that is replaced in the queue, which gives its turn to the other": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				p.SetWorkers(0)
				require.NoError(t, k.GoContext(as("x"), "key", func(context.Context) {}))
				time.Sleep(time.Second)
				require.NoError(t, k.Replace(as("b"), "key", func(context.Context) {}))
				p.SetWorkers(1)
				k.Wait()
				kinds, _ := seen.of("b")
				require.Equal(t, ran, kinds)
			}, declined, group.Event{Err: pool.ErrReplaced, Cancelled: true, Waited: time.Second},
		},
		"a task that is replaced in the queue while another of its key runs": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				k = pool.NewKeyed[string](p, 2)
				require.NoError(t, k.GoContext(as("a"), "key", func(ctx context.Context) { <-ctx.Done() }))
				synctest.Wait()
				require.NoError(t, k.GoContext(as("x"), "key", func(context.Context) {}))
				require.NoError(t, k.Replace(as("b"), "key", func(context.Context) {}))
			}, declined, group.Event{Err: pool.ErrReplaced, Cancelled: true},
		},
		"one of several tasks in the queue that one replaces": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				k = pool.NewKeyed[string](p, 3)
				p.SetWorkers(0)
				for _, task := range []string{"a", "x", "b"} {
					require.NoError(t, k.GoContext(as(task), "key", func(context.Context) {}))
				}
				require.NoError(t, k.Replace(as("c"), "key", func(context.Context) {}))
				p.SetWorkers(1)
			}, declined, group.Event{Err: pool.ErrReplaced, Cancelled: true},
		},
		"a task whose submitter waits for a place in line when it is replaced": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				for range 4 {
					require.NoError(t, k.GoContext(as("a"), "key", func(ctx context.Context) { time.Sleep(time.Second) }))
				}
				go func() {
					assert.Equal(t, pool.ErrReplaced, k.GoContext(as("x"), "key", func(context.Context) {}))
				}()
				synctest.Wait()
				require.NoError(t, k.Replace(as("b"), "key", func(context.Context) {}))
			}, declined, group.Event{Err: pool.ErrReplaced, Cancelled: true},
		},
		"a Replace that is replaced": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				require.NoError(t, k.GoContext(as("a"), "key", func(ctx context.Context) { time.Sleep(time.Second) }))
				synctest.Wait()
				go func() {
					assert.Equal(t, pool.ErrReplaced, k.Replace(as("x"), "key", func(context.Context) {}))
				}()
				synctest.Wait()
				require.NoError(t, k.Replace(as("b"), "key", func(context.Context) {}))
			}, declined, group.Event{Err: pool.ErrReplaced, Cancelled: true},
		},
		"a task whose context is done when its turn comes": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				ctx, cancel := context.WithCancelCause(as("x"))
				require.NoError(t, k.GoContext(as("a"), "key", func(context.Context) { time.Sleep(time.Second) }))
				require.NoError(t, k.GoContext(ctx, "key", func(context.Context) {}))
				cancel(bad)
			}, declined, group.Event{Err: bad, Cancelled: true, Waited: time.Second},
		},
		"a task whose context is done at the call": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				ctx, cancel := context.WithCancelCause(as("x"))
				cancel(bad)
				require.Equal(t, bad, k.GoContext(ctx, "key", func(context.Context) {}))
			}, declined, group.Event{Err: bad, Cancelled: true},
		},
		"a task that waits for its key when Shutdown gives up": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				require.NoError(t, k.GoContext(as("a"), "key", func(context.Context) { time.Sleep(time.Minute) }))
				require.NoError(t, k.GoContext(as("x"), "key", func(context.Context) {}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.Error(t, p.Shutdown(ctx))
			}, declined, group.Event{Err: pool.ErrClosed, Cancelled: true, Waited: time.Second},
		},
		"a task in the queue when Shutdown gives up": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				require.NoError(t, k.GoContext(as("a"), "other", func(context.Context) { time.Sleep(time.Minute) }))
				synctest.Wait()
				require.NoError(t, k.GoContext(as("x"), "key", func(context.Context) {}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.Error(t, p.Shutdown(ctx))
			}, declined, group.Event{Err: pool.ErrClosed, Cancelled: true, Waited: time.Second},
		},
		"a task that was replaced in the queue when Shutdown gives up": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				k = pool.NewKeyed[string](p, 2)
				require.NoError(t, k.GoContext(as("a"), "key", func(ctx context.Context) { <-ctx.Done(); time.Sleep(time.Minute) }))
				synctest.Wait()
				require.NoError(t, k.GoContext(as("x"), "key", func(context.Context) {}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.Equal(t, context.DeadlineExceeded, k.Replace(ctx, "key", func(context.Context) {}))
				require.Error(t, p.Shutdown(ctx))
			}, declined, group.Event{Err: pool.ErrReplaced, Cancelled: true},
		},
		"a task for a pool that is closed": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				p.Close()
				require.Equal(t, pool.ErrClosed, k.GoContext(as("x"), "key", func(context.Context) {}))
			}, declined, group.Event{Err: pool.ErrClosed, Cancelled: true},
		},
		"a Replace in a pool that is closed": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				p.Close()
				require.Equal(t, pool.ErrClosed, k.Replace(as("x"), "key", func(context.Context) {}))
			}, declined, group.Event{Err: pool.ErrClosed, Cancelled: true},
		},
		"a task whose observer comes later": {
			func(t *testing.T, p *pool.Pool, k *pool.Keyed[string], seen *events, as func(string) context.Context) {
				seen.stop()
				require.NoError(t, k.GoContext(as("a"), "key", func(context.Context) { time.Sleep(time.Second) }))
				require.NoError(t, k.GoContext(as("x"), "key", func(context.Context) {}))
				seen.stop = seen.observe()
			}, nil, group.Event{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{Name: "seen", Queue: 3})
				var seen events
				seen.stop = seen.observe()
				defer func() { seen.stop() }()
				c.run(t, p, pool.NewKeyed[string](p, 1), &seen, func(task string) context.Context {
					ctx, _ := sched.WithName(t.Context(), task)
					return ctx
				})
				p.Close()
				kinds, last := seen.of("x")
				require.Equal(t, c.want, kinds)
				require.True(t, last.Err == c.last.Err)
				last.Owner, last.Task, last.Path, last.Panic = 0, 0, "", nil
				require.Equal(t, c.last, last)
				open := map[uint64]bool{}
				for _, e := range seen.all {
					require.Equal(t, e.kind == "queued", !open[e.Task], "%v", e)
					open[e.Task] = true
					if e.kind == "ended" {
						delete(open, e.Task)
					}
				}
				require.Empty(t, open)
			})
		})
	}
}
