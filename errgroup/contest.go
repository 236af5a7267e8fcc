package errgroup

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
)

// This file holds what Race and Quorum have in common. Functions run until there is an
// answer. The answer does not change: what ends later has lost. Each success is
// returned or discarded.

// A contest is a Race or a Quorum.
type contest[T any] struct {
	group  *Group
	ctx    context.Context // of the group
	opts   RaceOptions[T]
	need   int      // successes
	strict bool     // only the failure of the function that was started last starts the next early
	failed chan int // gets the index of each function that fails; never blocks; nil without a Stagger

	mu       sync.Mutex // guards what follows; nothing blocks while it is held
	results  []T        // in the order in which they came, at most need
	mayFail  int        // how many more functions may fail
	final    error      // the error that is the answer
	answered bool
}

// newContest checks the arguments.
func newContest[T any](ctx context.Context, need int, opts RaceOptions[T], fs []func(ctx context.Context) (T, error)) *contest[T] {
	if opts.Stagger < 0 {
		panic(fmt.Sprintf("errgroup: negative stagger, got %v", opts.Stagger))
	}
	checkFuncs(fs)
	checkContext(ctx)
	return &contest[T]{ctx: ctx, opts: opts, need: need, mayFail: len(fs) - need}
}

// run returns need results, or the errors, when every function that was started has ended.
func (c *contest[T]) run(fs []func(ctx context.Context) (T, error)) ([]T, error) {
	// The group keeps all errors, and is told when to cancel its context. The reports of that
	// are not worth telling, however they are wrapped.
	c.group, c.ctx = New(c.ctx, Options{Collect: true})
	c.group.settings.lenient = true
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover() // something is raised, so nobody gets the results
		defer c.group.scheduler.Seal(v)
		c.discardResults()
	}()
	c.start(fs)
	err := c.group.Wait()
	if len(c.results) == c.need {
		returned = true
		return c.results, nil
	}
	if c.final != nil {
		err = c.final
	}
	c.discardResults()
	_ = c.group.Wait() // raises what Discard has raised
	returned = true
	return nil, err
}

// start starts the functions, all at once or staggered.
func (c *contest[T]) start(fs []func(ctx context.Context) (T, error)) {
	// Asking for the channel later would, in the eyes of the race detector,
	// order the function to come after those that had asked before.
	done := c.ctx.Done()
	if c.opts.Stagger > 0 {
		c.failed = make(chan int, len(fs))
	}
	for i, f := range fs {
		if i >= c.need && c.failed != nil {
			c.pause(i-1, done)
		}
		if c.ctx.Err() != nil {
			c.group.fail(c.group.number(), nil, context.Cause(c.ctx))
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

// pause returns when it is time to start the function after last.
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

// end is called when function i has returned.
func (c *contest[T]) end(t *task, i int, value T, err error) {
	if err != nil {
		t.fail(err) // before the context is cancelled for it
	}
	lost, answered := c.count(value, err)
	if answered {
		c.group.stop(c.final)
	}
	if lost && c.opts.Discard != nil {
		c.opts.Discard(value)
	}
	if err != nil && c.failed != nil {
		c.failed <- i
	}
}

// count notes what a function has returned. It reports whether that is a success that
// has lost, and whether it made the answer.
func (c *contest[T]) count(value T, err error) (lost, answers bool) {
	final := err != nil && c.opts.Permanent != nil && !c.isAnswered() && c.opts.Permanent(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.answered:
		return err == nil, false
	case final:
		c.final = err
	case err != nil:
		c.mayFail--
	default:
		c.results = append(c.results, value)
	}
	c.answered = c.final != nil || c.mayFail < 0 || len(c.results) == c.need
	return false, c.answered
}

func (c *contest[T]) isAnswered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered
}

// discardResults discards the results when every function has ended, also if a Discard
// panics or calls Goexit. What it raises is the group's to raise.
func (c *contest[T]) discardResults() {
	if len(c.results) == 0 || c.opts.Discard == nil {
		return
	}
	value := c.results[0]
	c.results = c.results[1:]
	defer c.discardResults()
	core.Call(func() { c.opts.Discard(value) }, c.group.scheduler.Fail)
}
