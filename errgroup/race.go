package errgroup

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
)

// RaceOptions are the settings of a [Race].
type RaceOptions[T any] struct {
	// Stagger is how long a function has the field to itself: the next one
	// starts when that has passed, or when the one before has failed, whichever
	// is first. 0 starts all at once.
	Stagger time.Duration
	// Discard, if not nil, is called once with each success that Race does not
	// return, before Race returns: say, to close a connection. It is called in
	// the goroutine of the function that lost, by several at once if several
	// did, and its panics are those of that function.
	Discard func(T)
}

var errEmptyRace = errors.New("errgroup: race of no functions")

// Race runs fs, each as a task, and returns the result of the first that succeeds.
// The context of the others is cancelled then, and Race returns when they have
// ended; their errors do not matter, and neither do those of the functions that
// failed before. If all fail, Race returns all their errors, combined in the order
// of fs. A Race of nothing returns an error.
//
// When ctx is done no further function is started; Race returns the reason among
// the errors, unless one succeeds all the same.
//
// A panic or a Goexit of one, also of one that has lost, cancels the others, and
// Race raises it when they have ended.
//
// The functions' context is done when Race returns, so a result must not depend on
// it, as the body of an http.Response does.
func Race[T any](ctx context.Context, opts RaceOptions[T], fs ...func(ctx context.Context) (T, error)) (T, error) {
	if opts.Stagger < 0 {
		panic(fmt.Sprintf("errgroup: negative stagger, got %v", opts.Stagger))
	}
	checkFuncs(fs)
	g, ctx := newDecider(ctx)
	var winner T
	var won atomic.Bool
	ended := false
	defer func() {
		if ended {
			return
		}
		// Race raises something, and nobody gets the winner.
		v := recover()
		if won.Load() && opts.Discard != nil {
			core.Call(func() { opts.Discard(winner) }, g.scheduler.Fail)
		}
		g.scheduler.Seal(v)
	}()
	// Asking for the channel later would, in the eyes of the race detector,
	// order the function to come after those that had asked before.
	done := ctx.Done()
	var failed chan struct{} // closed when the function that was started last has failed
	for i, f := range fs {
		if i > 0 && opts.Stagger > 0 {
			pause(opts.Stagger, failed, done)
		}
		if ctx.Err() != nil {
			g.fail(g.number(), nil, context.Cause(ctx))
			break
		}
		hasFailed := make(chan struct{})
		failed = hasFailed
		g.Go(func() error {
			value, err := f(ctx)
			switch {
			case err != nil:
				close(hasFailed)
				return err
			case won.CompareAndSwap(false, true):
				winner = value
				g.stop(nil)
			case opts.Discard != nil:
				opts.Discard(value)
			}
			return nil
		})
	}
	err := g.Wait()
	ended = true
	var zero T
	switch {
	case won.Load():
		return winner, nil
	case err == nil:
		return zero, errEmptyRace
	}
	return zero, err
}

// newDecider returns a group that keeps all errors, and cancels its context when
// told to. The reports of that are not worth telling, however they are wrapped.
func newDecider(ctx context.Context) (*Group, context.Context) {
	g, ctx := New(ctx, Options{Collect: true})
	g.settings.lenient = true
	return g, ctx
}

// pause returns when d has passed, or either channel is closed.
func pause(d time.Duration, failed, done <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-failed:
	case <-done:
	}
}
