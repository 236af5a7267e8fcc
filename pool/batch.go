package pool

import (
	"context"
	"sync"

	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// A Batch owns some of the tasks of a [Pool]. Its Wait waits only for these tasks, and raises their
// panics and Goexits.
//
// [Pool.Batch] makes a Batch; methods of the zero value panic. A Batch may be used again after
// Wait. It need not be closed. It must not be copied; go vet reports a copy. Its tasks share the
// pool's workers and queue with all other tasks.
//
// Wait returns no error. [Batch.Err] and WaitContext report that tasks did not run.
type Batch struct {
	pool *Pool
	set  *sched.Set

	mu   sync.Mutex // guards lost; nothing blocks while it is held
	lost lost
}

// lost says why tasks of a batch did not run. A round begins when a task is accepted while the
// batch has no other.
type lost struct {
	cause    error  // of the first task that did not run because its context was done
	reported bool   // a Wait has returned since the first loss
	round    uint64 // the round in which that Wait returned; the next round clears the cause
}

// Batch returns a batch of the pool, without tasks. If ctx comes from a task of the pool, the batch
// belongs to that task: a Wait for the batch lends the task's place to tasks of the batch; see
// [Pool]. Then Batch takes about a microsecond. ctx does not cancel anything, and may be done.
// Batch panics if ctx is nil.
func (p *Pool) Batch(ctx context.Context) *Batch {
	checkContext(ctx)
	p.begin()
	b := p.batch(ctx)
	b.set.SetMaker()
	return b
}

// batch is Batch without SetMaker, for waits that do not need it.
func (p *Pool) batch(ctx context.Context) *Batch {
	b := &Batch{pool: p, set: p.scheduler.NewSet(ctx)}
	return b
}

func (b *Batch) check() {
	if b.pool == nil {
		panic("pool: use of a zero Batch, which Pool.Batch has not made")
	}
}

// Go puts f into the pool's queue; a worker runs it as soon as one is free. Go blocks while the
// queue is full. Go does not block for room if the batch belongs to a task: f runs on the place of
// the task, and Go blocks until f has ended. Wait raises a panic or a Goexit of f. Go panics if f
// is nil, or if the pool is closed; a batch that belongs to a task may be used until that task has
// ended. Go costs little more than [Pool.Go], and no allocation. Workers take tasks one by one if
// tasks of several batches alternate in the queue. That costs several times as much.
func (b *Batch) Go(f func()) {
	checkFunc(f == nil)
	b.check()
	if !b.pool.scheduler.Go(b.set, b.pool.task(f)) {
		b.pool.refuse()
	}
}

// TryGo is Go, but does not block. It reports false, and f does not run, if the queue is full, a
// submitter waits for room in it, or the pool is closed. It panics if f is nil.
func (b *Batch) TryGo(f func()) bool {
	checkFunc(f == nil)
	b.check()
	return b.pool.scheduler.TryGo(b.set, b.pool.task(f)) == nil
}

// GoContext is Go for a function that takes a context. f gets a context derived from ctx. GoContext
// returns [context.Cause] of ctx, and f does not run, if ctx is done at the call or before there is
// room in the queue. It returns [ErrClosed] after the pool's Close, except to tasks of the pool
// that have not ended. It panics if ctx or f is nil. See [Pool.GoContext] for a ctx that comes from
// a task of the pool.
//
// f does not run, and Err returns the cause, if ctx is done when a worker takes it.
func (b *Batch) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	checkFunc(f == nil)
	checkContext(ctx)
	b.check()
	return b.pool.goContext(ctx, b, f)
}

// Wait blocks until every task of the batch has ended. Wait raises the first panic of a task, with
// the further ones as its Others. It calls Goexit if no task has panicked but a task has called
// Goexit. Every Wait that is blocked when the last task ends raises this. If none is blocked, the
// next Wait raises it. No later Wait raises it again. Wait lends the place of the task to which the
// batch belongs if Wait is called in a task of the pool or in the goroutine that made the batch.
// Tasks of the batch that have not begun run on that place, one after another. In any other
// goroutine Wait lends no place: call WaitContext with the task's context there. A task of the
// batch must not call Wait: Wait panics in such a task as soon as another goroutine waits for the
// batch too.
func (b *Batch) Wait() {
	b.check()
	raise := b.set.Wait()
	_ = b.err(true)
	raise()
}

// WaitContext is Wait, but returns a [*core.StuckError] if ctx is done first. WaitContext lends the
// place of the task of ctx, if that is a task of the pool, whatever goroutine calls it. WaitContext
// gives up only after a task that runs on the lent place has ended, has itself lent the place, or
// is blocked in [Keyed.Replace], and up to 7 ms after ctx is done, so that a task that has just
// ended does not count. It returns the same as Err if all tasks have ended. It panics if ctx is
// nil, or if it derives from the context of a task of this batch that runs: that task would wait
// for itself.
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
	err = b.err(true)
	raise()
	return err
}

// Err is called after Wait. It returns why accepted tasks of the batch did not run: nil if all have
// run, the cause of the first context that was done when a worker took its task, [ErrClosed] if
// Shutdown dropped tasks, or both. The next task that is started clears it.
func (b *Batch) Err() error { return b.err(false) }

// err returns what Err returns. If reports is set, the next task clears the error.
func (b *Batch) err(reports bool) error {
	b.check()
	round := b.set.Round()
	err := race.Get(func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.lost.reported && round > b.lost.round {
			return nil
		}
		if reports && !b.lost.reported {
			b.lost.reported, b.lost.round = true, round
		}
		return b.lost.cause
	})
	if b.set.Dropped() {
		err = multierr.Append(err, ErrClosed)
	}
	return err
}

// lose records the cause for which a task does not run.
func (b *Batch) lose(cause error) {
	race.Do(func() {
		b.mu.Lock()
		if b.lost.reported {
			b.lost = lost{}
		}
		if b.lost.cause == nil {
			b.lost.cause = cause
		}
		b.mu.Unlock()
	})
}
