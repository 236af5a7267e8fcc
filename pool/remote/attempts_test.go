package remote_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool/remote"
)

// letters returns the dead letters of a task.
func letters[In, Out any](t *testing.T, e *remote.Engine, task *remote.Task[In, Out]) (all []*remote.DeadError) {
	for d, err := range remote.Dead(t.Context(), e, task) {
		require.NoError(t, err)
		all = append(all, d)
	}
	return all
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	e := open(t)
	js := inspect(t, e)

	t.Run("a task that fails is begun again after Backoff, with its key, a larger fence and one attempt more", func(t *testing.T) {
		type seen struct {
			key     string
			fence   uint64
			attempt int
			at      time.Time
		}
		attempts := make(chan seen, 10)
		var asked []int
		task := remote.NewTask("third", func(ctx context.Context, n int) (int, error) {
			attempts <- seen{remote.KeyOf(ctx), remote.FenceOf(ctx), remote.Attempt(ctx), time.Now()}
			if remote.Attempt(ctx) < 3 {
				return 0, errors.New("not yet")
			}
			return n, nil
		}, remote.TaskOptions{Backoff: func(attempt int) time.Duration {
			asked = append(asked, attempt)
			return 200 * time.Millisecond
		}})
		serve(t, e, task, "w", 1)
		f, err := remote.Submit(t.Context(), e, task, 3, remote.Key("k"))
		require.NoError(t, err)
		n, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 3, n)
		require.Equal(t, []int{1, 2}, asked)
		last := seen{}
		for i := 1; i <= 3; i++ {
			s := <-attempts
			require.Equal(t, "k", s.key)
			require.Equal(t, i, s.attempt)
			require.Greater(t, s.fence, last.fence)
			require.GreaterOrEqual(t, s.at.Sub(last.at), 190*time.Millisecond)
			last = s
		}
		require.Empty(t, letters(t, e, task))
	})

	t.Run("outside of a task there is no key, no fence and no attempt", func(t *testing.T) {
		require.Empty(t, remote.KeyOf(t.Context()))
		require.Zero(t, remote.FenceOf(t.Context()))
		require.Zero(t, remote.Attempt(t.Context()))
	})

	t.Run("without a key each submission has a name of its own", func(t *testing.T) {
		task := remote.NewTask("named", func(ctx context.Context, _ int) (string, error) { return remote.KeyOf(ctx), nil }, remote.TaskOptions{})
		serve(t, e, task, "w", 1)
		names := make(map[string]bool)
		for range 5 {
			f, err := remote.Submit(t.Context(), e, task, 1)
			require.NoError(t, err)
			name, err := f.Get()
			require.NoError(t, err)
			require.NotEmpty(t, name)
			names[name] = true
		}
		require.Len(t, names, 5)
	})

	t.Run("after Attempts it is a dead letter with its input, its error and its workers", func(t *testing.T) {
		task := remote.NewTask("fails", func(ctx context.Context, _ string) (int, error) {
			return 0, fmt.Errorf("no %d", remote.Attempt(ctx))
		}, remote.TaskOptions{Attempts: 3, Backoff: soon})
		serve(t, e, task, "host-7", 1)
		f, err := remote.Submit(t.Context(), e, task, "input", remote.Key("k"))
		require.NoError(t, err)
		_, err = f.Get()
		var d *remote.DeadError
		require.ErrorAs(t, err, &d)
		require.EqualError(t, err, "remote: task fails failed in attempt 3: no 3")
		require.EqualError(t, d.Err, "no 3")
		require.Equal(t, `"input"`, string(d.Input))
		require.Equal(t, []string{"host-7", "host-7", "host-7"}, d.Workers)
		require.Equal(t, 3, d.Attempts)
		require.Equal(t, "fails", d.Task)
		require.Equal(t, "k", d.Key)
		all := letters(t, e, task)
		require.Len(t, all, 1)
		require.Equal(t, d, all[0])

		// Within the window a Submit with the key gets the same.
		f, err = remote.Submit(t.Context(), e, task, "input", remote.Key("k"))
		require.NoError(t, err)
		_, err = f.Get()
		require.Equal(t, d, err)
	})

	t.Run("a permanent error is a dead letter at once", func(t *testing.T) {
		require.NoError(t, remote.Permanent(nil))
		cause := errors.New("cause")
		require.ErrorIs(t, remote.Permanent(cause), cause)
		task := remote.NewTask("permanent", func(ctx context.Context, _ int) (int, error) {
			return 0, fmt.Errorf("wrapped: %w", remote.Permanent(cause))
		}, remote.TaskOptions{})
		serve(t, e, task, "w", 1)
		f, err := remote.Submit(t.Context(), e, task, 1)
		require.NoError(t, err)
		_, err = f.Get()
		require.EqualError(t, err, "remote: task permanent failed in attempt 1: wrapped: cause")
		require.Len(t, letters(t, e, task), 1)
	})

	t.Run("a panic and a Goexit are errors of the attempt, with the stack", func(t *testing.T) {
		task := remote.NewTask("abrupt", func(ctx context.Context, panics bool) (int, error) {
			if panics {
				panic("boom")
			}
			runtime.Goexit()
			return 0, nil
		}, remote.TaskOptions{Attempts: 2, Backoff: soon})
		w := serve(t, e, task, "w", 1)
		for panics, text := range map[bool]string{
			true:  "remote: task abrupt failed in attempt 2: panic: boom",
			false: "remote: task abrupt failed in attempt 2: the task called runtime.Goexit",
		} {
			f, err := remote.Submit(t.Context(), e, task, panics)
			require.NoError(t, err)
			_, err = f.Get()
			require.EqualError(t, err, text)
			require.Equal(t, text, fmt.Sprintf("%v", err))
			require.True(t, strings.HasPrefix(fmt.Sprintf("%+v", err), text+"\n\ngoroutine "), "%+v", err)
			require.Contains(t, fmt.Sprintf("%+v", err), "attempts_test.go:")
		}
		require.EqualValues(t, 4, w.Stats().Completed)
	})

	t.Run("Requeue gives all attempts again, and removes the letter", func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		attempts := make(chan int, 10)
		task := remote.NewTask("mended", func(ctx context.Context, n int) (int, error) {
			attempts <- remote.Attempt(ctx)
			if broken.Load() {
				return 0, errors.New("broken")
			}
			return 2 * n, nil
		}, remote.TaskOptions{Attempts: 2, Backoff: soon})
		serve(t, e, task, "w", 1)
		f, err := remote.Submit(t.Context(), e, task, 4, remote.Key("k"))
		require.NoError(t, err)
		_, err = f.Get()
		require.Error(t, err)

		for d, err := range remote.Dead(t.Context(), e, task) {
			require.NoError(t, err)
			require.NoError(t, remote.Requeue(t.Context(), e, d.ID))
			err = remote.Requeue(t.Context(), e, d.ID)
			require.ErrorIs(t, err, remote.ErrNoLetter)
			require.EqualError(t, err, fmt.Sprintf("remote: requeue %q: no such dead letter", d.ID))
			break
		}
		eventually(t, func() bool { return len(letters(t, e, task)) == 1 }, "dead again")
		require.Equal(t, []int{1, 2, 1, 2}, []int{<-attempts, <-attempts, <-attempts, <-attempts})

		broken.Store(false)
		require.NoError(t, remote.Requeue(t.Context(), e, letters(t, e, task)[0].ID))
		f, err = remote.Submit(t.Context(), e, task, 4, remote.Key("k"))
		require.NoError(t, err)
		n, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 8, n)
		require.Empty(t, letters(t, e, task))
	})

	t.Run("Requeue of what is no letter is an error", func(t *testing.T) {
		for _, id := range []string{"none", "", "*", "a.b", ">"} {
			require.ErrorIs(t, remote.Requeue(t.Context(), e, id), remote.ErrNoLetter)
		}
	})

	t.Run("an argument that does not decode is a dead letter at once", func(t *testing.T) {
		as := func(name string) *remote.Task[string, int] {
			return remote.NewTask(name, func(context.Context, string) (int, error) { return 0, nil }, remote.TaskOptions{})
		}
		wrong := remote.NewTask("decodes", func(context.Context, int) (int, error) { return 0, nil }, remote.TaskOptions{})
		serve(t, e, wrong, "w", 1)
		f, err := remote.Submit(t.Context(), e, as("decodes"), "text")
		require.NoError(t, err)
		_, err = f.Get()
		require.EqualError(t, err, "remote: task decodes failed in attempt 1: decode the argument as int: "+
			"json: cannot unmarshal string into Go value of type int")
	})

	t.Run("a result that does not encode, or is too large, is a dead letter at once", func(t *testing.T) {
		task := remote.NewTask("results", func(_ context.Context, large bool) (any, error) {
			if large {
				return strings.Repeat("x", 1<<20), nil
			}
			return func() {}, nil
		}, remote.TaskOptions{})
		serve(t, e, task, "w", 1)
		f, err := remote.Submit(t.Context(), e, task, false)
		require.NoError(t, err)
		_, err = f.Get()
		require.EqualError(t, err, "remote: task results failed in attempt 1: encode the result: json: unsupported type: func()")
		f, err = remote.Submit(t.Context(), e, task, true)
		require.NoError(t, err)
		_, err = f.Get()
		require.EqualError(t, err, "remote: task results failed in attempt 1: result of 1048578 bytes: larger than the server takes, which is 1015808")
	})

	t.Run("a message for an unknown task is a dead letter at once, and never goes round", func(t *testing.T) {
		task := remote.NewTask("known", func(_ context.Context, n int) (int, error) { return n, nil }, remote.TaskOptions{})
		serve(t, e, task, "w", 1)
		_, err := js.PublishMsg(t.Context(), &nats.Msg{
			Subject: "coterie.queue.known.abc", Data: []byte("1"), Header: nats.Header{"Coterie-Task": {"other"}},
		})
		require.NoError(t, err)
		eventually(t, func() bool { return len(letters(t, e, task)) == 1 }, "dead")
		d := letters(t, e, task)[0]
		require.EqualError(t, d.Err, `unknown task "other": this queue is for known`)
		require.Equal(t, "1", string(d.Input))
		require.Zero(t, d.Attempts)
		eventually(t, func() bool { return messages(t, js, "coterie_queue_known") == 0 }, "gone")
		require.ErrorContains(t, remote.Requeue(t.Context(), e, d.ID), "it was not put into the queue by Submit")
	})

	t.Run("what is done leaves nothing in the queue, and its record for as long as Keep", func(t *testing.T) {
		task := remote.NewTask("clean", func(_ context.Context, n int) (int, error) { return n, nil }, remote.TaskOptions{})
		serve(t, e, task, "w", 4)
		for _, err := range remote.Map(t.Context(), e, task, func(yield func(int) bool) {
			for i := range 100 {
				if !yield(i) {
					return
				}
			}
		}) {
			require.NoError(t, err)
		}
		eventually(t, func() bool { return messages(t, js, "coterie_queue_clean") == 0 }, "queue")
		require.Zero(t, messages(t, js, "coterie_room_clean"))
	})
}

func TestLease(t *testing.T) {
	t.Parallel()
	t.Run("a live worker keeps its task for much longer than the lease", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		var runs atomic.Int32
		task := remote.NewTask("long", func(ctx context.Context, _ int) (int, error) {
			runs.Add(1)
			select {
			case <-time.After(3500 * time.Millisecond):
				return 1, nil
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}, remote.TaskOptions{Lease: time.Second})
		serve(t, e, task, "a", 1)
		serve(t, join(t, share(t, e)), task, "b", 1)
		f, err := remote.Submit(t.Context(), e, task, 1)
		require.NoError(t, err)
		n, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.EqualValues(t, 1, runs.Load())
	})

	t.Run("a result is refused when another delivery has claimed the task, also if the worker does not know", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		js := inspect(t, e)
		g := newGate()
		task := remote.NewTask("refused", g.run, remote.TaskOptions{Lease: time.Hour})
		w := serve(t, e, task, "w", 1)
		_, err := remote.Submit(t.Context(), e, task, 1, remote.Key("k"))
		require.NoError(t, err)
		get(t, g.begun)
		records, err := js.Stream(t.Context(), "KV_coterie_tasks")
		require.NoError(t, err)
		record, err := records.GetLastMsgForSubject(t.Context(), "$KV.coterie_tasks.refused.>")
		require.NoError(t, err)
		claimed := strings.Replace(string(record.Data), `"count":1`, `"count":2`, 1) // as another worker would
		require.NotEqual(t, string(record.Data), claimed)
		_, err = js.Publish(t.Context(), record.Subject, []byte(claimed))
		require.NoError(t, err)
		g.release()
		eventually(t, func() bool { return w.Stats().Completed == 1 }, "returned")
		require.NoError(t, w.Shutdown(t.Context()))
		record, err = records.GetLastMsgForSubject(t.Context(), record.Subject)
		require.NoError(t, err)
		require.Equal(t, claimed, string(record.Data))
	})

	t.Run("as many tasks are fetched as there are free workers", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		g := newGate()
		task := remote.NewTask("exact", g.run, remote.TaskOptions{})
		w := serve(t, e, task, "w", 3)
		for i := range 20 {
			_, err := remote.Submit(t.Context(), e, task, i)
			require.NoError(t, err)
		}
		for range 3 {
			get(t, g.begun)
		}
		js := inspect(t, e)
		c, err := js.Consumer(t.Context(), "coterie_queue_exact", "workers")
		require.NoError(t, err)
		eventually(t, func() bool {
			info, err := c.Info(t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, info.NumAckPending, 3)
			require.Zero(t, info.NumWaiting, "a request while no worker is free")
			return info.NumAckPending == 3 && info.NumPending == 17
		}, "three are fetched")
		require.Equal(t, -1, c.CachedInfo().Config.MaxDeliver)
		require.Equal(t, 3, w.Stats().Busy)
		g.release()
		eventually(t, func() bool { return w.Stats().Completed == 20 }, "all run")
	})
}
