package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
type Pool struct {
	_       noCopy
	options Options
	born    atomic.Bool     // orders New before the workers, which nothing else does in -race builds
	labels  context.Context // holds the pprof labels; nil without a name

	// working counts the workers that are awake: that have a task, or will look
	// for one before they go idle. There is one whenever the queue is not empty,
	// so a zero means that every task has ended.
	working core.WaitGroup
	alive   core.WaitGroup // counts the workers

	mu sync.Mutex // guards what follows; nothing blocks while it is held

	ring       ring
	submitters submitterQueue    // who wait for room in the ring, in the order in which they came
	room       core.Guarded[int] // the ring's limit, or 0 if the pool is closed or somebody waits

	// A worker is spare from when it is started or woken until it has looked for
	// a task. The invariant, true whenever mu is free, is
	//
	//	the ring is empty, or a worker is spare, or limit workers are awake.
	limit   core.Guarded[int]
	workers core.Guarded[int]
	awake   core.Guarded[int]
	spare   core.Guarded[int]
	idle    core.Guarded[*worker] // a stack, linked by below and above
	first   core.Guarded[*worker] // of all, linked by prev and next

	closed core.Guarded[bool]

	// What Stats needs besides. Submitted is the ring's tail and startedHere;
	// Completed follows from the others.
	startedHere, panicked, dropped core.Guarded[uint64]
	helped                         core.Guarded[int] // tasks that run, and no worker has taken
}

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// New returns a pool that runs at most so many tasks at once. It starts no
// goroutine. It panics if workers is less than 1.
func New(workers int, opts Options) *Pool {
	checkWorkers(workers)
	p := &Pool{options: opts.checked()}
	if opts.Name != "" {
		p.labels, _ = group.Scope(context.Background(), opts.Name)
	}
	p.ring.init(p.options.Queue)
	p.roomLocked()
	p.limit.Store(workers)
	p.born.Store(true)
	return p
}

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
func (p *Pool) Go(f func()) {
	checkFunc(f == nil)
	if p.start(context.Background(), plain(f), nil, nil) != nil {
		panic("pool: Go on a closed pool")
	}
}

// TryGo starts f on a worker, as Go does, or reports false if the queue is full or
// somebody waits for room in it, or if the pool is closed.
func (p *Pool) TryGo(f func()) bool {
	checkFunc(f == nil)
	_, got := p.push(alone(plain(f)), nil)
	return got == accepted
}

// GoContext starts f, as Go does, with a context derived from ctx. It waits for
// room in the queue only until ctx is done, and then returns [context.Cause] of
// ctx; f does not run then, as it does not if ctx is done already. After Close it
// returns [ErrClosed].
//
// If ctx is done when f's turn comes, f does not run either, and is counted as
// dropped. If ctx comes from a task of this pool, and the queue is full, f runs
// before GoContext returns.
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

// Wait blocks until every task has ended, those of batches among them. It must not
// be called by a task of the pool, for which it would wait.
func (p *Pool) Wait() { p.working.Wait() }

// WaitContext is Wait that gives up when ctx is done, with a [*group.StuckError].
// It panics if ctx is that of a task of this pool, for which it would wait.
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
// have ended. It panics if n is less than 1.
func (p *Pool) SetWorkers(n int) {
	checkWorkers(n)
	core.RaceDisable()
	p.mu.Lock()
	p.limit.Store(n)
	var roused rousing
	for p.ring.len() > 0 && p.spare.Load() < p.ring.len() && p.awake.Load() < n {
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
// the pool calls it.
func (p *Pool) Close() {
	p.checkNotWorker("Close")
	p.close()
	p.alive.Wait()
}

// Shutdown is Close that has patience until ctx is done. Then it drops the tasks
// that have not begun, which Stats counts and whose futures and batches report
// [ErrClosed], and returns a [*group.StuckError] that says who is still running.
// It may be called again, to go on waiting. It panics if a task of the pool calls
// it.
func (p *Pool) Shutdown(ctx context.Context) error {
	checkContext(ctx)
	p.checkOutside(ctx, "Shutdown")
	p.checkNotWorker("Shutdown")
	p.close()
	err := p.alive.WaitContext(ctx)
	if err == nil {
		return nil
	}
	dropped := p.drop()
	stuck := p.stuck(err)
	if stuck.Running == 0 {
		p.alive.Wait() // only for the workers
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
	p.roomLocked()
	var roused rousing
	for p.idle.Load() != nil {
		p.rouseLocked(&roused)
	}
	p.mu.Unlock()
	p.rouse(&roused)
	core.RaceEnable()
}

// drop drops what waits, in the ring and for it, and returns how much that was.
func (p *Pool) drop() int {
	var all []ticket
	var ended []*Batch
	var refused *submitter
	core.RaceDisable()
	p.mu.Lock()
	for t, ok := p.ring.pop(); ok; t, ok = p.ring.pop() {
		all = append(all, t)
		p.dropped.Store(p.dropped.Load() + 1)
		if b := t.batch; b != nil {
			b.closed.Store(true)
			if b.endLocked() {
				ended = append(ended, b)
			}
		}
	}
	refused = p.dismissLocked()
	p.mu.Unlock()
	for refused != nil {
		next := refused.next.Load()
		refused.end(closed)
		refused = next
	}
	core.RaceEnable()
	for _, t := range all {
		t.task.drop(ErrClosed)
	}
	for _, b := range ended {
		b.done(p)
	}
	return len(all)
}

func (p *Pool) stuck(cause error) *group.StuckError {
	core.RaceDisable()
	p.mu.Lock()
	unfinished := p.ring.waiting() + p.runningLocked()
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

// checkNotWorker panics if the caller's goroutine is one of the workers.
func (p *Pool) checkNotWorker(method string) {
	ids := lineage()
	core.RaceDisable()
	p.mu.Lock()
	found := false
	for w := p.first.Load(); w != nil; w = w.next.Load() {
		found = found || slices.Contains(ids, w.record.Load().Goroutine)
	}
	p.mu.Unlock()
	core.RaceEnable()
	if found {
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

// start hands a task to the pool. It waits for room in the queue until ctx is
// done, unless ctx, or batch, is that of a task of this pool: then the task runs
// here. at, if not nil, gets the task's position in the ring.
func (p *Pool) start(ctx context.Context, t task, b *Batch, at *uint64) error {
	t = alone(t)
	pos, got := p.push(t, b)
	if got == full {
		if b.helpful() || taskOf(ctx, p) != nil {
			got = p.startHere(t, b)
		} else {
			pos, got = p.pushSlow(ctx, t, b)
		}
	}
	if at != nil {
		*at = pos
	}
	switch got {
	case accepted:
		return nil
	case closed:
		return ErrClosed
	default:
		return context.Cause(ctx)
	}
}

// An answer is what becomes of an attempt to hand over a task.
type answer int8

const (
	waiting answer = iota
	accepted
	full
	closed
	givenUp
)

// push puts a task into the ring if there is room and nobody waits for it, and
// sees to it that a worker will take it.
func (p *Pool) push(t task, b *Batch) (uint64, answer) {
	core.RaceDisable()
	p.mu.Lock()
	if p.ring.len() >= p.room.Load() {
		got := full
		if p.closed.Load() {
			got = closed
		}
		p.mu.Unlock()
		core.RaceEnable()
		return 0, got
	}
	pos := p.pushLocked(t, b)
	if !p.lacksLocked() && (b == nil || b.helpers.Load() == nil) {
		p.mu.Unlock()
	} else {
		p.unlockSlow(b)
	}
	core.RaceEnable()
	return pos, accepted
}

// unlockSlow gives mu free, when a task has been put into the ring, and sees to it
// that somebody will take it.
func (p *Pool) unlockSlow(b *Batch) {
	var roused rousing
	if p.lacksLocked() {
		p.rouseLocked(&roused)
	}
	helper := b.helperLocked()
	p.mu.Unlock()
	p.rouse(&roused)
	helper.wake()
}

func (p *Pool) pushLocked(t task, b *Batch) uint64 {
	if b != nil {
		b.beginLocked()
	}
	return p.ring.push(t, b)
}

// runningLocked returns the number of tasks that run.
func (p *Pool) runningLocked() int {
	return p.awake.Load() - p.spare.Load() + p.helped.Load()
}

// lacksLocked reports whether a further worker is needed to keep the invariant.
func (p *Pool) lacksLocked() bool {
	return p.ring.len() > 0 && p.spare.Load() == 0 && p.awake.Load() < p.limit.Load()
}

// A rousing is the workers that are to be woken or started once mu is free; they
// count as spare already.
type rousing struct {
	woken *worker // the first of those that were idle, linked by below
	fresh int
}

// rouseLocked wakes an idle worker, or starts one.
func (p *Pool) rouseLocked(r *rousing) {
	p.awake.Store(p.awake.Load() + 1)
	p.spare.Store(p.spare.Load() + 1)
	p.working.Add(1)
	w := p.idle.Load()
	if w == nil {
		p.workers.Store(p.workers.Load() + 1)
		p.alive.Add(1)
		r.fresh++
		return
	}
	p.leaveIdleLocked(w)
	w.below.Store(r.woken)
	r.woken = w
}

// rouse is called when mu is free.
func (p *Pool) rouse(r *rousing) {
	for w := r.woken; w != nil; {
		next := w.below.Load()
		w.wake.Load() <- true
		w = next
	}
	for range r.fresh {
		go p.work()
	}
}

// A turn is a task that has been taken and runs or has run.
type turn struct {
	ticket
	end       core.Guarded[end]
	cause     core.Guarded[error]  // why it was skipped
	goroutine core.Guarded[uint64] // the task's, if executeAlone runs it
}

// An end is how a task ended.
type end int8

const (
	completed end = iota // by return or Goexit
	panicked
	skipped // it did not run, because its context was done
)

// run runs the task.
func (t *turn) run() {
	if err := t.task.run(); err != nil {
		t.end.Store(skipped)
		t.cause.Store(err)
	}
}

// execute runs the task of a turn.
func (p *Pool) execute(t *turn) {
	if core.RaceHidden {
		p.executeAlone(t)
		return
	}
	if f, ok := t.task.(plain); ok && p.labels == nil {
		f()
		return
	}
	p.label(t)
	t.run()
}

// aborted is called in a goroutine whose task has panicked, or, if pe is nil, has
// called Goexit. If OnPanic calls Goexit, leave is called before that goes on.
func (p *Pool) aborted(t *turn, pe *core.PanicError, leave func()) {
	if pe != nil {
		t.end.Store(panicked)
	}
	switch {
	case t.task.aborted(pe):
	case t.batch != nil:
		t.batch.failures.Add(pe)
	case pe == nil:
	case p.options.OnPanic == nil:
		panic(pe.Value) // nothing recovers this: it ends the process
	default:
		core.Call(func() { p.options.OnPanic(pe) }, func(again *core.PanicError) {
			if again != nil {
				panic(again.Value)
			}
			leave()
		})
	}
}

// endLocked counts a task that has ended, and reports whether it was the last of
// its batch, of which done is then to be called.
func (p *Pool) endLocked(t *turn) bool {
	cause := t.cause.Load()
	switch t.end.Load() {
	case panicked:
		p.panicked.Store(p.panicked.Load() + 1)
		t.end.Store(completed)
	case skipped:
		p.dropped.Store(p.dropped.Load() + 1)
		t.end.Store(completed)
		t.cause.Store(nil)
	}
	if t.batch == nil {
		return false
	}
	if cause != nil && t.batch.cause.Load() == nil {
		t.batch.cause.Store(cause)
	}
	return t.batch.endLocked()
}

// startHere runs a task, for which there was no room, in place of its starter.
func (p *Pool) startHere(t task, b *Batch) answer {
	core.RaceDisable()
	p.mu.Lock()
	if p.closed.Load() {
		p.mu.Unlock()
		core.RaceEnable()
		return closed
	}
	p.startedHere.Store(p.startedHere.Load() + 1)
	p.helped.Store(p.helped.Load() + 1)
	if b != nil {
		b.beginLocked()
	}
	p.mu.Unlock()
	core.RaceEnable()
	p.runHere(turn{ticket: ticket{t, b}})
	return accepted
}

// runHere runs a task and returns when it has ended. It gets a goroutine of its
// own, so that its Goexit does not end its starter.
func (p *Pool) runHere(t turn) {
	ended := make(chan struct{})
	go func() {
		end := func() {
			core.RaceDisable()
			p.mu.Lock()
			p.helped.Store(p.helped.Load() - 1)
			last := p.endLocked(&t)
			p.mu.Unlock()
			core.RaceEnable()
			if last {
				t.batch.done(p)
			}
			core.RaceDisable()
			close(ended)
			core.RaceEnable()
		}
		core.Call(func() { p.execute(&t) }, func(pe *core.PanicError) {
			p.aborted(&t, pe, end)
			if pe == nil {
				end()
			}
		})
		end()
	}()
	core.RaceDisable()
	<-ended
	core.RaceEnable()
}
