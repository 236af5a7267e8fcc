package pool

import (
	"context"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// Submit starts f on a worker of p, as [Pool.GoContext] does, and returns its
// result to come. It waits for room in the queue only until ctx is done, and then
// returns [context.Cause] of ctx; f does not run then. After Close it returns
// [ErrClosed].
//
// A panic of f is raised by the future's Get; a Goexit of f is [core.ErrGoexit]
// there. If ctx is done when f's turn comes, f does not run, and Get returns the
// cause; if Shutdown drops f, Get returns ErrClosed. If ctx is that of a task of
// the pool, a Get, or GetContext, that finds f not begun runs it and waits for it; a
// receive from the future's Done does not. If the queue is full then, f runs before
// Submit returns.
//
// Submit costs one allocation, and panics if ctx, p or f is nil. As long as the
// future is reachable, so is ctx.
func Submit[T any](ctx context.Context, p *Pool, f func(ctx context.Context) (T, error)) (*group.Future[T], error) {
	checkFunc(f == nil)
	checkContext(ctx)
	if p == nil {
		panic("pool: nil pool")
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t := &submitted[T]{taskContext: newTaskContext(ctx, p, nil), f: f}
	var pos *uint64
	if within := taskOf(ctx, p); within != nil {
		pos = new(uint64)
		t.promise().Help(func() {
			if !within.ended.Load() {
				p.runQueued(*pos)
			}
		})
	}
	if err := p.start(ctx, t, nil, pos); err != nil {
		return nil, err
	}
	return &t.future, nil
}

// runQueued runs the task at a position of the ring, of no batch, if it waits there.
func (p *Pool) runQueued(pos uint64) {
	core.RaceDisable()
	p.mu.Lock()
	var t ticket
	var admitted admission
	var roused rousing
	if p.ring.holds(pos) {
		t = p.ring.take(pos)
		p.helped.Store(p.helped.Load() + 1)
		admitted = p.admitLocked()
		if p.lacksLocked() {
			p.rouseLocked(&roused)
		}
	}
	p.mu.Unlock()
	p.rouse(&roused)
	admitted.wake()
	core.RaceEnable()
	if t.task != nil {
		p.runHere(turn{ticket: t})
	}
}

// A submitted task has a context and a result.
type submitted[T any] struct {
	taskContext
	f      func(ctx context.Context) (T, error)
	future group.Future[T] // here, so that both are one allocation
}

func (t *submitted[T]) promise() group.Promise[T] { return group.PromiseOf(&t.future) }

func (t *submitted[T]) run() error {
	f := t.f
	t.f = nil
	if t.Err() != nil {
		err := context.Cause(&t.taskContext)
		t.drop(err)
		return err
	}
	t.promise().Run(group.Propagate, func() (T, error) { return f(&t.taskContext) })
	t.ended.Store(true)
	return nil
}

func (t *submitted[T]) aborted(*core.PanicError) bool {
	t.ended.Store(true)
	return true
}

func (t *submitted[T]) drop(err error) {
	var zero T
	t.promise().Resolve(zero, err)
}
