package pool

import (
	"context"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// Submit starts f on a worker of p, as [Pool.GoContext] does, and returns a future for its result.
// Submit returns [context.Cause] of ctx, and f does not run, if ctx is done at the call or before
// there is room in the queue. It returns [ErrClosed] after Close, except to tasks of the pool that
// have not ended.
//
// The future's Get raises a panic of f, and returns [core.ErrGoexit] if f calls Goexit. The process
// ends with the panic if the future is garbage-collected before a Get has raised it. f does not
// run, and Get returns the cause, if ctx is done when a worker takes it. Get returns ErrClosed if
// Shutdown drops f.
//
// If ctx is that of a task of the pool, Get in that task, and GetContext with the context of any
// task of the pool, lend the caller's place to f if f has not begun. Then they return when f has
// ended, even if the context of GetContext is done first. A receive from the future's Done lends no
// place. If the queue is full, f runs on the place of the task of ctx before Submit returns.
//
// Submit costs one allocation. It panics if ctx, p or f is nil. The future keeps ctx reachable.
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
	var entry sched.Task = t
	if place, ok := p.scheduler.PlaceOf(ctx); ok {
		n := &nested[T]{submitted: t}
		entry = n
		t.promise().Help(func(ctx context.Context) {
			at, holds := place, ctx == nil && place.IsCallers()
			if ctx != nil {
				at, holds = p.scheduler.PlaceOf(ctx)
			}
			if holds && n.Claim() {
				p.scheduler.RunClaimed(at, t)
			}
		})
	}
	if err := p.scheduler.GoContext(ctx, nil, entry); err != nil {
		return nil, err
	}
	return &t.future, nil
}

// A submitted is a task with a context and a result.
type submitted[T any] struct {
	sched.Context
	f      func(ctx context.Context) (T, error)
	future core.Future[T] // a field, so that task and future are one allocation
}

func (t *submitted[T]) promise() core.Promise[T] { return core.PromiseOf(&t.future) }

// Run calls f, unless the context is done.
func (t *submitted[T]) Run(w *sched.Worker) {
	if t.Err() != nil {
		t.Skip(w)
		t.Drop(context.Cause(&t.Context))
		return
	}
	t.Begin(w)
	defer t.End(w)
	f := t.f
	t.f = nil
	v, err := f(&t.Context)
	if err != nil {
		w.Failed(err)
	}
	w.Returned()
	t.promise().Resolve(v, err)
}

// Abort gives the future the panic or the Goexit of the task.
func (t *submitted[T]) Abort(p *core.PanicError) { t.promise().Abort(p) }

// Drop gives the future an error as the result of a task that does not run.
func (t *submitted[T]) Drop(err error) {
	var zero T
	t.promise().Resolve(zero, err)
}

// A nested is the queue's entry for a task that another task of the pool has submitted. The entry
// does nothing if a Get has claimed the task.
type nested[T any] struct {
	*submitted[T]
	claimed race.Uint64
}

// Claim reports whether the caller is the first to claim the task.
func (n *nested[T]) Claim() bool { return n.claimed.CompareAndSwap(0, 1) }

// Run runs the task, unless a Get has claimed it.
func (n *nested[T]) Run(w *sched.Worker) {
	if !n.Claim() {
		w.MarkVoid()
		return
	}
	n.submitted.Run(w)
}
