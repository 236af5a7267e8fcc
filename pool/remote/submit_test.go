package remote_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool/remote"
)

func TestSubmit(t *testing.T) {
	t.Parallel()
	e := open(t)
	double := remote.NewTask("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil }, remote.TaskOptions{})
	serve(t, e, double, "w", 2)

	t.Run("returns the result of a worker", func(t *testing.T) {
		f, err := remote.Submit(t.Context(), e, double, 21)
		require.NoError(t, err)
		n, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 42, n)
		n, err = f.Get()
		require.NoError(t, err)
		require.Equal(t, 42, n)
	})

	t.Run("a worker on another engine serves it too", func(t *testing.T) {
		far := remote.NewTask("far", func(_ context.Context, s []string) (map[string]int, error) {
			return map[string]int{s[0]: len(s)}, nil
		}, remote.TaskOptions{})
		serve(t, join(t, share(t, e)), far, "far", 1)
		f, err := remote.Submit(t.Context(), e, far, []string{"a", "b"})
		require.NoError(t, err)
		m, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, map[string]int{"a": 2}, m)
	})

	t.Run("nil arguments and zero results are values like others", func(t *testing.T) {
		nothing := remote.NewTask("nothing", func(_ context.Context, p *int) ([]byte, error) {
			if p != nil {
				return nil, errors.New("not nil")
			}
			return nil, nil
		}, remote.TaskOptions{Attempts: 1})
		serve(t, e, nothing, "w", 1)
		f, err := remote.Submit(t.Context(), e, nothing, nil)
		require.NoError(t, err)
		b, err := f.Get()
		require.NoError(t, err)
		require.Nil(t, b)
	})

	t.Run("an argument that cannot be encoded is an error", func(t *testing.T) {
		number := remote.NewTask("number", func(_ context.Context, x float64) (int, error) { return 0, nil }, remote.TaskOptions{})
		_, err := remote.Submit(t.Context(), e, number, math.NaN())
		require.ErrorContains(t, err, "remote: submit number: encode the argument: json: unsupported value: NaN")
	})

	t.Run("an argument beyond the server's limit is an error, and one just below is not", func(t *testing.T) {
		length := remote.NewTask("length", func(_ context.Context, s string) (int, error) { return len(s), nil }, remote.TaskOptions{})
		serve(t, e, length, "w", 1)
		const most = 1<<20 - 32<<10 // of the server that is embedded
		_, err := remote.Submit(t.Context(), e, length, strings.Repeat("x", most-1))
		require.ErrorIs(t, err, remote.ErrTooLarge)
		require.EqualError(t, err, fmt.Sprintf("remote: submit length: argument of %d bytes: larger than the server takes, which is %d", most+1, most))
		f, err := remote.Submit(t.Context(), e, length, strings.Repeat("x", most-2))
		require.NoError(t, err)
		n, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, most-2, n)
	})

	t.Run("an empty key, or a very long one, is an error", func(t *testing.T) {
		_, err := remote.Submit(t.Context(), e, double, 1, remote.Key(strings.Repeat("k", 1025)))
		require.EqualError(t, err, "remote: submit double: key of 1025 bytes is longer than 1024")
		_, err = remote.Submit(t.Context(), e, double, 1, remote.Key(strings.Repeat("k", 1024)))
		require.NoError(t, err)

		_, err = remote.Submit(t.Context(), e, double, 1, remote.Key(""))
		require.EqualError(t, err, "remote: submit double: empty key")
	})

	t.Run("with a context that is done it returns the cause and submits nothing", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		cancel(why)
		_, err := remote.Submit(ctx, e, double, 1)
		require.Equal(t, why, err)
		_, err = remote.TrySubmit(ctx, e, double, 1)
		require.Equal(t, why, err)
	})

	t.Run("a codec of one's own is used for arguments and results", func(t *testing.T) {
		upper := remote.NewTask("upper", func(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil },
			remote.TaskOptions{Codec: plain{}})
		serve(t, e, upper, "w", 1)
		f, err := remote.Submit(t.Context(), e, upper, "a\nb")
		require.NoError(t, err)
		s, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, "A\nB", s)
	})

	t.Run("what is nil panics at the call", func(t *testing.T) {
		for text, call := range map[string]func(){
			"remote: nil context":           func() { remote.Submit(nil, e, double, 1) },
			"remote: nil engine":            func() { remote.Submit(t.Context(), nil, double, 1) },
			"remote: nil task":              func() { remote.Submit[int, int](t.Context(), e, nil, 1) },
			`remote: nil func for task "f"`: func() { remote.NewTask[int, int]("f", nil, remote.TaskOptions{}) },
			"remote: nil sequence":          func() { remote.Map(t.Context(), e, double, nil) },
			"remote: nil listener":          func() { e.Share(nil) },
			`remote: negative Workers of "w", got -1`: func() {
				remote.Serve(t.Context(), e, double, remote.Options{Name: "w", Workers: -1})
			},
		} {
			require.PanicsWithValue(t, text, call)
		}
	})

	t.Run("a task with a bad name or bad options panics", func(t *testing.T) {
		f := func(context.Context, int) (int, error) { return 0, nil }
		for text, call := range map[string]func(){
			`remote: a task's name is 1 to 128 letters, digits, - and _, got "a.b"`: func() { remote.NewTask("a.b", f, remote.TaskOptions{}) },
			`remote: a task's name is 1 to 128 letters, digits, - and _, got ""`:    func() { remote.NewTask("", f, remote.TaskOptions{}) },
			`remote: Lease of task "f" is less than a second, got 1ms`:              func() { remote.NewTask("f", f, remote.TaskOptions{Lease: time.Millisecond}) },
			`remote: negative Attempts of task "f", got -1`:                         func() { remote.NewTask("f", f, remote.TaskOptions{Attempts: -1}) },
			`remote: negative Queue of task "f", got -1`:                            func() { remote.NewTask("f", f, remote.TaskOptions{Queue: -1}) },
			`remote: negative Keep of task "f", got -1s`:                            func() { remote.NewTask("f", f, remote.TaskOptions{Keep: -time.Second}) },
		} {
			require.PanicsWithValue(t, text, call)
		}
	})
}

// plain is a Codec for strings that are sent as they are.
type plain struct{}

func (plain) Encode(v any) ([]byte, error) { return []byte(v.(string)), nil }

func (plain) Decode(data []byte, v any) error {
	*v.(*string) = string(data)
	return nil
}

func TestQueue(t *testing.T) {
	t.Parallel()
	g := newGate()
	narrow := remote.NewTask("narrow", g.run, remote.TaskOptions{Queue: 2})

	t.Run("holds as many tasks as may wait, not counting those that run; removal makes room at once", func(t *testing.T) {
		e := open(t)
		js := inspect(t, e)
		w := serve(t, e, narrow, "w", 1)
		_, err := remote.Submit(t.Context(), e, narrow, 1)
		require.NoError(t, err)
		get(t, g.begun)
		_, err = remote.TrySubmit(t.Context(), e, narrow, 2)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		third, err := remote.TrySubmit(ctx, e, narrow, 3)
		require.NoError(t, err)
		_, err = remote.TrySubmit(t.Context(), e, narrow, 4)
		require.Equal(t, remote.ErrFull, err)
		_, err = remote.TrySubmit(t.Context(), e, narrow, 4, remote.Detach(), remote.Key("four"))
		require.Equal(t, remote.ErrFull, err)
		require.Equal(t, 2, messages(t, js, "coterie_room_narrow"))
		require.Equal(t, 3, messages(t, js, "coterie_queue_narrow"))
		require.Equal(t, 3, messages(t, js, "KV_coterie_tasks"), "what was refused leaves nothing")

		cancel()
		_, err = third.Get()
		require.Equal(t, context.Canceled, err)
		fourth, err := remote.TrySubmit(t.Context(), e, narrow, 4)
		require.NoError(t, err)

		g.release()
		n, err := fourth.Get()
		require.NoError(t, err)
		require.Equal(t, 8, n)
		require.NoError(t, w.Shutdown(t.Context()))
		require.Zero(t, messages(t, js, "coterie_room_narrow"))
		require.Zero(t, messages(t, js, "coterie_queue_narrow"))
		close(g.begun)
		for n := range g.begun {
			require.NotEqual(t, 3, n, "the removed one never ran")
		}
	})

	t.Run("Submit waits for room until its context is done, or there is some", func(t *testing.T) {
		e := open(t)
		js := inspect(t, e)
		first, cancelFirst := context.WithCancel(t.Context())
		for range 2 {
			_, err := remote.Submit(first, e, narrow, 1)
			require.NoError(t, err)
		}
		why := errors.New("why")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, why)
		defer cancel()
		_, err := remote.Submit(ctx, e, narrow, 1)
		require.Equal(t, why, err)
		require.Equal(t, 2, messages(t, js, "KV_coterie_tasks"), "what gave up leaves nothing")

		waiting := make(chan error)
		go func() {
			_, err := remote.Submit(t.Context(), e, narrow, 1)
			waiting <- err
		}()
		select {
		case err := <-waiting:
			require.Fail(t, "did not wait", err)
		case <-time.After(200 * time.Millisecond):
		}
		cancelFirst()
		require.NoError(t, get(t, waiting))
	})

	t.Run("never holds more, with many submitters on several engines", func(t *testing.T) {
		e := open(t)
		url := share(t, e)
		var in, full atomic.Int32
		done := make(chan bool)
		engines := []*remote.Engine{e, join(t, url), join(t, url)}
		for i := range 30 {
			go func() {
				_, err := remote.TrySubmit(t.Context(), engines[i%3], narrow, i)
				switch err {
				case nil:
					in.Add(1)
				case remote.ErrFull:
					full.Add(1)
				}
				done <- true
			}()
		}
		for range 30 {
			<-done
		}
		require.EqualValues(t, 2, in.Load())
		require.EqualValues(t, 28, full.Load())
	})
}

func TestOwner(t *testing.T) {
	t.Parallel()
	e := open(t)
	js := inspect(t, e)
	url := share(t, e)

	t.Run("when the context of Submit ends a task that runs has its context cancelled, because its worker is told", func(t *testing.T) {
		g := newGate()
		task := remote.NewTask("cancelled", g.run, remote.TaskOptions{Lease: time.Hour})
		serve(t, join(t, url), task, "far", 1)
		ctx, cancel := context.WithCancel(t.Context())
		f, err := remote.Submit(ctx, e, task, 1)
		require.NoError(t, err)
		get(t, g.begun)
		cancelled := time.Now()
		cancel()
		_, err = f.Get()
		require.Equal(t, context.Canceled, err)
		require.Equal(t, remote.ErrAbandoned, get(t, g.ended))
		require.Less(t, time.Since(cancelled), 2*time.Second)
		eventually(t, func() bool { return messages(t, js, "coterie_queue_cancelled") == 0 }, "nothing is left")
	})

	t.Run("a detached task runs on, and its result is found by its key", func(t *testing.T) {
		g := newGate()
		task := remote.NewTask("detached", g.run, remote.TaskOptions{})
		serve(t, e, task, "w", 1)
		ctx, cancel := context.WithCancel(t.Context())
		f, err := remote.Submit(ctx, e, task, 4, remote.Key("four"), remote.Detach())
		require.NoError(t, err)
		get(t, g.begun)
		cancel()
		_, err = f.Get()
		require.Equal(t, context.Canceled, err)
		g.release()
		again := join(t, url)
		f, err = remote.Submit(t.Context(), again, task, 4, remote.Key("four"))
		require.NoError(t, err)
		n, err := f.GetContext(within(t, 10*time.Second))
		require.NoError(t, err)
		require.Equal(t, 8, n)
		// Once more, when it is over.
		f, err = remote.Submit(t.Context(), again, task, 4, remote.Key("four"))
		require.NoError(t, err)
		n, err = f.GetContext(within(t, 10*time.Second))
		require.NoError(t, err)
		require.Equal(t, 8, n)
		require.Empty(t, g.begun, "one execution")
	})
}

func TestKey(t *testing.T) {
	t.Parallel()
	e := open(t)
	js := inspect(t, e)
	other := join(t, share(t, e))

	t.Run("submitted twice is executed once, and both get the result", func(t *testing.T) {
		var runs atomic.Int32
		task := remote.NewTask("once", func(_ context.Context, n int) (int, error) {
			runs.Add(1)
			return 2 * n, nil
		}, remote.TaskOptions{})
		var futures []interface{ Get() (int, error) }
		for i := range 40 {
			f, err := remote.Submit(t.Context(), []*remote.Engine{e, other}[i%2], task, 5, remote.Key("five"))
			require.NoError(t, err)
			futures = append(futures, f)
		}
		serve(t, other, task, "w", 4)
		for _, f := range futures {
			n, err := f.Get()
			require.NoError(t, err)
			require.Equal(t, 10, n)
		}
		require.EqualValues(t, 1, runs.Load())
		require.Zero(t, messages(t, js, "coterie_room_once"))
	})

	t.Run("submitted by many at once is executed once", func(t *testing.T) {
		var runs atomic.Int32
		task := remote.NewTask("atonce", func(_ context.Context, n int) (int, error) {
			runs.Add(1)
			return 2 * n, nil
		}, remote.TaskOptions{Queue: 3})
		serve(t, other, task, "w", 4)
		for round := range 20 {
			errs := make(chan error)
			for i := range 10 {
				go func() {
					f, err := remote.Submit(t.Context(), []*remote.Engine{e, other}[i%2], task, round, remote.Key(fmt.Sprint(round)))
					if err == nil {
						_, err = f.Get()
					}
					errs <- err
				}()
			}
			for range 10 {
				require.NoError(t, get(t, errs))
			}
			require.EqualValues(t, round+1, runs.Load())
		}
		eventually(t, func() bool {
			return messages(t, js, "coterie_room_atonce") == 0 && messages(t, js, "coterie_queue_atonce") == 0
		}, "nothing is left")
	})

	t.Run("the last of several submitters to give up ends the task", func(t *testing.T) {
		g := newGate()
		task := remote.NewTask("last", g.run, remote.TaskOptions{Lease: time.Hour})
		serve(t, e, task, "w", 1)
		first, cancelFirst := context.WithCancel(t.Context())
		second, cancelSecond := context.WithCancel(t.Context())
		a, err := remote.Submit(first, e, task, 1, remote.Key("k"))
		require.NoError(t, err)
		b, err := remote.Submit(second, other, task, 1, remote.Key("k"))
		require.NoError(t, err)
		get(t, g.begun)
		cancelFirst()
		_, err = a.Get()
		require.Equal(t, context.Canceled, err)
		select {
		case <-g.ended:
			require.Fail(t, "ended by the first")
		case <-time.After(300 * time.Millisecond):
		}
		cancelSecond()
		_, err = b.Get()
		require.Equal(t, context.Canceled, err)
		require.Equal(t, remote.ErrAbandoned, get(t, g.ended))

		// A further submission begins anew.
		g.release()
		f, err := remote.Submit(t.Context(), e, task, 1, remote.Key("k"))
		require.NoError(t, err)
		n, err := f.GetContext(within(t, 10*time.Second))
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})

	t.Run("after Keep a key is executed again", func(t *testing.T) {
		var runs atomic.Int32
		task := remote.NewTask("forgotten", func(_ context.Context, n int) (int, error) {
			return int(runs.Add(1)), nil
		}, remote.TaskOptions{Lease: time.Second, Keep: time.Second})
		serve(t, e, task, "w", 1)
		f, err := remote.Submit(t.Context(), e, task, 1, remote.Key("k"))
		require.NoError(t, err)
		n, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 1, n)
		eventually(t, func() bool {
			f, err := remote.Submit(t.Context(), e, task, 1, remote.Key("k"))
			require.NoError(t, err)
			n, err := f.Get()
			require.NoError(t, err)
			return n == 2
		}, "again")
	})
}

func TestMap(t *testing.T) {
	t.Parallel()
	e := open(t)
	task := remote.NewTask("map", func(ctx context.Context, n int) (int, error) {
		if n == 70 {
			return 0, remote.Permanent(errors.New("seventy"))
		}
		return 2 * n, nil
	}, remote.TaskOptions{Queue: 50})
	serve(t, e, task, "w", 8)

	t.Run("yields results in the order of its input", func(t *testing.T) {
		next := 0
		for n, err := range remote.Map(t.Context(), e, task, slices.Values(ints(300)[100:])) {
			require.NoError(t, err)
			require.Equal(t, 200+2*next, n)
			next++
		}
		require.Equal(t, 200, next)
	})

	t.Run("of nothing is empty", func(t *testing.T) {
		for range remote.Map(t.Context(), e, task, slices.Values[[]int](nil)) {
			require.Fail(t, "something")
		}
	})

	t.Run("an error comes in its place and ends the sequence", func(t *testing.T) {
		next, failed := 0, error(nil)
		for n, err := range remote.Map(t.Context(), e, task, slices.Values(ints(400))) {
			if err != nil {
				failed = err
				continue
			}
			require.Nil(t, failed)
			require.Equal(t, 2*next, n)
			next++
		}
		require.Equal(t, 70, next)
		require.EqualError(t, failed, "remote: task map failed in attempt 1: seventy")
	})

	t.Run("a break cancels what runs, removes what waits, and joins", func(t *testing.T) {
		g := newGate()
		slow := remote.NewTask("slow", func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				return 0, nil
			}
			return g.run(ctx, n)
		}, remote.TaskOptions{})
		js := inspect(t, e)
		w := serve(t, e, slow, "w", 100)
		for _, err := range remote.Map(t.Context(), e, slow, slices.Values(ints(100))) {
			require.NoError(t, err)
			for range 99 {
				get(t, g.begun)
			}
			break
		}
		require.Zero(t, messages(t, js, "coterie_queue_slow"))
		require.Zero(t, messages(t, js, "coterie_room_slow"))
		for range 99 {
			require.Equal(t, remote.ErrAbandoned, get(t, g.ended))
		}
		require.NoError(t, w.Shutdown(within(t, 10*time.Second)))
	})

	t.Run("when its context ends it yields the cause", func(t *testing.T) {
		g := newGate()
		slow := remote.NewTask("endless", g.run, remote.TaskOptions{})
		serve(t, e, slow, "w", 1)
		why := errors.New("why")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, why)
		defer cancel()
		var errs []error
		for _, err := range remote.Map(ctx, e, slow, slices.Values(ints(10))) {
			errs = append(errs, err)
		}
		require.Equal(t, []error{why}, errs)
	})
}
