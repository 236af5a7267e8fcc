package group

import (
	"context"
	"runtime"

	"github.com/coterie-go/coterie/core"
)

// start starts a task as soon as there is room. If ctx is not nil, it gives up when
// that is done, and returns the cause.
func (e *Engine[T]) start(ctx context.Context, en entry[T]) error {
	core.RaceDisable()
	e.lock()
	return e.startLocked(ctx, en)
}

// startLocked is start when mu is held, which it lets go.
func (e *Engine[T]) startLocked(ctx context.Context, en entry[T]) error {
	var have permits
	wait := waitsForEver
	if ctx != nil && ctx.Done() != nil {
		wait = mayGiveUp
	}
	for {
		ok, s := e.pushLocked(en, &have, wait)
		switch {
		case ok:
			return nil
		case s == nil:
			if err := e.acquire(ctx); err != nil {
				e.giveBack()
				return err
			}
			have.shared = true
		default:
			switch e.await(ctx, s) {
			case started:
				return nil
			case placed:
				have.place = true
				if ctx != nil && ctx.Err() != nil {
					e.giveBack()
					return context.Cause(ctx)
				}
			case refused:
				e.refuse()
			default:
				return context.Cause(ctx)
			}
		}
		core.RaceDisable()
		e.lock()
	}
}

// acquire waits for a permit of the shared semaphore.
func (e *Engine[T]) acquire(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	return e.settings().semaphore.Acquire(ctx, 1)
}

// await waits until there is room for the task that the submitter has left in s, or
// ctx, if it is not nil, is done. It first yields, so that tasks run for once, because
// that costs less than to park and be woken. Until it is back it stands for a spare
// goroutine; see Engine.
func (e *Engine[T]) await(ctx context.Context, s *submitter[T]) submission {
	var cancel <-chan struct{}
	if ctx != nil {
		cancel = ctx.Done()
	}
	runtime.Gosched()
	core.RaceDisable()
	e.lock()
	c := e.crowd.Load()
	r := &c.extras.Load().room
	if !core.RaceHidden {
		// Also if others yield: there might always be some who do, by turns.
		if r.yielding--; e.spares == 0 && c.queue.open() {
			e.moreLocked(c, 1)
			go c.work()
		}
	}
	if s.state.Load() == waiting {
		s.park(cancel)
	}
	state := s.state.Load()
	if state == waiting {
		r.remove(s)
	} else {
		r.expected.Store(r.expected.Load() - 1)
	}
	r.free(s)
	e.mu.Unlock()
	core.RaceEnable()
	return state
}

// giveBack is for a task that has a place and will not be started.
func (e *Engine[T]) giveBack() {
	core.RaceDisable()
	e.lock()
	r := &e.extras().room
	r.reserved.Store(r.reserved.Load() - 1)
	e.admit(e.crowd.Load(), r)
	e.mend(1)
}

// release gives back a permit of the shared semaphore, if there is one. The race
// detector must not take that for an edge between this task and the one that gets
// it next.
func (e *Engine[T]) release() {
	if shared := e.settings().shared(); shared != nil {
		core.RaceDisable()
		shared.Release(1)
		core.RaceEnable()
	}
}

// refuse panics in the Go of a scope that has ended.
func (e *Engine[T]) refuse() {
	panic(owner[T]() + ": Go on " + e.title() + ", which has ended")
}

// admit is letIn if the queue is empty.
func (e *Engine[T]) admit(c *crowd[T], r *room[T]) (yield bool) {
	return r.admits(c.queue.n) && e.letIn(r)
}

// letIn ends the wait of those for whom there is room. It reports whether to yield to
// them is worth while, once mu is free: those who have been unparked go on at once
// then, and bring the next task while this one runs. One who has yielded goes on without
// that, at the latest when a goroutine finds no task, and yields in turn. It is called
// with mu held.
func (e *Engine[T]) letIn(r *room[T]) (yield bool) {
	for s := r.first.Load(); s != nil && r.fits(e.runningLocked(), true); s = r.first.Load() {
		r.remove(s)
		r.expected.Store(r.expected.Load() + 1)
		as := started
		if core.RaceHidden || r.shared != nil || !s.patient.Load() {
			as = placed
			r.reserved.Store(r.reserved.Load() + 1)
		} else {
			e.crowd.Load().queue.push(s.task.Load())
		}
		yield = s.settle(as) || yield
	}
	return yield
}
