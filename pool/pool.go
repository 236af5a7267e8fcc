package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// ErrClosed says that a pool was closed before a task could start.
var ErrClosed = errors.New("pool: closed")

// A Pool runs tasks on at most so many workers, and lets a bounded number of
// further tasks wait.
//
// Use [New]. The zero value is a pool of GOMAXPROCS workers with the zero [Options]. Workers
// start when there is work, wait for more when there is none, and end when they have been idle
// for Options.IdleAfter. A pool has no goroutine besides its workers. A pool that is not used
// holds none, so it need not be closed. A Pool must not be copied; go vet reports it.
//
// # Tasks that wait for tasks
//
// A task that was started with a context (by a GoContext or by [Submit]) gets one that stands
// for its place on a worker. A task that waits with it for other tasks of the pool lends them
// the place: [Batch.Wait] lends it to the tasks of a batch that was made with it, Future.Get to
// a task that was submitted with it, [Keyed.WaitKey] to the tasks of a key, and a GoContext
// that finds the queue full to its own task. So waits may nest to any depth on any number of
// workers. A task that waits without such a context, as in the pool's Go, keeps its worker from
// the others.
//
// One place is lent to one task at a time as long as the task that holds it waits in its own
// goroutine. If it starts goroutines that wait with its context while it works, each of them
// may have a task run beyond the limit; the alternative would be a deadlock. Tasks of a Keyed
// that have waited for their key stand in the queue beyond its length.
//
// # What tasks share
//
// One worker runs many tasks. What a task does to its goroutine reaches the next: a
// runtime.LockOSThread without its unlock, and pprof labels that a task without a context sets
// and does not reset. docs/guide/goroutines.md has the complete list, and [Options.Isolate]
// prevents that. Workers start without labels, whoever's
// task it was that they were started for.
//
// In the terminology of [the Go memory model], a call of Go, or of its kin,
// "synchronizes before" the task that it starts, and the end of a task before the
// return of any Wait, Close or Get that covers it. In a pool of one worker, each task is
// ordered before the next. Nothing else is ordered: in -race builds each task has a
// goroutine of its own, so that races between tasks are reported.
//
// [the Go memory model]: https://go.dev/ref/mem
type Pool struct {
	scheduler sched.Scheduler

	config  sched.Config // written before begun is set, read after, like options
	options Options
	begun   atomic.Bool
	mu      sync.Mutex // held to begin a zero pool
}

// New returns a pool that runs at most so many tasks at once; 0 stands for GOMAXPROCS. It
// starts no goroutine. It panics if workers or an option is negative.
func New(workers int, opts Options) *Pool {
	if workers < 0 {
		panic(fmt.Sprintf("pool: negative workers, got %d", workers))
	}
	p := &Pool{options: opts.checked()}
	p.init(workers)
	return p
}

func (p *Pool) init(workers int) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p.config = sched.Config{
		Kind: "pool", Name: p.options.Name, IdleAfter: p.options.IdleAfter, Isolate: p.options.Isolate,
	}
	p.config.Nest(context.Background())
	p.config.Base = context.Background()
	if p.config.Labels != nil {
		p.config.Base = p.config.Labels
	}
	p.scheduler.Owner = (*owner)(p)
	p.scheduler.Limit(workers, p.options.Queue)
	p.scheduler.Register(context.Background())
	p.begun.Store(true)
}

// begin makes a zero pool ready for use.
func (p *Pool) begin() {
	if !p.begun.Load() {
		p.beginSlow()
	}
}

func (p *Pool) beginSlow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun.Load() {
		p.options = Options{}.checked()
		p.init(0)
	}
}

// Go starts f on a worker, as soon as one is free. It blocks while the queue is
// full; blocked submitters are served in the order in which they came. It panics
// if the pool is closed. If all tasks that run have waited in Go for room in their own pool for
// a second, Go panics in the oldest of them.
//
// Nobody waits for f in particular: a panic of f goes to Options.OnPanic, or else
// ends the process. If f calls Goexit, f has ended.
//
// To start and run a task that does nothing takes some 15 ns of processor time, and
// no allocation.
func (p *Pool) Go(f func()) {
	checkFunc(f == nil)
	p.begin()
	if !p.scheduler.Go(nil, p.task(f)) {
		p.refuse()
	}
}

// task returns f as a task without a context.
func (p *Pool) task(f func()) sched.Task {
	if p.config.Labels == nil {
		return sched.Func(f)
	}
	return p.scheduler.InOwner(sched.Func(f))
}

// TryGo starts f on a worker, as Go does, or reports false if the queue is full or
// somebody waits for room in it, or if the pool is closed. It never blocks.
func (p *Pool) TryGo(f func()) bool {
	checkFunc(f == nil)
	p.begin()
	return p.scheduler.TryGo(nil, p.task(f)) == nil
}

// GoContext starts f, as Go does, with a context derived from ctx. It waits for
// room in the queue only until ctx is done, and then returns [context.Cause] of
// ctx; f does not run then, as it does not if ctx is done already. After Close it
// returns [ErrClosed], except to the tasks of the pool that have not ended.
//
// If ctx is done when f's turn comes, f does not run either, and is counted as
// dropped. If ctx comes from a task of this pool, and the queue is full, f runs
// before GoContext returns, in a goroutine of its own for which GoContext waits, so
// that a Goexit of f ends only f. A GoContext costs one allocation.
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
	return closedError(p.scheduler.GoContext(ctx, set, t))
}

// closedError returns err, or the pool's own for the scheduler's.
func closedError(err error) error {
	if err == sched.ErrClosed {
		return ErrClosed
	}
	return err
}

// Wait blocks until every task has ended, those of batches among them. It panics if
// a task of the pool calls it, for which it would wait, or a function that a GoContext, of whatever
// owner, runs in place for that task.
func (p *Pool) Wait() {
	p.begin()
	if p.scheduler.Running() > 0 {
		p.checkNotWorker("Wait")
	}
	_ = p.scheduler.Wait(nil)
}

// WaitContext is Wait that gives up when ctx is done, with a [*core.StuckError]; it
// starts no goroutine and can be called again. It panics if ctx is that of a task of
// this pool, for which it would wait.
func (p *Pool) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	p.begin()
	p.checkOutside(ctx, "WaitContext")
	return p.scheduler.WaitContext(ctx)
}

// SetWorkers changes how many tasks may run at once, at any time. When that is
// fewer than run now, those that run go on, and none starts until enough of them
// have ended. 0 pauses the pool: no task starts. It never blocks. It panics if n is negative.
func (p *Pool) SetWorkers(n int) {
	if n < 0 {
		panic(fmt.Sprintf("pool: negative workers, got %d", n))
	}
	p.begin()
	p.scheduler.SetWorkers(n)
}

// Close refuses new tasks, and returns when all that were accepted have ended, and
// the workers too. A submitter that waits for room in the queue still gets it, and a task
// that has not ended may start further ones with its context. Close
// may be called several times, and by several goroutines; it panics if a task of
// the pool calls it, for which it would wait. It takes some microseconds to find that
// out.
func (p *Pool) Close() {
	p.begin()
	p.checkNotWorker("Close")
	p.scheduler.Shut()
	_ = p.scheduler.Join(nil)
}

// Shutdown is Close that waits only until ctx is done. Then it drops the tasks
// that have not begun, which Stats counts and whose futures and batches report
// [ErrClosed], and returns a [*core.StuckError] that says who is still running and how many
// tasks were dropped. It may be called again, to go on waiting. It panics, as Close does, if a
// task of the pool calls it.
//
// A submitter that waits in GoContext or Submit for room gets ErrClosed when Shutdown gives up.
// One that waits in Go returns: its task counts as dropped.
func (p *Pool) Shutdown(ctx context.Context) error {
	checkContext(ctx)
	p.begin()
	p.checkOutside(ctx, "Shutdown")
	p.checkNotWorker("Shutdown")
	p.scheduler.Shut()
	err := p.scheduler.Join(ctx)
	if err == nil {
		return nil
	}
	dropped := p.scheduler.Drop(func(set *sched.Set) {
		if b, ok := set.Owner.(*Batch); ok {
			b.lose(ErrClosed)
		}
	})
	for _, d := range dropped {
		if t, ok := sched.Unnamed(d.Task).(droppable); ok {
			t.drop(ErrClosed)
		}
	}
	stuck := p.scheduler.StuckNow(err)
	stuck.Dropped = len(dropped)
	if stuck.Running == 0 {
		_ = p.scheduler.Join(nil) // only for the workers
		if len(dropped) == 0 {
			return nil
		}
	}
	return stuck
}

func (p *Pool) refuse() { panic("pool: Go on " + p.scheduler.Title() + ", which is closed") }

// checkNotWorker panics if the caller's goroutine runs a task of the pool.
func (p *Pool) checkNotWorker(method string) {
	if p.scheduler.IsWorker() {
		panic("pool: " + method + " within one of the pool's own tasks")
	}
}

// checkOutside panics if ctx is that of one of the pool's tasks.
func (p *Pool) checkOutside(ctx context.Context, method string) {
	if p.scheduler.Runs(ctx, nil) {
		panic("pool: " + method + " within one of the pool's own tasks")
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

// poolOf returns the pool of the innermost task of a pool that ctx derives from and that has
// not ended, or nil.
func poolOf(ctx context.Context) *Pool {
	for o := range sched.Owners(ctx) {
		if p, ok := o.(*owner); ok {
			return (*Pool)(p)
		}
	}
	return nil
}

// An owner is what a pool is to its scheduler.
type owner Pool

// Config returns the settings.
func (o *owner) Config() *sched.Config { return &o.config }

// Aborted gives the panic to whoever waits for the task. A panic for which nobody waits goes to
// OnPanic, or ends the process.
func (o *owner) Aborted(_ *sched.Scheduler, set *sched.Set, t sched.Task, p *core.PanicError) {
	switch t := sched.Unnamed(t).(type) {
	case loopTask: // the loop knows
		return
	case future:
		if t.told() {
			return
		}
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
type future interface{ told() bool }

// A droppable task has somebody to be told if it never runs.
type droppable interface{ drop(err error) }

// A contextTask is a task with a context.
type contextTask struct {
	sched.Context
	batch *Batch // nil for a task of the pool itself
	f     func(ctx context.Context)
}

// Run calls the function, unless the context is done.
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
	t.Returned()
}
