package pool

import (
	"context"
	"fmt"
	"sync"

	"github.com/coterie-go/coterie/core/sched"
)

// ErrReplaced is the cause with which [Keyed.Replace] cancels the tasks that run. A GoContext or
// Replace returns it if a later Replace of the same key ends its wait.
var ErrReplaced = sched.ErrReplaced

// A Keyed starts tasks that have a key on a [Pool]. It runs at most perKey tasks of one key at
// once. If perKey is 1, tasks of a key run one after another, in the order in which they were
// accepted, and the end of each synchronizes before the next.
//
// A task whose key is busy waits outside the pool: it holds neither a worker nor room in the pool's
// queue that tasks of other keys could use. For all keys of a Keyed together, at most Options.Queue
// tasks wait like this. A submitter of a further one blocks until there is room, unless it is a
// task of the pool. A task that has waited goes to the end of the pool's queue when the key is
// free.
//
// A key uses memory only while it has tasks: there may be millions of keys, one after another.
// There are three exceptions: a panic that no wait has raised is kept with its key, a key of which
// Shutdown has dropped tasks is kept, and -race builds keep every key. A key must be equal to
// itself: NaN panics.
//
// [NewKeyed] makes a Keyed; methods of the zero value panic. A Keyed need not be closed. It must
// not be copied; go vet reports a copy. Tasks that wait for their key still run when the pool
// closes. When a Shutdown gives up, they are dropped, and Stats counts them as it counts those in
// the queue.
//
// [Keyed.WaitKey] and [Keyed.Wait] raise panics and Goexits of tasks. If neither has raised a
// panic, the process ends with it when the Keyed is garbage-collected. Replace cancels the context
// of a task only while the task runs. After that, the task's context ends only with the context
// with which the task was started.
type Keyed[K comparable] struct {
	_     [0]sync.Mutex // so that go vet reports a copy
	pool  *Pool
	tasks *sched.Keyed[K]
}

// NewKeyed returns a Keyed that runs at most perKey tasks of one key at once, on p. It panics if
// perKey is less than 1, or if p is nil.
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

// check panics for a zero Keyed, and for a key that a map cannot find again.
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

// GoContext starts f, with a context derived from ctx, when both the key and a worker are free. It
// blocks until f has been accepted: until there is room in the pool's queue, or, if the key is
// busy, among the tasks that wait for their keys. It returns [context.Cause] of ctx, and f does not
// run, if ctx is done at the call or before there is room. It returns [ErrReplaced] if Replace is
// called for the key while GoContext is blocked because the key is busy. It returns [ErrClosed]
// after the pool's Close, except to tasks of the pool that have not ended. It panics if ctx or f is
// nil.
//
// f does not run, and Stats counts it as dropped, if ctx is done when a worker takes it. f runs
// before GoContext returns, as for [Pool.GoContext], if the key is free, the queue is full, and ctx
// comes from a task of the pool.
//
// GoContext costs one allocation, and another if the key has no other task.
func (k *Keyed[K]) GoContext(ctx context.Context, key K, f func(ctx context.Context)) error {
	t := k.task(ctx, key, f)
	t.Enter(ctx, &k.pool.scheduler)
	return k.tasks.GoContext(ctx, key, &t.KeyTask)
}

// Replace starts f in place of all other tasks of the key. It drops those that have not begun, and
// cancels the contexts of those that run, with the cause [ErrReplaced]. When these have ended, f
// begins as soon as a worker is free. Later tasks of the key wait for f as for any other task.
//
// Replace blocks until the running tasks have ended and f has been accepted. It returns
// [context.Cause] of ctx, and f does not run, if ctx is done first. It returns ErrReplaced if
// another Replace for the key is called first. The next Replace drops f, and takes its place in the
// queue, if f has been accepted and has not begun. Replace returns [ErrClosed] after the pool's
// Close, as GoContext does. It panics if ctx or f is nil.
//
// A task of the key, or a task that it has started with its context, may call Replace with its
// context. Then Replace does not block, and f begins when the running tasks have ended. The context
// of f is then done when the context with which the task of the key was started is done. Replace
// does not block either if ctx is that of a task that runs on the place of a task of the key,
// because of a Get or a full queue.
func (k *Keyed[K]) Replace(ctx context.Context, key K, f func(ctx context.Context)) error {
	t := k.task(ctx, key, f)
	set := k.tasks.SetWithin(ctx, key)
	if set != nil {
		t.parent = succeeding(ctx, set)
	}
	t.Enter(t.parent, &k.pool.scheduler)
	return k.tasks.Replace(ctx, key, &t.KeyTask, set != nil)
}

// WaitKey blocks until no task of the key is left. It raises the first panic of a task, with the
// further ones as its Others. It calls Goexit if no task has panicked but a task has called Goexit.
// Every WaitKey and Wait that is blocked when the last task ends raises this. If none is blocked,
// the next one raises it. No later one raises it again. WaitKey returns nil, or [ErrClosed] if
// Shutdown has dropped tasks of the key. It returns a [*core.StuckError] if ctx is done first.
//
// WaitKey lends the place of the task of ctx, if that is a task of the pool, to tasks of the key
// that have not begun, one after another. WaitKey gives up only after a task that runs on the lent
// place has ended, has itself lent the place, or is blocked in Replace. WaitKey panics if ctx is
// nil, or if it is that of a task of the key that runs: that task would wait for itself.
func (k *Keyed[K]) WaitKey(ctx context.Context, key K) error {
	checkContext(ctx)
	k.check(key)
	if k.tasks.RunsInnermost(ctx, key) {
		panic("pool: WaitKey within one of the key's own tasks")
	}
	raise, err := k.tasks.WaitKey(ctx, key)
	if raise != nil {
		raise()
	}
	return err
}

// Wait blocks until no task of any key is left, and raises their panics and Goexits as WaitKey
// does. It panics if a task of the pool calls it, because Wait has no context and so cannot lend
// the task's place.
func (k *Keyed[K]) Wait() {
	k.checkMade()
	if k.pool.scheduler.Running() > 0 {
		k.pool.checkOutside(k.pool.scheduler.IsWorker(), "Wait of a Keyed")
	}
	k.tasks.Wait()
}

// task checks the arguments and returns a task that runs f.
func (k *Keyed[K]) task(ctx context.Context, key K, f func(ctx context.Context)) *keyedTask {
	checkFunc(f == nil)
	checkContext(ctx)
	k.check(key)
	t := &keyedTask{parent: ctx, f: f}
	t.KeyTask.Init(t)
	return t
}

type keyedTask struct {
	sched.KeyTask
	sched.Context // its parent is ctx, so that a Replace ends it
	ctx           taskContext
	parent        context.Context // the context with which the task is started
	f             func(ctx context.Context)
}

// Run calls f, unless the context is done.
func (t *keyedTask) Run(w *sched.Worker) {
	parent := outlived(t.parent)
	t.parent = nil
	t.Attach(parent, t.Set())
	if t.Err() != nil {
		t.Skip(w)
		return
	}
	t.ctx.begin(t.Context.Context, parent, t.Set())
	t.BeginWithin(w, &t.ctx)
	defer t.End(w)
	defer t.ctx.end()
	f := t.f
	t.f = nil
	f(&t.Context)
	w.Returned()
}

// Replaced implements [sched.Replaceable].
func (t *keyedTask) Replaced() { t.ctx.replace() }
