package pool

import (
	"context"
	"sync"

	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// A Batch owns a part of the work on a [Pool]: its Wait waits for the batch's own
// tasks, and raises what they raised.
//
// Make one with [Pool.Batch]; the zero value panics. A Batch may be used again after Wait,
// needs no closing, and must not be copied; go vet reports it. Its tasks share the pool's
// workers and queue with all others.
//
// Wait returns nothing, as that of every owner without errors does. [Batch.Err] and
// WaitContext say that tasks did not run.
type Batch struct {
	pool *Pool
	set  *sched.Set

	mu   sync.Mutex // guards lost; nothing blocks while it is held
	lost lost
}

// lost is why tasks of a batch did not run. A round begins with a task that is accepted while
// there is no other.
type lost struct {
	cause  error  // of the first task that did not run for its context's sake
	closed bool   // tasks have been dropped by Shutdown
	told   bool   // a Wait has returned since
	round  uint64 // in which it was told; the next begins afresh
}

// Batch returns a batch of the pool, without tasks. If ctx comes from a task of the
// pool, whoever waits for the batch lends it the place of that task, as Pool says. ctx does
// not cancel anything. It may be done.
func (p *Pool) Batch(ctx context.Context) *Batch {
	checkContext(ctx)
	p.begin()
	b := &Batch{pool: p}
	b.set = p.scheduler.NewSet(ctx, b)
	return b
}

// check panics for a zero batch.
func (b *Batch) check() {
	if b.pool == nil {
		panic("pool: use of a zero Batch, which Pool.Batch has not made")
	}
}

// Go starts f on a worker of the pool, as soon as one is free. It blocks while the
// pool's queue is full; if the batch belongs to a task of the pool, f runs on the place of
// that one then, before Go returns. It panics if the pool is closed, except in a task of the
// pool to which the batch belongs. Wait raises a panic or a Goexit of f. It costs little more
// than the pool's Go, and no allocation; where tasks of several batches alternate in the
// queue, workers take them one by one, at several times the cost.
func (b *Batch) Go(f func()) {
	checkFunc(f == nil)
	b.check()
	if !b.pool.scheduler.Go(b.set, b.pool.task(f)) {
		b.pool.refuse()
	}
}

// TryGo starts f on a worker of the pool, as Go does, or reports false if the
// pool's queue is full or somebody waits for room in it, or if the pool is closed. It
// never blocks.
func (b *Batch) TryGo(f func()) bool {
	checkFunc(f == nil)
	b.check()
	return b.pool.scheduler.TryGo(b.set, b.pool.task(f)) == nil
}

// GoContext starts f, as Go does, with a context derived from ctx. It waits for
// room in the queue only until ctx is done, and then returns [context.Cause] of
// ctx; f does not run then, as it does not if ctx is done already. After the pool's
// Close it returns [ErrClosed], except to the tasks of the pool that have not ended.
//
// If ctx is done when f's turn comes, f does not run either; Err then returns the
// cause.
func (b *Batch) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	checkFunc(f == nil)
	checkContext(ctx)
	b.check()
	return b.pool.goContext(ctx, b, f)
}

// Wait blocks until every task of the batch has ended. It raises what a task
// raised: the first panic, with the further ones as its Others, or else a Goexit.
// Every Wait that is under way raises the same, and a later one does not. If the
// batch belongs to a task of the pool, Wait lends the place of that one to the tasks that no
// worker has begun, one after another. A task of the batch must not call it: Wait panics in
// it as soon as somebody else waits for the batch too.
func (b *Batch) Wait() {
	b.check()
	raise, _ := b.set.Wait(nil)
	_ = b.tell()
	raise()
}

// WaitContext is Wait that gives up when ctx is done, with a [*core.StuckError]. If a task
// runs on the place that it has lent, it gives up only when that has ended. It returns what Err
// does, if it has waited to the end. It panics if ctx is that of a task of this
// batch, for which it would wait.
func (b *Batch) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	b.check()
	if b.pool.scheduler.Runs(ctx, b.set) {
		panic("pool: WaitContext on a batch within one of its own tasks")
	}
	raise, err := b.set.WaitContext(ctx)
	if err != nil {
		return err
	}
	err = b.tell()
	raise()
	return err
}

// Err says, once a Wait has returned, why tasks of the batch did not run although
// they had been accepted: nil if all have run, the cause of the first context that
// was done when its task's turn came, [ErrClosed] if Shutdown dropped tasks, or
// both. The next task that is started clears it.
func (b *Batch) Err() error { return b.err(false) }

// tell returns what Err does, and lets the next task clear it.
func (b *Batch) tell() error { return b.err(true) }

func (b *Batch) err(tells bool) error {
	b.check()
	round := b.set.Round()
	return race.Get(func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.lost.told && round > b.lost.round {
			return nil
		}
		if tells && !b.lost.told {
			b.lost.told, b.lost.round = true, round
		}
		err := b.lost.cause
		if b.lost.closed {
			err = multierr.Append(err, ErrClosed)
		}
		return err
	})
}

// lose notes why a task does not run.
func (b *Batch) lose(err error) {
	race.Do(func() {
		b.mu.Lock()
		if b.lost.told {
			b.lost = lost{}
		}
		if err == ErrClosed {
			b.lost.closed = true
		} else if b.lost.cause == nil {
			b.lost.cause = err
		}
		b.mu.Unlock()
	})
}
