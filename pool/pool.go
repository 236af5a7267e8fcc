package pool

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// ErrClosed is the error for a task that the pool did not accept, or dropped, because it was
// closed.
var ErrClosed = sched.ErrClosed

// A Pool runs tasks on a bounded number of workers. A bounded number of further tasks may wait in
// its queue.
//
// Use [New]. The zero value is a pool of GOMAXPROCS workers with the zero [Options]. Workers start
// when there are tasks, and end when they have been idle for Options.IdleAfter. A pool has no other
// goroutines. An idle pool has none after IdleAfter, so it need not be closed. A Pool must not be
// copied; go vet reports a copy.
//
// # Tasks that wait for tasks
//
// A task that was started with a context, by a GoContext or by [Submit], gets a context that stands
// for its place on a worker. If the task waits with this context for other tasks of the pool, it
// lends them the place. [Batch.Wait] lends it to the tasks of a batch that was made with the
// context. Future.Get lends it to a task that was submitted with the context. [Keyed.WaitKey] lends
// it to the tasks of a key. A GoContext that finds the queue full lends it to the new task. So
// waits may nest to any depth on any number of workers. A task without such a context, for example
// one of Go, keeps its worker while it waits.
//
// A caller that holds no place lends none. Wait and Get lend the place of a task only if they are
// called in the task's own goroutine, or in the goroutine that made the batch or the future with
// the task's context. In any other goroutine call WaitContext or GetContext with the task's
// context. A Wait or Get that blocks takes microseconds to check its goroutine.
//
// A place is lent to one task at a time if the task that holds it waits in its own goroutine. If
// that task starts goroutines that wait with its context, or that call Go of a batch of the task
// while the queue is full, each of them may have a task run beyond the limit; the alternative would
// be a deadlock. The same holds for a WaitContext or WaitKey that gives up while the task on the
// lent place has itself lent that place, or is blocked in [Keyed.Replace]. Otherwise tasks that
// wait in a circle could not give up.
//
// The queue may hold more than Options.Queue tasks, because tasks of a Keyed that have waited for
// their key take no room in it.
//
// # What tasks share
//
// One worker runs many tasks. State of its goroutine may pass from one task to the next: a
// runtime.LockOSThread without its unlock, and pprof labels that a task without a context sets and
// does not reset. [docs/guide/goroutines.md] has the complete list. [Options.Isolate] prevents it.
// Workers start without the labels of the goroutine that starts them.
//
// In the terminology of [the Go memory model], a call that starts a task "synchronizes before" the
// task, and the end of a task before the return of any Wait, Close or Get that covers it. In a pool
// of one worker, the end of each task synchronizes before the next. Nothing else is ordered. In
// -race builds each task has a goroutine of its own, so that races between tasks are reported.
//
// [the Go memory model]: https://go.dev/ref/mem
// [docs/guide/goroutines.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/goroutines.md
type Pool struct {
	scheduler sched.Scheduler

	begun   sync.Once // sets config and options, and makes the scheduler use them
	config  sched.Config
	options Options
}

// New returns a pool that runs at most workers tasks at once; 0 means GOMAXPROCS. It starts no
// goroutine. It panics if workers or an option is negative.
func New(workers int, opts Options) *Pool {
	checkNumber("workers", workers)
	p := new(Pool)
	p.begun.Do(func() { p.init(workers, opts) })
	return p
}

func (p *Pool) init(workers int, opts Options) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p.options = opts.checked()
	p.config = sched.Config{
		Kind: "pool", Name: p.options.Name, IdleAfter: p.options.IdleAfter, Isolate: p.options.Isolate,
	}
	p.config.Nest(context.Background())
	p.config.Base = cmp.Or(p.config.Labels, context.Background())
	p.scheduler.Owner, p.scheduler.Config = (*owner)(p), &p.config
	p.scheduler.Limit(workers, p.options.Queue)
	p.scheduler.Register(context.Background())
}

// begin initializes a zero pool.
func (p *Pool) begin() { p.begun.Do(p.initZero) }

func (p *Pool) initZero() { p.init(0, Options{}) }

// Go puts f into the queue; a worker runs it as soon as one is free. Go blocks while the queue is
// full. Blocked submitters are served in the order in which they came. Go panics if f is nil or the
// pool is closed. If every running task has been blocked in Go of its own pool for a second, Go
// panics in the oldest of them.
//
// A panic of f goes to Options.OnPanic, or ends the process if OnPanic is nil. A Goexit of f ends
// only the task.
//
// An empty task costs some tens of nanoseconds, and no allocation.
func (p *Pool) Go(f func()) {
	checkFunc(f == nil)
	p.begin()
	if !p.scheduler.Go(nil, p.task(f)) {
		p.refuse()
	}
}

// task returns a task without a context that runs f.
func (p *Pool) task(f func()) sched.Task {
	if p.config.Labels == nil {
		return sched.Func(f)
	}
	return p.scheduler.InOwner(sched.Func(f))
}

// TryGo is Go, but does not block. It reports false, and f does not run, if the queue is full, a
// submitter waits for room in it, or the pool is closed. It panics if f is nil.
func (p *Pool) TryGo(f func()) bool {
	checkFunc(f == nil)
	p.begin()
	return p.scheduler.TryGo(nil, p.task(f)) == nil
}

// GoContext is Go for a function that takes a context. f gets a context derived from ctx. GoContext
// returns [context.Cause] of ctx, and f does not run, if ctx is done at the call or before there is
// room in the queue. It returns [ErrClosed] after Close, except to tasks of the pool that have not
// ended. It panics if ctx or f is nil.
//
// f does not run, and Stats counts it as dropped, if ctx is done when a worker takes it. f runs on
// the place of the task from which ctx comes, in a goroutine of its own, if that is a task of this
// pool and the queue is full. GoContext then blocks until f has ended. GoContext costs one
// allocation.
func (p *Pool) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	checkFunc(f == nil)
	checkContext(ctx)
	p.begin()
	return p.goContext(ctx, nil, f)
}

func (p *Pool) goContext(ctx context.Context, b *Batch, f func(ctx context.Context)) error {
	t := &contextTask{f: f, batch: b}
	var set *sched.Set
	if b != nil {
		set = b.set
	}
	t.Init(ctx, &p.scheduler, set)
	return p.scheduler.GoContext(ctx, set, t)
}

// Wait blocks until every task has ended, also those of batches. It panics if a task of the pool
// calls it: that task would wait for itself.
func (p *Pool) Wait() {
	p.begin()
	if p.scheduler.Running() > 0 {
		p.checkOutside(p.scheduler.IsWorker(), "Wait")
	}
	_ = p.scheduler.Wait(nil)
}

// WaitContext is Wait, but returns a [*core.StuckError] if ctx is done first, up to 7 ms after
// that, so that a task that has just ended does not count. The tasks run on, and WaitContext can be
// called again. It starts no goroutine. It panics if ctx is nil, or if it derives from the context
// of a task of this pool that runs: that task would wait for itself.
func (p *Pool) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	p.begin()
	p.checkOutside(p.scheduler.Runs(ctx, nil), "WaitContext")
	return p.scheduler.WaitContext(ctx)
}

// SetWorkers changes how many tasks may run at once. It may be called at any time. Tasks that run
// are not affected. No task starts until fewer than n run, and none if n is 0, except on the place
// of a task that waits for it; see [Pool]. SetWorkers does not block. It panics if n is negative.
func (p *Pool) SetWorkers(n int) {
	checkNumber("workers", n)
	p.begin()
	p.scheduler.SetWorkers(n)
}

// Close refuses new tasks, and blocks until all accepted tasks and all workers have ended. The
// tasks of submitters that are already blocked are still accepted. A task that has not ended may
// still start tasks with its context. Close may be called several times, and by several goroutines.
// It panics if a task of the pool calls it: that task would wait for itself. This check takes some
// microseconds.
func (p *Pool) Close() {
	p.begin()
	p.checkOutside(p.scheduler.IsWorker(), "Close")
	p.scheduler.ClosePool()
	_ = p.scheduler.Join(nil)
}

// Shutdown is Close, but gives up when ctx is done. Then it drops the tasks that have not begun,
// and returns a [*core.StuckError]. That lists the named tasks that run, and has the number of
// dropped tasks. Stats counts the dropped tasks; their futures and batches return [ErrClosed].
// Shutdown may be called again, to wait for the tasks that run. It panics if ctx is nil, or if a
// task of the pool calls it.
//
// A GoContext or Submit that is blocked for room returns ErrClosed when Shutdown gives up. A Go
// that is blocked returns, and its task counts as dropped.
func (p *Pool) Shutdown(ctx context.Context) error {
	checkContext(ctx)
	p.begin()
	p.checkOutside(p.scheduler.Runs(ctx, nil), "Shutdown")
	p.checkOutside(p.scheduler.IsWorker(), "Shutdown")
	p.scheduler.ClosePool()
	err := p.scheduler.Join(ctx)
	if err == nil {
		return nil
	}
	dropped := p.scheduler.Drop()
	stuck := p.scheduler.Stuck(err)
	stuck.Dropped = dropped
	if stuck.Running == 0 {
		_ = p.scheduler.Join(nil) // no task is left: this waits for the workers
		if dropped == 0 {
			return nil
		}
	}
	return stuck
}

func (p *Pool) refuse() { panic("pool: Go on " + p.scheduler.Title() + ", which is closed") }

// checkOutside panics if inside says that the caller is a task of the pool.
func (p *Pool) checkOutside(inside bool, method string) {
	if inside {
		panic("pool: " + method + " within one of the pool's own tasks")
	}
}

// checkNumber panics if n is negative.
func checkNumber[N int | time.Duration](name string, n N) {
	if n < 0 {
		panic(fmt.Sprintf("pool: negative %s, got %v", name, n))
	}
}

func checkFunc(isNil bool) {
	if isNil {
		panic("pool: nil func")
	}
}

func checkContext(ctx context.Context) {
	if ctx == nil {
		panic("pool: nil context")
	}
}

// poolOf returns the pool of the innermost pool task that has not ended and from whose context ctx
// derives. It returns nil if there is none.
func poolOf(ctx context.Context) *Pool {
	for s := range sched.Schedulers(ctx) {
		if p, ok := race.Load(&s.Owner).(*owner); ok {
			return (*Pool)(p)
		}
	}
	return nil
}

// An owner is the sched.Owner of a pool.
type owner Pool

// Aborted gives the panic to the waits for the task. The panic goes to OnPanic, or ends the
// process, if there is no such wait.
func (o *owner) Aborted(_ *sched.Scheduler, set *sched.Set, t sched.Task, p *core.PanicError) {
	switch t.(type) {
	case loopTask, future: // the loop or Get raises it
		return
	}
	switch {
	case set != nil:
		set.Fail(p)
	case p == nil:
	case o.options.OnPanic == nil:
		panic(p.Value)
	default:
		o.options.OnPanic(p)
	}
}

// A future is a task whose panic its Get raises.
type future interface{ Drop(err error) }

type contextTask struct {
	sched.Context
	batch *Batch // nil for a task of the pool itself
	f     func(ctx context.Context)
}

// Run calls f, unless the context is done.
func (t *contextTask) Run(w *sched.Worker) {
	if t.Err() != nil {
		t.Skip(w)
		if t.batch != nil {
			t.batch.lose(context.Cause(&t.Context))
		}
		return
	}
	t.Begin(w)
	defer t.End(w)
	f := t.f
	t.f = nil
	f(&t.Context)
	w.Returned()
}
