package pool

import (
	"context"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// Submit starts f on a worker of p, as [Pool.GoContext] does, and returns its
// result to come. It waits for room in the queue only until ctx is done, and then
// returns [context.Cause] of ctx; f does not run then. After Close it returns
// [ErrClosed], except to the tasks of the pool that have not ended.
//
// A panic of f is raised by the future's Get; a Goexit of f is [core.ErrGoexit]
// there. If the future is collected before a Get has raised the panic, the process ends with
// it. If ctx is done when f's turn comes, f does not run, and Get returns the
// cause; if Shutdown drops f, Get returns ErrClosed.
//
// If ctx is that of a task of the pool, a Get in that task that finds f not begun, or a
// GetContext with the context of any task of the pool, lends f the caller's place and waits
// for it; a receive from the future's Done does not. If the queue is full then, f runs before
// Submit returns.
//
// Submit costs one allocation, and panics if ctx, p or f is nil. As long as the
// future is reachable, so is ctx.
func Submit[T any](ctx context.Context, p *Pool, f func(ctx context.Context) (T, error)) (*core.Future[T], error) {
	checkFunc(f == nil)
	checkContext(ctx)
	if p == nil {
		panic("pool: nil pool")
	}
	p.begin()
	t := &submitted[T]{f: f}
	t.Init(ctx, &p.scheduler, nil)
	t.promise().Watch()
	t.promise().Owned(uint32(p.scheduler.Number()))
	if place, ok := p.scheduler.PlaceOf(ctx); ok {
		n := &nested[T]{submitted: t}
		t.promise().Help(func(ctx context.Context) {
			at, holds := place, ctx == nil && place.IsCallers()
			if ctx != nil {
				at, holds = p.scheduler.PlaceOf(ctx)
			}
			if holds && n.Claim() {
				p.scheduler.RunClaimed(at, t)
			}
		})
		return t.start(ctx, p, n)
	}
	return t.start(ctx, p, t)
}

// A submitted task has a context and a result.
type submitted[T any] struct {
	sched.Context
	f      func(ctx context.Context) (T, error)
	future core.Future[T] // here, so that both are one allocation
}

func (t *submitted[T]) promise() core.Promise[T] { return core.PromiseOf(&t.future) }

func (t *submitted[T]) start(ctx context.Context, p *Pool, as sched.Task) (*core.Future[T], error) {
	if err := p.scheduler.GoContext(ctx, nil, as); err != nil {
		return nil, closedError(err)
	}
	return &t.future, nil
}

// Run calls the function, unless the context is done.
func (t *submitted[T]) Run(w *sched.Worker) {
	if t.Err() != nil {
		t.Skip(w)
		t.drop(context.Cause(&t.Context))
		return
	}
	t.Begin(w)
	defer t.End(w)
	f := t.f
	t.f = nil
	t.promise().Run(core.Propagate, func() (T, error) {
		v, err := f(&t.Context)
		if err != nil {
			w.Failed(err)
		}
		return v, err
	})
	t.Returned()
}

func (t *submitted[T]) told() bool { return true }

func (t *submitted[T]) drop(err error) {
	var zero T
	t.promise().Resolve(zero, err)
}

// A nested task was submitted by a task of the pool, which may have it run before its turn. Its
// entry in the queue does nothing then.
type nested[T any] struct {
	*submitted[T]
	claimed race.Uint64
}

// Claim reports whether the caller is the first to claim the task.
func (n *nested[T]) Claim() bool { return n.claimed.CompareAndSwap(0, 1) }

// Run runs the task, unless it was claimed.
func (n *nested[T]) Run(w *sched.Worker) {
	if !n.Claim() {
		w.Void()
		return
	}
	n.submitted.Run(w)
}
