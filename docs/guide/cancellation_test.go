package guide_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
)

// snippet: a result after the timeout
func ask(query func() string, patience time.Duration) (string, error) {
	answer := make(chan string)
	go func() { answer <- query() }()
	select {
	case s := <-answer:
		return s, nil
	case <-time.After(patience):
		return "", errors.New("no answer in time")
	}
}

func TestBugLateResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := ask(func() string {
			time.Sleep(time.Minute)
			return "42"
		}, time.Second)
		t.Log(err)
		time.Sleep(time.Hour) // the rest of the program
	})
}

// end snippet

// snippet: a query that can be cancelled
func query(ctx context.Context) (string, error) {
	select {
	case <-time.After(time.Minute):
		return "42", nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

var errLate = errors.New("no answer in time")

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLate)
		defer cancel()
		_, err := errgroup.Gather(ctx, query)
		require.Equal(t, errLate, err)
		require.Equal(t, time.Second, time.Since(started))
	})
}

// end snippet

func TestWaitingForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// snippet: waiting for room
		g := group.New(group.Options{Limit: 1})
		g.Go(func() { time.Sleep(time.Minute) })

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLate)
		defer cancel()
		err := g.GoContext(ctx, func(context.Context) { t.Error("not reached") })
		require.Equal(t, errLate, err) // after a second
		g.Wait()                       // after a minute
		// end snippet
	})
}

func TestWaitContextGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLate)
		defer cancel()
		// snippet: giving up a wait
		var g group.Group
		g.Go(func() { time.Sleep(time.Minute) })
		err := g.WaitContext(ctx) // gives up after a second, starts no goroutine
		require.ErrorIs(t, err, errLate)
		require.NoError(t, g.WaitContext(t.Context())) // after a minute
		// end snippet
	})
}

func TestSemaphoreGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLate)
		defer cancel()
		// snippet: giving up an acquire
		memory := core.NewSemaphore(100)
		require.NoError(t, memory.Acquire(ctx, 80))
		require.Equal(t, errLate, memory.Acquire(ctx, 40)) // takes nothing
		memory.Release(80)
		// end snippet
		require.Zero(t, memory.InUse())
	})
}
