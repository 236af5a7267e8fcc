package errgroup

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
)

// This file holds the code that Race and Quorum share. Functions run until there is an answer. The
// answer does not change: functions that end later have lost. Each success is returned or
// discarded.

// A contest is a Race or a Quorum.
type contest[T any] struct {
	group  *Group
	ctx    context.Context // of group
	opts   RaceOptions[T]
	need   int      // how many successes make an answer
	strict bool     // only a failure of the function that was started last starts the next one early
	failed chan int // gets the index of each function that fails; a send never blocks; nil without a Stagger

	mu       sync.Mutex  // guards what follows; nothing blocks while it is held
	results  []T         // in the order in which they came, at most need
	mayFail  int         // how many more functions may fail
	final    error       // the permanent error that is the answer
	answered atomic.Bool // written under mu
}

func newContest[T any](ctx context.Context, need int, opts RaceOptions[T], fs []func(ctx context.Context) (T, error)) *contest[T] {
	if opts.Stagger < 0 {
		panic(fmt.Sprintf("errgroup: negative stagger, got %v", opts.Stagger))
	}
	checkFuncs(fs)
	checkContext(ctx)
	return &contest[T]{ctx: ctx, opts: opts, need: need, mayFail: len(fs) - need}
}

// run runs the functions. It returns need results, or an error, when every function that was
// started has ended.
func (c *contest[T]) run(fs []func(ctx context.Context) (T, error)) ([]T, error) {
	// With Collect an error does not cancel the group's context: end does. With lenient an error
	// that wraps the context's Err is a cancellation report.
	c.group, c.ctx = New(c.ctx, Options{Collect: true})
	c.group.settings.lenient = true
	succeeded := false
	defer func() {
		if succeeded {
			return
		}
		v := recover()                        // Wait may have raised a panic or a Goexit
		defer c.group.scheduler.CloseScope(v) // raises the panics and Goexits of Discard too
		c.discardResults()
	}()
	c.start(fs)
	err := c.group.Wait()
	if succeeded = len(c.results) == c.need; succeeded {
		return c.results, nil
	}
	if c.final != nil {
		err = c.final
	}
	return nil, err
}

// start starts the functions, all at once or staggered.
func (c *contest[T]) start(fs []func(ctx context.Context) (T, error)) {
	// Done is called before any function runs. The race detector would see a later call order the
	// next function after the functions that have called Done.
	done := c.ctx.Done()
	if c.opts.Stagger > 0 {
		c.failed = make(chan int, len(fs))
	}
	for i, f := range fs {
		if i >= c.need && c.failed != nil {
			c.pause(i-1, done)
		}
		if c.ctx.Err() != nil {
			c.group.failNotStarted()
			return
		}
		t := &task{group: c.group, number: c.group.number()}
		t.f = func() error {
			value, err := f(c.ctx)
			c.end(t, i, value, err)
			return nil
		}
		c.group.scheduler.Go(nil, t)
	}
}

// pause blocks until it is time to start the function after last.
func (c *contest[T]) pause(last int, done <-chan struct{}) {
	timer := time.NewTimer(c.opts.Stagger)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-done:
			return
		case i := <-c.failed:
			if !c.strict || i == last {
				return
			}
		}
	}
}

// end records the result of function i, which has returned.
func (c *contest[T]) end(t *task, i int, value T, err error) {
	permanent := false
	if err != nil {
		t.fail(err) // before stop, so that it is not a cancellation report
		permanent = c.opts.Permanent != nil && !c.answered.Load() && c.opts.Permanent(err)
	}
	c.mu.Lock()
	late := c.answered.Load()
	switch {
	case late:
	case permanent:
		c.final = err
	case err != nil:
		c.mayFail--
	default:
		c.results = append(c.results, value)
	}
	c.answered.Store(c.final != nil || c.mayFail < 0 || len(c.results) == c.need)
	c.mu.Unlock()
	if !late && c.answered.Load() {
		c.group.stop(c.final)
	}
	if late && err == nil && c.opts.Discard != nil {
		c.opts.Discard(value)
	}
	if err != nil && c.failed != nil {
		c.failed <- i
	}
}

// discardResults calls Discard with the results after every function has ended. It continues if a
// Discard panics or calls Goexit; the group's Wait raises that.
func (c *contest[T]) discardResults() {
	if len(c.results) == 0 || c.opts.Discard == nil {
		return
	}
	value := c.results[0]
	c.results = c.results[1:]
	defer c.discardResults()
	core.Call(func() { c.opts.Discard(value) }, c.group.scheduler.Fail)
}
