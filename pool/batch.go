package pool

import (
	"context"

	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A Batch owns a part of the work on a [Pool]: its Wait waits for the batch's own
// tasks, and raises what they raised.
//
// Make one with [Pool.Batch]. A Batch is reusable after Wait, needs no closing, and
// must not be copied; go vet reports it. Its tasks share the pool's workers and
// queue with all others.
//
// Wait returns nothing, as that of every owner without errors does. That tasks were
// not run is told by [Batch.Err], and by WaitContext.
type Batch struct {
	_      noCopy
	pool   *Pool
	within *taskContext // the task that made the batch; nil if that is none of the pool's

	unended  core.WaitGroup // 1 while there is a task that has not ended
	failures group.Failures

	// What follows is guarded by pool.mu.

	active     core.Guarded[int]     // tasks that have been accepted and have not ended
	queued     core.Guarded[int]     // of those, the ones that wait in the ring, where they have to stay
	head, tail core.Guarded[uint64]  // of the chain of those
	helpers    core.Guarded[*helper] // waiters who would run a task
	cause      core.Guarded[error]   // why the first task that did not run for its context's sake did not
	closed     core.Guarded[bool]    // tasks have been dropped by Shutdown
	waited     core.Guarded[bool]    // cause and closed have been told; the next task starts afresh
}

// Batch returns a batch of the pool, without tasks. If ctx comes from a task of the
// pool, whoever waits for the batch runs its tasks, as Pool says. ctx does not
// cancel anything. It may be done.
func (p *Pool) Batch(ctx context.Context) *Batch {
	checkContext(ctx)
	return &Batch{pool: p, within: taskOf(ctx, p)}
}

// Go starts f on a worker of the pool, as soon as one is free. It blocks while the
// pool's queue is full; a batch that belongs to a task of the pool runs f itself
// then, before Go returns. It panics if the pool is closed. A panic or a Goexit of f
// is raised by Wait. It costs little more than the pool's Go, and no allocation; where tasks
// of several batches take turns in the queue, workers take them one by one, at several
// times the cost.
func (b *Batch) Go(f func()) {
	checkFunc(f == nil)
	t, p, stays := alone(plain(f)), b.pool, b.stays()
	core.RaceDisable() // start, as in Pool.Go
	p.mu.Lock()
	if !stays && p.isQuickLocked(b) {
		p.ring.pushOwn(t)
		b.countQuickLocked()
		p.mu.Unlock()
		core.RaceEnable()
		return
	}
	if p.startLocked(forever, t, b, stays, nil) != nil {
		panic("pool: Go on a closed pool")
	}
}

// TryGo starts f on a worker of the pool, as Go does, or reports false if the
// pool's queue is full or somebody waits for room in it, or if the pool is closed. It
// never blocks.
func (b *Batch) TryGo(f func()) bool {
	checkFunc(f == nil)
	return b.pool.push(alone(plain(f)), b) == accepted
}

// GoContext starts f, as Go does, with a context derived from ctx. It waits for
// room in the queue only until ctx is done, and then returns [context.Cause] of
// ctx; f does not run then, as it does not if ctx is done already. After the pool's
// Close it returns [ErrClosed].
//
// If ctx is done when f's turn comes, f does not run either; Err then returns the
// cause.
func (b *Batch) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	checkFunc(f == nil)
	return b.pool.goContext(ctx, f, b)
}

// Wait blocks until every task of the batch has ended. It raises what a task
// raised: the first panic, with the further ones as its Others, or else a Goexit.
// Every Wait that is under way raises the same, and a later one does not. If the
// batch belongs to a task of the pool, Wait runs those of its tasks that no
// worker has begun. It must not be called by a task of the batch.
func (b *Batch) Wait() {
	seen := b.failures.Seen()
	b.help(context.Background(), seen)
	b.unended.Wait()
	b.told()
	b.failures.Raise(seen)
}

// WaitContext is Wait that gives up when ctx is done, with a [*group.StuckError].
// While it runs a task itself, it gives up only after that. It returns what Err
// does, if it has waited to the end. It panics if ctx is that of a task of this
// batch, for which it would wait.
func (b *Batch) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	for t := taskOf(ctx, b.pool); t != nil; t = taskOf(t.Context, b.pool) {
		if t.batch == b {
			panic("pool: WaitContext on a batch within one of its own tasks")
		}
	}
	seen := b.failures.Seen()
	err := b.help(ctx, seen)
	if err == nil {
		err = b.unended.WaitContext(ctx)
	}
	if err != nil {
		return b.stuck(err)
	}
	err = b.told()
	b.failures.Raise(seen)
	return err
}

// Err says, once a Wait has returned, why tasks of the batch did not run although
// they had been accepted: nil if all have run, the cause of the first context that
// was done when its task's turn came, [ErrClosed] if Shutdown dropped tasks, or
// both. The next task that is started clears it.
func (b *Batch) Err() error {
	core.RaceDisable()
	b.pool.mu.Lock()
	err := b.errLocked()
	b.pool.mu.Unlock()
	core.RaceEnable()
	return err
}

func (b *Batch) errLocked() error {
	err := b.cause.Load()
	if b.closed.Load() {
		err = multierr.Append(err, ErrClosed)
	}
	return err
}

// told returns what Err does, and lets the next task clear it.
func (b *Batch) told() error {
	core.RaceDisable()
	b.pool.mu.Lock()
	err := b.errLocked()
	b.waited.Store(true)
	b.pool.mu.Unlock()
	core.RaceEnable()
	return err
}

func (b *Batch) stuck(cause error) *group.StuckError {
	core.RaceDisable()
	b.pool.mu.Lock()
	active := b.active.Load() - b.endedLocked()
	b.pool.mu.Unlock()
	core.RaceEnable()
	return group.NewStuckError("batch of pool", b.pool.options.Name, active, nil, cause)
}

// endedLocked returns the number of tasks that have ended and have not been counted.
func (b *Batch) endedLocked() int {
	ended := 0
	seen := make(map[*portion]bool)
	for w := b.pool.first.Load(); w != nil; w = w.next.Load() {
		if g := w.portion.Load(); g != nil && g.batch.Load() == b && !seen[g] {
			seen[g] = true
			ended += g.endedLocked()
		}
	}
	return ended
}

// beginLocked counts a task that is accepted.
func (b *Batch) beginLocked() {
	active := b.active.Load()
	if active == 0 {
		b.unended.Add(1)
		if b.waited.Load() {
			b.waited.Store(false)
			b.cause.Store(nil)
			b.closed.Store(false)
		}
	}
	b.active.Store(active + 1)
}

// countQuickLocked is beginLocked if b, which may be nil, has a task that has not ended.
func (b *Batch) countQuickLocked() {
	if b != nil {
		b.active.Store(b.active.Load() + 1)
	}
}

// endLocked counts a task that has ended, and reports whether it was the last.
func (b *Batch) endLocked() bool {
	b.active.Store(b.active.Load() - 1)
	return b.active.Load() == 0
}

// done is called after the last task has ended, with mu free. (A worker may not
// read b.pool in -race builds.)
func (b *Batch) done(p *Pool) {
	core.RaceDisable()
	p.mu.Lock()
	h := b.helpers.Load()
	b.helpers.Store(nil)
	for o := h; o != nil; o = o.next.Load() {
		o.listed.Store(false)
	}
	p.mu.Unlock()
	for h != nil {
		next := h.next.Load()
		close(h.ready.Load())
		h = next
	}
	core.RaceEnable()
	b.unended.Done()
}

// stays reports whether a task of the batch has to stay in the ring until it is run.
// b may be nil.
func (b *Batch) stays() bool { return b != nil && b.within != nil }

// helpful reports whether whoever starts the batch's tasks, or waits for them, has
// a place on a worker. b may be nil.
func (b *Batch) helpful() bool {
	return b != nil && b.within != nil && !b.within.ended.Load()
}
