package sched

import (
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// A Worker is a goroutine that runs tasks one after another. What is not said to be
// guarded by mu is its goroutine's own.
type Worker struct {
	s      *Scheduler
	config *Config // of s
	task   Task
	set    *Set     // of the task
	seg    *segment // that it claims from; nil if it has none
	busy   bool     // it has a task, or has run one and not come back; otherwise it searches
	lent   bool     // it runs on a lent place

	ending ending       // how the task ended
	lender *Set         // whose tasks alone it runs; nil for all
	back   *park.Parker // of the submitter whose task it runs on its place; nil if there is none

	goroutine  uint64  // its number in stack traces; 0 if it was not asked for
	busyStreak int     // how often it has found a task since it parked, up to longStreak
	watched    watched // what is kept of its task for observers

	parker  *park.Parker       // while it is idle
	place   list.Elem[*Worker] // among all
	below   *Worker            // in the stack of idle workers; guarded by mu
	since   time.Time          // when it became idle; guarded by mu
	expired bool               // it is to leave, and is not counted as searching; guarded by mu

	// In race builds.

	hidden *Worker     // see visitHidden
	order  *race.Point // from the task before it to the task, and from that to the next; nil if there is no such order
	inKey  *race.Point // the same for the tasks of a key
	all    *race.Point // from the end of a task with a key to the waits for all; nil for others
	direct bool        // see startDirect
}

// An ending is how a task ended, for the counts.
type ending uint8

const (
	endedWell ending = iota // by return or Goexit
	endedPanicked
	endedDropped // it did not run
	endedVoid    // it was run elsewhere
	endedHelper  // it was no task, however it ended
)

// Drop says that the task of the worker did not run.
func (w *Worker) Drop() { w.ending = endedDropped }

// Help says that the task of the worker is a helper.
func (w *Worker) Help() { w.ending = endedHelper }

// Scheduler returns the scheduler whose worker it is.
func (w *Worker) Scheduler() *Scheduler { return w.s }

// workers has Workers that are not in use.
var workers = sync.Pool{New: func() any { return new(Worker) }}

// work is the life of a worker.
func (s *Scheduler) work() {
	w := newWorker()
	w.s = s
	w.run()
}

// run runs tasks until there is none for the worker, or one does not return.
func (w *Worker) run() {
	w.config = w.s.config()
	if w.config.Base != nil {
		pprof.SetGoroutineLabels(w.config.Base)
	}
	if w.config.IdleAfter > 0 {
		w.goroutine = GoroutineID()
	}
	core.Call(func() { w.s.hostTasks(w, (*Worker).serve) }, func(p *core.PanicError) { w.aborted(p) })
	w.free()
}

func newWorker() *Worker {
	if race.Hidden { // the detector would see the pool order tasks
		return new(Worker)
	}
	return workers.Get().(*Worker)
}

func (w *Worker) free() {
	if !race.Hidden {
		*w = Worker{}
		workers.Put(w)
	}
}

func (w *Worker) serve() {
	if w.busy { // it was started with a task
		w.execute()
	}
	for w.claim() || w.next() {
		w.execute()
	}
}

// execute runs the task.
func (w *Worker) execute() {
	if race.Hidden || w.config.Isolate {
		w.isolate()
		return
	}
	w.task.Run(w)
}

// claim claims the next task of the worker's segment, without mu.
func (w *Worker) claim() bool {
	if w.seg == nil {
		return false
	}
	if w.ending != endedWell {
		w.s.locked(func(*todo) { w.countLocked() })
	}
	t := w.seg.claim()
	if t == nil {
		return false
	}
	w.task = t
	return true
}

// A verdict is what a worker is to do after it has looked for a task.
type verdict uint8

const (
	leave    verdict = iota // it is not needed
	parkIdle                // it is in the stack of idle workers
	again                   // it is to yield, and then to look once more
	begin                   // it has a task
)

// next ends the task that the worker has run, and finds it the next. It reports false if the
// worker is to leave.
func (w *Worker) next() bool {
	for yields := 0; ; yields++ {
		var v verdict
		var do todo
		if race.Hidden {
			v, do = w.visitHidden(yields)
		} else {
			w.s.lock()
			v = w.visitLocked(yields, &do)
			w.s.unlock(&do)
		}
		switch v {
		case begin:
			if do.yield {
				runtime.Gosched() // to the submitters that were woken
			}
			return true
		case again:
			runtime.Gosched()
		case parkIdle:
			w.parker.Wait(nil)
			w.parker.Free()
			w.parker = nil
			yields = -1
		default:
			w.leave()
			return false
		}
	}
}

// mostYields is how often a worker under a limit yields before it parks or leaves. Whoever
// waited for its task may be about to submit the next: to let them first costs less than to park
// and be woken. It is twice because once in sixty times the Go scheduler goes on with
// whoever yields.
const mostYields = 2

// visitLocked ends the task that the worker has run, and claims the next.
func (w *Worker) visitLocked(yields int, do *todo) verdict {
	s := w.s
	ended := w.busy
	w.endLocked(do)
	x := s.shared
	switch {
	case x == nil && s.first != nil:
		w.takeLocked(ended)
		return begin
	case x == nil:
		s.idleNowLocked(do)
		return leave
	}
	if w.goroutine != 0 && !w.place.Listed() {
		w.place.Value = w
		x.all.PushBack(&w.place)
	}
	if w.lent {
		return w.visitLentLocked(do)
	}
	surplus := s.fullLocked()
	found := !surplus && w.takeLocked(ended)
	if !x.limiter.submitters.Empty() {
		s.admitLocked(do)
		found = found || !surplus && w.takeLocked(ended)
	}
	switch {
	case found:
		w.foundLocked(ended, do)
		return begin
	case !surplus && yields < mostYields && w.yieldsLocked():
		s.searching++
		s.idleNowLocked(do)
		return again
	}
	s.tendLocked(1, do)
	s.idleNowLocked(do)
	return w.restLocked(surplus, do)
}

// foundLocked is called when the worker has claimed a task.
func (w *Worker) foundLocked(ended bool, do *todo) {
	want := int16(1)
	if w.seg == nil || !ended {
		want = w.s.shared.limiter.spread
	}
	w.s.tendLocked(want, do)
	w.beganLocked(do)
	w.busyLocked()
}

// yieldsLocked reports whether a worker that has found no task yields before it rests.
func (w *Worker) yieldsLocked() bool {
	l := &w.s.shared.limiter
	return !race.Hidden && l.limited() && !l.closed && !w.expired
}

// visitLentLocked is visitLocked on a lent place.
func (w *Worker) visitLentLocked(do *todo) verdict {
	if w.takeLentLocked(do) {
		return begin
	}
	w.unlistLocked()
	w.s.idleNowLocked(do)
	return leave
}

// endLocked counts a task that has ended, or a worker that has come back from its search.
func (w *Worker) endLocked(do *todo) {
	s := w.s
	if w.seg != nil {
		s.shared.queue.detach(w.seg)
		w.seg = nil
	}
	switch {
	case !w.busy && !w.lent:
		if !w.expired {
			s.searching--
		}
		return
	case !w.busy:
		return
	case w.lent:
		s.shared.lent--
	default:
		s.busy--
	}
	t := w.task
	w.busy = false
	w.task = nil
	w.countLocked()
	if set := w.set; set != nil {
		w.set = nil
		set.busy--
		if set.key != nil {
			set.key.endedLocked(t, do)
		}
		set.settleLocked(do)
	}
	if sem := w.config.Semaphore; sem != nil && !w.lent {
		releasePermit(sem)
	}
}

// settleLocked is called when the set may have no task left.
func (set *Set) settleLocked(do *todo) {
	if set.waiters != nil && set.idleLocked() {
		if q := set.key; q != nil && q.keys.waiters != nil && set.failures.kept != nil {
			q.keys.kept.join(set.failures.kept)
		}
		release(&set.waiters, &set.failures, do)
	}
	if set.key != nil {
		set.key.restLocked(do)
	}
}

// countLocked counts how the task ended.
func (w *Worker) countLocked() {
	switch w.ending {
	case endedPanicked:
		w.s.share().panicked++
	case endedDropped:
		w.s.shared.dropped++
	case endedVoid:
		w.s.shared.void--
	case endedHelper:
		w.s.shared.helping--
	}
	w.ending = endedWell
}

// idleNowLocked releases the waiters if no task is left. If background tasks are, it has them
// cancelled.
func (s *Scheduler) idleNowLocked(do *todo) {
	switch {
	case s.waiters == nil || !s.quietLocked():
	case s.shared != nil && s.shared.backgrounds.n > 0:
		s.shared.dismissLocked(do)
	default:
		release(&s.waiters, s.failuresLocked(), do)
	}
}

// takeLocked claims a task: of a segment that another worker holds up, or the oldest in
// the queue.
func (w *Worker) takeLocked(ended bool) bool {
	s, x := w.s, w.s.shared
	if x != nil && !x.queue.taken.Empty() && (!ended || x.queue.late(2*uint32(x.procs))) && w.stealLocked() {
		return true
	}
	if t := s.first; t != nil {
		s.first = nil
		w.claimedLocked(t, nil, nil)
		return true
	}
	if x == nil {
		return false
	}
	if x.queue.n > 0 {
		if g := x.queue.popSegment(s.bulkLocked()); g != nil {
			w.claimedLocked(g.claim(), g.set, g)
		} else {
			t, set := x.queue.pop()
			w.claimedLocked(t, set, nil)
		}
		return true
	}
	return ended && !x.queue.taken.Empty() && w.stealLocked()
}

// stealLocked claims a task of the oldest taken segment that has an unclaimed one.
func (w *Worker) stealLocked() bool {
	q := &w.s.shared.queue
	for g := q.stealable(nil, true); g != nil; g = q.stealable(nil, true) {
		if t := g.claim(); t != nil {
			w.claimedLocked(t, g.set, g)
			return true
		}
	}
	return false
}

// claimedLocked gives the worker a task, and the segment that it goes on with.
func (w *Worker) claimedLocked(t Task, set *Set, g *segment) {
	w.task, w.set, w.seg, w.busy = t, set, g, true
	if g != nil {
		g.attached++
	}
	if set != nil {
		set.busy++
		if set.key != nil {
			set.key.begunLocked()
		}
	}
	if w.lent {
		w.s.shared.lent++
	} else {
		w.s.busy++
	}
}

// beganLocked is called when the worker has claimed a task, which may have left room.
func (w *Worker) beganLocked(do *todo) {
	if q := w.set.queueOfKey(); q != nil {
		q.keys.admitLocked(do)
	}
}

// aborted is called on top of the stack of a task that has panicked, or, if p is nil, has
// called runtime.Goexit.
func (w *Worker) aborted(p *core.PanicError) {
	w.panicked(p)
	w.watchAborted(p)
	core.Call(func() { w.s.abort(w.set, w.task, p) }, func(again *core.PanicError) {
		if again != nil {
			panic(again.Value) // nothing recovers it: the process ends
		}
		w.exit() // the owner's function has called Goexit
	})
	w.exit()
}

// panicked notes that the task has panicked, if p is not nil.
func (w *Worker) panicked(p *core.PanicError) {
	if p != nil && w.ending != endedHelper {
		w.ending = endedPanicked
	}
}

// abort lets the owner decide.
func (s *Scheduler) abort(set *Set, t Task, p *core.PanicError) {
	if s.Owner != nil {
		s.Owner.Aborted(s, set, t, p)
		return
	}
	s.Fail(p)
}

// exit ends the task of a worker whose goroutine is about to exit, and the worker with it.
// What is left of its segment is for others.
func (w *Worker) exit() {
	w.publish()
	if w.direct { // its goroutine does nothing more, so the edges into it are harmless
		var do todo
		w.s.lock()
		w.exitLocked(&do)
		w.s.unlock(&do)
	} else {
		w.s.locked(w.exitLocked)
	}
	w.leave()
}

func (w *Worker) exitLocked(do *todo) {
	s, set := w.s, w.lender
	w.endLocked(do)
	if set != nil {
		set.returnLocked(do)
		if set.lendsLocked() {
			set.lent++
			do.lends = append(do.lends, set)
		}
	}
	if s.shared != nil {
		s.admitLocked(do)
		s.wakeLocked(1, do)
		if w.unlistLocked(); !w.lent && !w.direct {
			w.goneLocked(do)
		}
	} else if s.first != nil && s.searching == 0 {
		s.searching, do.spawn = 1, 1
	}
	s.idleNowLocked(do)
}

// leave is called when the worker is no longer counted.
func (w *Worker) leave() {
	if w.back != nil {
		w.back.Wake()
	}
}

// publish makes the edges from the end of the task: to the waits for its set, and to those for all
// tasks, which cover it too.
func (w *Worker) publish() {
	if w.order != nil {
		w.order.Release()
	}
	if w.inKey != nil {
		w.inKey.Release()
	}
	if w.all != nil {
		w.all.Release()
	}
	if w.set != nil {
		w.set.ended.Release()
	}
	w.s.ended.Release()
}

// Fail makes Wait raise p as if a task had panicked with it; if p is nil, as if a task had
// called runtime.Goexit.
func (s *Scheduler) Fail(p *core.PanicError) {
	f := &failure{panicked: p}
	f.added.Release()
	s.locked(func(*todo) { addLocked(&s.share().failures, s.shared, f) })
}

// Fail is Fail of the scheduler for a set.
func (set *Set) Fail(p *core.PanicError) {
	f := &failure{panicked: p}
	f.added.Release()
	set.scheduler().locked(func(*todo) { addLocked(&set.failures, set, f) })
}
