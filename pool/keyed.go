package pool

import (
	"context"
	"fmt"
	"sync"

	"github.com/coterie-go/coterie/core/sched"
)

// ErrReplaced is the cause with which [Keyed.Replace] cancels the tasks that run.
var ErrReplaced = sched.ErrReplaced

// A Keyed starts tasks that have a key on a [Pool], and runs at most so many tasks of one key at
// once. With one, tasks of a key run one after another, in the order in which they were
// accepted, and each is ordered before the next as [Pool] says.
//
// A task whose key is busy waits before the pool: it holds neither a worker nor a place in the
// pool's queue that tasks of other keys could use. So many tasks may wait like this in all as
// the pool's Options.Queue says. Who starts a further one blocks until there is room, unless
// it is a task of the pool: a task may start others of its own key, however many wait.
// When the key is free, a task that has waited goes to the end of the pool's queue.
//
// Keys cost nothing but while they have tasks: there may be millions, one after another. Only a
// panic that nobody has been told of is kept with its key, and in -race builds each key is
// remembered. Keys must be equal to themselves: NaN panics.
//
// Make one with [NewKeyed]; the zero value panics. A Keyed needs no closing, and must not be
// copied; go vet reports it. When the pool closes, tasks that wait for their key still run. When a
// Shutdown gives up, they are dropped, and counted like those in the queue.
//
// [Keyed.WaitKey] or [Keyed.Wait] raise what tasks raised. A panic that neither has raised when
// the Keyed is collected ends the process with it. As long as a task runs, its context can be
// cancelled by Replace; after that it is like the one that the task was started with.
type Keyed[K comparable] struct {
	_     [0]sync.Mutex // so that go vet reports a copy
	pool  *Pool
	tasks *sched.Keyed[K]
}

// NewKeyed returns a Keyed that runs at most perKey tasks of one key at once, on p. It panics if
// perKey is less than 1, or p is nil.
func NewKeyed[K comparable](p *Pool, perKey int) *Keyed[K] {
	if perKey < 1 {
		panic(fmt.Sprintf("pool: perKey less than 1, got %d", perKey))
	}
	if p == nil {
		panic("pool: nil pool")
	}
	p.begin()
	return &Keyed[K]{pool: p, tasks: sched.NewKeyed[K](&p.scheduler, perKey, p.options.Queue)}
}

// check panics for a zero Keyed, and for a key that no map finds again.
func (k *Keyed[K]) check(key K) {
	k.checkMade()
	if _ = (map[K]bool)(nil)[key]; key != key { // the map panics for a key without a hash
		panic(fmt.Sprintf("pool: key that does not equal itself, got %v", key))
	}
}

func (k *Keyed[K]) checkMade() {
	if k.pool == nil {
		panic("pool: use of a zero Keyed, which NewKeyed has not made")
	}
}

// GoContext starts f, with a context derived from ctx, when the key is free and a worker too.
// It returns when f has been accepted, also if the key is busy. It waits for room only until
// ctx is done, and then returns [context.Cause] of ctx; f does not run then, as it does not if
// ctx is done already. It returns [ErrReplaced] if it was waiting for room when Replace was
// called, and after the pool's Close [ErrClosed], except to the tasks of the pool that have not
// ended.
//
// If ctx is done when f's turn comes, f does not run either, and is counted as dropped. If the
// key is free, and ctx comes from a task of the pool, and the queue is full, f runs before
// GoContext returns, as for [Pool.GoContext].
//
// It costs an allocation, and a further one if the key has no other task.
func (k *Keyed[K]) GoContext(ctx context.Context, key K, f func(ctx context.Context)) error {
	t := k.task(ctx, key, f)
	return closedError(k.tasks.GoContext(ctx, key, &t.KeyTask))
}

// Replace starts f instead of all other tasks of the key: those that wait are dropped, those
// that run are cancelled, with the cause [ErrReplaced], and when they have ended f begins, as
// soon as there is a worker. Tasks of the key that are started later wait for f as for any
// other.
//
// Replace returns when those that ran have ended and f has been accepted. It waits for that
// only until ctx is done, and then returns [context.Cause] of ctx; f does not run then. If
// another Replace comes meanwhile, it returns ErrReplaced. An f that was accepted and has not
// begun is dropped by the next Replace, which takes its turn. In a task of the key, or one that
// such a task has started with its context, Replace returns at once, and f begins when those
// that run have ended; then f's context ends with the one that the task of the key was started
// with. After the pool's Close it returns [ErrClosed], as GoContext does.
func (k *Keyed[K]) Replace(ctx context.Context, key K, f func(ctx context.Context)) error {
	t := k.task(ctx, key, f)
	within := k.tasks.Within(ctx, key)
	if within != nil {
		t.parent = succeeding(ctx, within)
	}
	return closedError(k.tasks.Replace(ctx, key, &t.KeyTask, within != nil))
}

// WaitKey blocks until no task of the key is left, and raises what they raised: the first
// panic, with the further ones as its Others, or else a Goexit. Every WaitKey and Wait that is
// under way raises the same, and a later one does not. It returns nil, or [ErrClosed] if
// Shutdown has dropped tasks of the key meanwhile. When ctx is done it gives up, with a
// [*core.StuckError].
//
// If ctx is that of a task of the pool, WaitKey lends its place to tasks of the key that no
// worker has begun, one after another. If a task runs there, WaitKey gives up only when that has
// ended or lends the place in turn. It panics if ctx is that of a task of the key, for which it
// would wait.
func (k *Keyed[K]) WaitKey(ctx context.Context, key K) error {
	checkContext(ctx)
	k.check(key)
	if k.tasks.Runs(ctx, key) {
		panic("pool: WaitKey within one of the key's own tasks")
	}
	raise, err := k.tasks.WaitKey(ctx, key)
	if raise != nil {
		raise()
	}
	return closedError(err)
}

// Wait blocks until no task of any key is left, and raises what they raised, as WaitKey does.
// It panics if a task of the pool calls it: without a context it could not lend its place.
func (k *Keyed[K]) Wait() {
	k.checkMade()
	if k.pool.scheduler.Running() > 0 {
		k.pool.checkOutside(k.pool.scheduler.IsWorker(), "Wait of a Keyed")
	}
	k.tasks.Wait()
}

// task returns f as a task.
func (k *Keyed[K]) task(ctx context.Context, key K, f func(ctx context.Context)) *keyedTask {
	checkFunc(f == nil)
	checkContext(ctx)
	k.check(key)
	t := &keyedTask{parent: ctx, f: f}
	t.KeyTask.Init(t)
	return t
}

// A keyedTask is a task with a key.
type keyedTask struct {
	sched.KeyTask
	sched.Context // made when the task begins
	ctx           taskContext
	parent        context.Context // from which the context derives
	f             func(ctx context.Context)
}

// Run calls the function, unless the context is done.
func (t *keyedTask) Run(w *sched.Worker) {
	parent := outlived(t.parent)
	t.parent = nil
	if parent.Err() != nil {
		w.Drop()
		return
	}
	t.Context.Init(parent, w.Scheduler(), t.Set())
	t.ctx.begin(&t.Context, parent, t.Set())
	t.Begin(w)
	defer t.End(w)
	defer t.ctx.end()
	f := t.f
	t.f = nil
	f(&t.ctx)
}

// Replaced cancels the context of a task that runs.
func (t *keyedTask) Replaced() { t.ctx.replace() }
