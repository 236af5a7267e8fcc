package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core/sched"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// An ownerRun is an owner of the tree that is in use.
type ownerRun struct {
	run    *run
	node   *owner
	label  string
	levels []level // around it
	door   door
	extras
	p         *pool.Pool
	batch     *pool.Batch
	pool      *ownerRun // of a batch or a Keyed its pool, of a pool itself
	maker     uint64    // the goroutine that has made it
	semaphore *core.Semaphore
	lim, sem  *limiter
	order     *order
	keyed     *pool.Keyed[int]
	keys      [numKeys]keyRun // of a Keyed
	outer     context.Context // what it was made with
	tasks     []*record       // from whose contexts that derives
	within    *record         // of a batch: the task whose place it lends; nil: there is none
	ctx       context.Context // what its tasks are started with
	cancel    func(cause error)
	budget    *limiter // of whoever made it

	resizing sync.Mutex
	closing  atomic.Bool  // Close or Shutdown has been called
	failedAt atomic.Int64 // of an errgroup that fails fast, when a task failed first; 0: none has
	closedAt atomic.Int64 // 1 more than when Close or Shutdown was called first; 0: never
	dropAt   atomic.Int64 // 1 more than when the first Shutdown gives up; 0: never
	droppers atomic.Int32 // Shutdowns that have been called

	mu      sync.Mutex
	records []*record
	waiting map[*waitCall]struct{}
	cancels []cancelCall
	handed  []*pending
	gaveUp  int64   // when a Wait ended last; -1: none has
	rounds  int     // Waits that have returned
	body    *record // of a scope
	final   *waitCall
}

// A cancelCall is a call of errgroup's Cancel.
type cancelCall struct {
	cause error
	at    int64
}

// begins and ends count a task that runs.
func (o *ownerRun) begins(r *record, now int64) {
	if r.body {
		return
	}
	o.root().touch(r) // before the oracle's own synchronization
	o.touchKey(r)
	o.checkPrompt(r, now)
	r.checkWorker(now)
	if o.pool != nil && r.wasDone(now) {
		o.run.violation("task %d begins, and its context was done before", r.id)
	}
	if at := o.failedAt.Load(); at != 0 && now > at && o.run.fake && o.ctx.Err() == nil {
		o.run.violation("task %d begins in %s, where one has failed, and the context is not done", r.id, o.label)
	}
	if r.background {
		return
	}
	o.root().lim.enter(1, "task", r.id)
	o.sem.enter(1, "task", r.id)
	if o.keyed != nil {
		o.beginsInKey(r)
		return
	}
	o.root().order.begins(r)
}

// checkPrompt checks that a task of a group begins at once: no other holds it up.
func (o *ownerRun) checkPrompt(r *record, now int64) {
	switch {
	case !o.run.fake || o.pool != nil:
	case r.background && now != r.called:
		o.run.violation("background task %d of %s begins at %d, and was started at %d", r.id, o.label, now, r.called)
	case r.accepted.Load() && now > r.acceptedAt:
		o.run.violation("task %d of %s begins at %d, and was accepted at %d", r.id, o.label, now, r.acceptedAt)
	}
}

func (o *ownerRun) ends(r *record) {
	if r.body {
		return
	}
	if !r.background {
		o.root().lim.leave(1)
		o.sem.leave(1)
	}
	if o.keyed != nil {
		o.endsInKey(r)
	}
	if failed := r.out.panics() || r.out.goexits() || r.out.end == endFail; failed && o.failsFast() {
		o.failedAt.CompareAndSwap(0, max(o.run.now(), 1))
	}
	o.root().touch(r) // after it
	o.touchKey(r)
}

// wasDone reports whether the context that the task was started with is known to have been done before
// this instant.
func (r *record) wasDone(now int64) bool { return now > r.doneAt() }

// doneAt returns when the context that the task was started with was done; never if that is not known.
func (r *record) doneAt() int64 {
	if r.ctx == nil || !r.run.fake || r.life.Err() == nil {
		return never
	}
	if at, ok := r.run.ends.Load(context.Cause(r.life)); ok {
		return at.(int64)
	}
	return never
}

// checkWorker checks that a task of a pool has not waited, until an instant, while there was a worker for
// it. A task with a key may have waited for that.
func (r *record) checkWorker(until int64) {
	o := r.owner
	if o.pool != nil && o.keyed == nil && until != never && r.accepted.Load() && o.pool.lim.wasFree(r.acceptedAt, until) {
		r.run.violation("task %d was accepted at %d, and had not begun by %d, though %s had a worker for it", r.id, r.acceptedAt, until, o.pool.label)
	}
}

// cancel ends the context of an owner.
func (f *frame) cancel(p *op) {
	cause := &reason{int(f.run.ids.Add(1))}
	f.run.ends.Store(cause, f.run.now())
	f.levels[p.up].o.cancel(cause)
}

// failsFast reports whether the failure of a task has to cancel the owner's context.
func (o *ownerRun) failsFast() bool {
	return (o.node.kind == errNew || o.node.kind == errRun) && !o.node.collect
}

// touch writes what the tasks of an owner with one worker share. That is no race
// where they are ordered.
func (o *ownerRun) touch(r *record) {
	if o.order != nil && !r.inside && !r.background && features.on(oneWorkerOrders) {
		o.order.shared++
	}
}

// hasDropped reports whether a Shutdown may have dropped tasks.
func (o *ownerRun) hasDropped() bool {
	at := o.dropAt.Load()
	return at != 0 && (!o.run.fake || o.run.now() >= at-1)
}

// mayDropSince reports whether a Shutdown may have dropped tasks at that instant or later.
func (o *ownerRun) mayDropSince(at int64) bool {
	return o.hasDropped() && (!o.run.fake || o.dropAt.Load()-1 >= at)
}

// bodyGoexits reports whether the body of the scope has called Goexit.
func (o *ownerRun) bodyGoexits() bool { return o.body != nil && o.body.out.goexits() }

// newOwner makes what the oracle knows of an owner.
func (f *frame) newOwner(node *owner, env level) *ownerRun {
	o := &ownerRun{
		run: f.run, node: node, levels: f.levels, outer: env.ctx, budget: env.budget, tasks: env.tasks,
		gaveUp:  -1,
		label:   fmt.Sprintf("%s %d", kinds[node.kind].name, node.id),
		waiting: make(map[*waitCall]struct{}),
	}
	ctx, cancel := context.WithCancelCause(env.ctx)
	o.ctx, o.cancel = ctx, func(cause error) { cancel(cause) }
	switch {
	case node.kind == batchOf:
		o.pool = f.levels[node.on].o.root()
		o.within = o.placeIn(env.tasks)
	case node.kind == keyedOf:
		o.pool = f.levels[node.on].o.root()
		o.makeKeys()
	case node.kind == poolNew:
		o.pool = o
		o.lim = newLimiter(f.run, o.label, node.limit)
	case node.limit > 0:
		o.lim = newLimiter(f.run, o.label, node.limit)
	case node.resized:
		o.lim = newLimiter(f.run, o.label, noLimit)
	}
	if node.permits > 0 {
		o.semaphore = core.NewSemaphore(int64(node.permits))
		o.sem = newLimiter(f.run, "semaphore of "+o.label, node.permits)
	}
	if node.limit == 1 && !node.resized && node.permits == 0 && node.queue < 64 {
		o.order = &order{seqs: make(map[*frame]int)}
	}
	return o
}

// own runs a nested owner from its beginning to its end.
func (f *frame) own(p *op) {
	o := f.newOwner(p.owner, f.levels[p.env])
	defer o.cancel(context.Canceled)
	if twin := p.owner.twin; twin != nil {
		second := f.newOwner(twin, f.levels[p.env])
		second.semaphore, second.sem = o.semaphore, o.sem
		done := f.run.beside(f.levels, func(h *frame) {
			defer second.cancel(context.Canceled)
			h.live(second)
		})
		defer func() { <-done }()
	}
	f.live(o)
}

func (f *frame) live(o *ownerRun) {
	if kinds[o.node.kind].scope {
		f.scope(o)
		return
	}
	o.maker = sched.GoroutineID()
	makers[o.node.kind](o, o.outer)
	lived := false
	defer func() {
		if !lived { // a Goexit: somebody else has to finish
			<-f.run.beside(f.levels, func(h *frame) { h.end(o) })
		}
	}()
	f.lanes(o, f.out)
	lived = true
	f.end(o)
}

// scope runs a scope. Its body is a task for which its end waits.
func (f *frame) scope(o *ownerRun) {
	b := &record{run: f.run, id: int(f.run.ids.Add(1)), owner: o, body: true, called: f.run.now()}
	b.sinks = sinks{panics: byWait, goexits: byWait, errs: byError}
	b.submitter, b.arg = f, b.id+1
	o.body = b
	o.add(b)
	var err error
	got := f.observe(func() {
		err = scopes[o.node.kind](o, o.outer, func() error { return f.scopeBody(o, b) })
	}, func(got raised) {
		if o.final == nil {
			f.run.violation("%s raises %v, and its body has not ended", o.label, got)
			return
		}
		o.final.err = err
		o.final.ends(got)
		o.verify()
		f.afterScope(o)
	})
	f.maybeRaise(o, got)
}

func (f *frame) scopeBody(o *ownerRun, b *record) error {
	b.begin()
	defer func() {
		b.end()
		b.accepted.Store(true)
		o.final = o.waits("the end of "+o.label, anyKey)
	}()
	f.lanes(o, &b.out)
	h := f.run.within(o.levels, o.lane())
	h.out = &b.out
	return h.finish(o.node.end, b.id)
}

// afterScope uses the scope's group, which panics.
func (f *frame) afterScope(o *ownerRun) {
	if o.node.limit > 0 {
		return
	}
	defer func() {
		if value := recover(); !isMisuse(value) {
			f.run.violation("Go on %s, which has ended, raises %v", o.label, value)
		}
	}()
	o.door.Go(func() error {
		f.run.violation("a task of %s runs, which has ended", o.label)
		return nil
	})
}

func (f *frame) maybeRaise(o *ownerRun, got raised) {
	if got.value != nil && o.node.reraise {
		if _, ok := keysOf(got.value); ok {
			f.raise(got.value)
		}
	}
}

// end ends an owner that is no scope.
func (f *frame) end(o *ownerRun) {
	defer o.verify()
	if o.node.kind == poolNew {
		defer f.collect(o)
	} else if o.keyed != nil && len(f.insiders(o)) > 0 {
		f.maybeRaise(o, f.waitKeys(o))
		return
	} else {
		f.maybeRaise(o, f.wait(o, -1))
		return
	}
	switch o.node.finish {
	case finishShutdown:
		f.close(o, o.node.patience)
	case finishIdle, finishWait:
		f.wait(o, -1)
	}
	if o.node.finish == finishIdle && f.run.fake && !o.closing.Load() {
		time.Sleep(1100 * time.Millisecond)
		return
	}
	f.close(o, -1)
}

// close closes a pool: with a patience of d ticks, or without end if d is negative.
func (f *frame) close(o *ownerRun, d int) {
	o.closing.Store(true)
	o.closedAt.CompareAndSwap(0, f.run.now()+1)
	w := o.waits("Close of "+o.label, anyKey)
	var ctx context.Context
	if d >= 0 {
		var cancel context.CancelFunc
		w.deadline = f.run.now() + int64(f.run.ticks(d))
		w.name = "Shutdown of " + o.label
		o.drops(w.deadline + 1)
		o.droppers.Add(1)
		ctx, cancel, w.cause = f.run.contextFor(d)
		defer cancel()
	}
	f.observe(func() {
		if d >= 0 {
			w.err = o.p.Shutdown(ctx)
		} else {
			o.p.Close()
		}
	}, w.ends)
	if w.err != nil && f.run.fake && o.droppers.Load() == 1 && features.on(stuckSaysDropped) { // no other has dropped them
		o.checkDropped(w.err)
	}
}

// checkDropped checks that the error of a Shutdown says that it has dropped tasks.
func (o *ownerRun) checkDropped(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	left := 0
	for _, r := range o.records {
		if r.accepted.Load() && r.state.Load() == fresh && !r.skipped() && !r.owner.wasReplaced(r) { // it may have been its turn before
			left++
		}
	}
	var stuck *core.StuckError
	if errors.As(err, &stuck) {
		left -= stuck.Running // a worker may have taken a task, and not have begun it
	}
	if left > 0 && !strings.Contains(err.Error(), " dropped") {
		o.run.violation("Shutdown of %s has dropped tasks, and says %.200s", o.label, err)
	}
}

// drops notes that a Shutdown gives up at that instant.
func (o *ownerRun) drops(at int64) {
	for {
		old := o.dropAt.Load()
		if old != 0 && old <= at || o.dropAt.CompareAndSwap(old, at) {
			return
		}
	}
}

// resize changes the owner's limit.
func (o *ownerRun) resizeTo(n int) {
	o.resizing.Lock()
	defer o.resizing.Unlock()
	shown := n
	if n < 0 {
		shown = noLimit
	}
	o.lim.set(shown)
	o.resize(n)
}

func (f *frame) resize(p *op) { f.levels[p.up].o.resizeTo(p.n) }

// pause stops the owner for a while.
func (f *frame) pause(p *op) {
	o := f.levels[p.up].o
	defer o.resizeTo(p.n)
	o.resizeTo(0)
	time.Sleep(f.run.ticks(p.d))
}

// acquire takes permits of the owner's semaphore for a while.
func (f *frame) acquire(p *op) {
	o := f.levels[p.up].o
	ctx, cancel, _ := f.run.contextFor(p.d)
	defer cancel()
	if o.semaphore.Acquire(ctx, int64(p.n)) != nil {
		return
	}
	o.sem.enter(p.n, "op", p.n)
	time.Sleep(f.run.ticks(1))
	o.sem.leave(p.n)
	o.semaphore.Release(int64(p.n))
}

// checkStats checks the numbers of an owner that has ended.
func (o *ownerRun) checkStats() {
	if o.running != nil && o.running() != 0 {
		o.run.violation("%s has ended, and says that %d run", o.label, o.running())
	}
	if o.p == nil {
		return
	}
	var want pool.Stats
	for _, r := range o.records {
		if !r.accepted.Load() {
			continue
		}
		want.Submitted++
		if r.state.Load() != ended {
			want.Dropped++
			continue
		}
		want.Completed++
		if r.out.panics() {
			want.Panicked++
		}
	}
	got := o.p.Stats()
	if o.lim.loops.Load() && !features.on(statsCountTasks) { // whose helpers count, too
		want.Dropped = max(want.Dropped, got.Dropped)
		want.Submitted, want.Completed = got.Submitted, got.Submitted-want.Dropped
	}
	if got != want {
		o.run.violation("%s has ended; its numbers are %+v, want %+v", o.label, got, want)
	}
}
