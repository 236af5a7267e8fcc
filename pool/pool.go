package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// ErrClosed says that a pool was closed before a task could start.
var ErrClosed = errors.New("pool: closed")

// A Pool runs tasks on at most so many workers, and lets a bounded number of
// further tasks wait.
//
// Use [New]. Workers start when there is work, wait for more when there is none,
// and end when they have been idle for Options.IdleAfter. A pool has no goroutine
// besides its workers. A pool that is not used holds none, so it need not be
// closed. A Pool must not be copied; go vet reports it.
//
// # Tasks that wait for tasks
//
// A task that was started with a context (by a GoContext or by [Submit]) gets one
// that stands for its place on a worker. Whoever waits with that for other tasks
// of the pool lends them the place: [Batch.Wait] runs the tasks of a batch that
// was made with it, as far as no worker has begun them; Future.Get does so for a
// task that was submitted with it; and a task that is started with it while the
// queue is full runs at once. So waits may nest to any depth on any number of
// workers, and still no more tasks run than there are workers. A task that waits
// without such a context, as in the pool's Go, keeps its worker from the others.
//
// One place is lent to one waiter at a time as long as a task waits in its own
// goroutine. If it starts others, and they wait with its context while it works,
// each of them may run a task beyond the limit; the alternative would be a deadlock.
//
// # What tasks share
//
// One worker runs many tasks. What a task does to its goroutine reaches the next: a
// runtime.LockOSThread without its unlock, and in a pool without a name pprof labels.
// Workers start without labels, whoever's task it was that they were started for.
//
// In the terminology of [the Go memory model], a call of Go, or of its kin,
// "synchronizes before" the task that it starts, and the end of a task before the
// return of any Wait, Close or Get that covers it. Nothing else is ordered, in
// particular not two tasks, even on one worker: in -race builds each task has a
// goroutine of its own, so that races between them are reported.
//
// [the Go memory model]: https://go.dev/ref/mem
type Pool struct {
	_ noCopy

	// What a submission needs stands in the 64 bytes that begin with mu, up to the
	// ring's slots: in pieces of that size processors fetch from one another what
	// the other has written.

	mu sync.Mutex // guards what is Guarded; nothing blocks while it is held

	// A worker is spare from when it is started or woken, or yields because it has
	// found no task, until it has looked for one. The invariant, true whenever mu is free, is
	//
	//	no task waits, or a worker is spare, or limit workers are awake.
	spare  core.Guarded[int32]
	vacant core.Guarded[int32] // limit without those awake; less than zero if it has shrunk below them

	ring ring

	limit      core.Guarded[int32]
	portion    core.Guarded[*portion] // the current one; nil if there is none
	spares     core.Guarded[*portion] // portions for later, linked by next
	submitters submitterQueue         // who wait for room in the ring, in the order in which they came
	passing    core.Guarded[uint64]   // the position up to which others may pass them; 0 if they may not
	workers    core.Guarded[int]
	idle       core.Guarded[*worker] // a stack, linked by below and above
	first      core.Guarded[*worker] // of all, linked by prev and next
	closed     core.Guarded[bool]

	// What Stats needs besides. Submitted is the ring's tail and startedHere;
	// Completed follows from the others.
	startedHere, panicked, dropped core.Guarded[uint64]
	helped                         core.Guarded[int] // tasks that run, and no worker has taken

	options Options
	born    atomic.Bool     // orders New before the workers, which nothing else does in -race builds
	labels  context.Context // holds the pprof labels; nil without a name

	// working counts the workers that are awake: that have a task, or will look
	// for one before they go idle. There is one whenever the queue is not empty,
	// so a zero means that every task has ended.
	working core.WaitGroup
	alive   core.WaitGroup // counts the workers
}

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// New returns a pool that runs at most so many tasks at once. It starts no
// goroutine. It panics if workers is less than 1, or if an option is negative.
func New(workers int, opts Options) *Pool {
	checkWorkers(workers)
	p := &Pool{options: opts.checked()}
	if opts.Name != "" {
		p.labels, _ = group.Scope(context.Background(), opts.Name)
	}
	p.ring.init(p.options.Queue)
	p.openLocked()
	p.limit.Store(clamped(workers))
	p.vacant.Store(clamped(workers))
	p.born.Store(true)
	return p
}

func clamped(n int) int32 { return int32(min(n, math.MaxInt32)) }

func checkWorkers(n int) {
	if n < 1 {
		panic(fmt.Sprintf("pool: workers must be at least 1, got %d", n))
	}
}

// Go starts f on a worker, as soon as one is free. It blocks while the queue is
// full; submitters who block are served in the order in which they came. It panics
// if the pool is closed.
//
// Nobody waits for f in particular: a panic of f goes to Options.OnPanic, or else
// ends the process. If f calls Goexit, f has ended.
//
// To start and run a task that does nothing takes some 15 ns of processor time, and
// no allocation.
func (p *Pool) Go(f func()) {
	checkFunc(f == nil)
	t := alone(plain(f))
	core.RaceDisable() // from here on it is start, the call of which would be a tenth of the whole
	p.mu.Lock()
	if p.isQuickLocked(nil) {
		p.ring.pushOwn(t)
		p.mu.Unlock()
		core.RaceEnable()
		return
	}
	if p.startLocked(forever, t, nil, false, nil) != nil {
		panic("pool: Go on a closed pool")
	}
}

// TryGo starts f on a worker, as Go does, or reports false if the queue is full or
// somebody waits for room in it, or if the pool is closed. It never blocks.
func (p *Pool) TryGo(f func()) bool {
	checkFunc(f == nil)
	return p.push(alone(plain(f)), nil) == accepted
}

// GoContext starts f, as Go does, with a context derived from ctx. It waits for
// room in the queue only until ctx is done, and then returns [context.Cause] of
// ctx; f does not run then, as it does not if ctx is done already. After Close it
// returns [ErrClosed].
//
// If ctx is done when f's turn comes, f does not run either, and is counted as
// dropped. If ctx comes from a task of this pool, and the queue is full, f runs
// before GoContext returns, in a goroutine of its own for which GoContext waits, so
// that a Goexit of f ends only f. A GoContext costs one allocation.
func (p *Pool) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	checkFunc(f == nil)
	return p.goContext(ctx, f, nil)
}

func (p *Pool) goContext(ctx context.Context, f func(ctx context.Context), b *Batch) error {
	checkContext(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return p.start(ctx, &contextTask{taskContext: newTaskContext(ctx, p, b), f: f}, b, nil)
}

// Wait blocks until every task has ended, those of batches among them. It panics if
// a task of the pool calls it, for which it would wait.
func (p *Pool) Wait() {
	if p.working.Count() > 0 && onWorker() {
		p.checkNotWorker("Wait")
	}
	p.working.Wait()
}

// WaitContext is Wait that gives up when ctx is done, with a [*group.StuckError]; it
// starts no goroutine and can be called again. It panics if ctx is that of a task of
// this pool, for which it would wait.
func (p *Pool) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	p.checkOutside(ctx, "WaitContext")
	if err := p.working.WaitContext(ctx); err != nil {
		return p.stuck(err)
	}
	return nil
}

// SetWorkers changes how many tasks may run at once, at any time. When that is
// fewer than run now, those that run go on, and none starts until enough of them
// have ended. It never blocks. It panics if n is less than 1.
func (p *Pool) SetWorkers(n int) {
	checkWorkers(n)
	core.RaceDisable()
	p.mu.Lock()
	p.vacant.Store(p.vacant.Load() + clamped(n) - p.limit.Load())
	p.limit.Store(clamped(n))
	p.recallLocked()
	var roused rousing
	for p.ring.len() > 0 && int(p.spare.Load()) < p.ring.len() && p.vacant.Load() > 0 {
		p.rouseLocked(&roused)
	}
	for surplus := p.workers.Load() - n; surplus > 0 && p.idle.Load() != nil; surplus-- {
		p.rouseLocked(&roused) // to find that it is one too many
	}
	p.mu.Unlock()
	p.rouse(&roused)
	core.RaceEnable()
}

// Close refuses new tasks, and returns when all that were accepted have ended, and
// the workers too. Whoever waits in Go for room in the queue still gets it. Close
// may be called several times, and by several goroutines; it panics if a task of
// the pool calls it, for which it would wait. It takes some microseconds to find that
// out.
func (p *Pool) Close() {
	p.checkNotWorker("Close")
	p.close()
	p.alive.Wait()
	p.working.Wait() // returns at once, after all tasks in the eyes of the race detector
}

// Shutdown is Close that has patience until ctx is done. Then it drops the tasks
// that have not begun, which Stats counts and whose futures and batches report
// [ErrClosed], and returns a [*group.StuckError] that says who is still running.
// It may be called again, to go on waiting. It panics, as Close does, if a task of the
// pool calls it.
//
// Whoever waits in GoContext or Submit for room gets ErrClosed when Shutdown gives up,
// and whoever waits in Go returns: that task counts as dropped.
func (p *Pool) Shutdown(ctx context.Context) error {
	checkContext(ctx)
	p.checkOutside(ctx, "Shutdown")
	p.checkNotWorker("Shutdown")
	p.close()
	err := p.alive.WaitContext(ctx)
	if err == nil {
		p.working.Wait()
		return nil
	}
	dropped := p.drop()
	stuck := p.stuck(err)
	if stuck.Running == 0 {
		p.alive.Wait() // only for the workers
		p.working.Wait()
		if dropped == 0 {
			return nil
		}
	}
	return stuck
}

// close refuses new tasks and sends the idle workers home.
func (p *Pool) close() {
	core.RaceDisable()
	p.mu.Lock()
	p.closed.Store(true)
	p.openLocked()
	var roused rousing
	for p.idle.Load() != nil {
		p.rouseLocked(&roused)
	}
	p.mu.Unlock()
	p.rouse(&roused)
	core.RaceEnable()
}

// drop drops what waits, in the ring and for it, and returns how much that was. Who
// waits in Go cannot be told, so those tasks count as accepted.
func (p *Pool) drop() int {
	var dropped []ticket
	var ended []*Batch
	core.RaceDisable()
	p.mu.Lock()
	p.recallLocked()
	for t, ok := p.ring.pop(); ok; t, ok = p.ring.pop() {
		dropped = append(dropped, t)
	}
	dismissed := p.dismissLocked()
	for s := dismissed; s != nil; s = s.next.Load() {
		s.got.Store(closed)
		if s.patient.Load() {
			s.got.Store(accepted)
			dropped = append(dropped, ticket{s.task.Load(), s.batch.Load()})
			p.beginHereLocked(s.batch.Load())
		}
	}
	p.dropped.Store(p.dropped.Load() + uint64(len(dropped)))
	for _, t := range dropped {
		if b := t.batch; b != nil {
			b.closed.Store(true)
			if b.endLocked() {
				ended = append(ended, b)
			}
		}
	}
	p.mu.Unlock()
	admission{dismissed}.wake()
	core.RaceEnable()
	for _, t := range dropped {
		t.task.drop(ErrClosed)
	}
	for _, b := range ended {
		b.done(p)
	}
	return len(dropped)
}

func (p *Pool) stuck(cause error) *group.StuckError {
	core.RaceDisable()
	p.mu.Lock()
	unfinished := p.waitingLocked() + p.runningLocked()
	var tasks []group.TaskRecord
	if p.options.Name != "" {
		for w := p.first.Load(); w != nil; w = w.next.Load() {
			if r := w.record.Load(); r.Name != "" {
				r.Goroutine = cmp.Or(w.turn.goroutine.Load(), r.Goroutine)
				tasks = append(tasks, r)
			}
		}
	}
	p.mu.Unlock()
	core.RaceEnable()
	return group.NewStuckError("pool", p.options.Name, unfinished, tasks, cause)
}

// checkOutside panics if ctx is that of one of the pool's tasks.
func (p *Pool) checkOutside(ctx context.Context, method string) {
	if taskOf(ctx, p) != nil {
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
