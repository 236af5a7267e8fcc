package sched

import "github.com/coterie-go/coterie/core/race"

// This file finds the next task of a worker. With mu held the worker counts its last task as
// ended, and claims another: from a segment of a busy worker, or the oldest of the run queue. If
// there is none, the worker yields, becomes idle or leaves.

// visitLocked counts the worker's task as ended, and claims the next one if it can.
func (w *Worker) visitLocked(yields int) verdict {
	s := w.s
	ended := w.busy
	w.endLocked()
	x := s.shared
	if x == nil { // the task was an only task
		s.only.Store(noTask)
		s.releaseWaitersLocked()
		return leave
	}
	if w.config.IdleAfter > 0 && !w.link.Listed() {
		w.link.Value = w
		x.all.PushBack(&w.link)
	}
	if w.lent {
		return w.visitLentLocked()
	}
	surplus := s.fullLocked()
	found := !surplus && w.findTaskLocked(ended)
	if !x.limiter.submitters.Empty() {
		if found || surplus {
			s.admitLocked()
		} else {
			x.searching++ // so that the first task that is admitted needs no further worker
			s.admitLocked()
			x.searching--
			found = w.findTaskLocked(ended)
		}
	}
	switch {
	case found:
		w.foundLocked()
		return begin
	case !surplus && yields < mostYields && w.yieldsLocked():
		x.searching++
		s.releaseWaitersLocked()
		return again
	}
	s.wakeUnlessYieldingLocked(1)
	s.releaseWaitersLocked()
	return w.restLocked(surplus)
}

// mostYields is how often a worker under a limit yields before it parks or leaves. A goroutine that
// waited for its task may be about to submit another. Yielding to that goroutine costs less than
// parking and a wake-up. The number is 2 because once in sixty times the Go scheduler continues
// with the goroutine that yields.
const mostYields = 2

// findTaskLocked claims a task, and reports whether it found one. A worker that was searching
// steals from a taken segment first. A worker whose task has just ended steals only if such a
// segment is late, or the queue is empty.
func (w *Worker) findTaskLocked(ended bool) bool {
	s, x := w.s, w.s.shared
	if !x.queue.taken.Empty() && (!ended || x.queue.late(2*uint32(x.procs))) && w.stealLocked() {
		return true
	}
	if x.queue.n > 1 {
		if g := x.queue.popSegment(s.bulkLocked()); g != nil {
			w.claimedLocked(g.claim(), g.set, g)
			return true
		}
	}
	if x.queue.n > 0 {
		t, set := x.queue.pop()
		w.claimedLocked(t, set, nil)
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

// claimedLocked gives the worker a task of set, and the segment from which it claims the next ones,
// or nil.
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

// foundLocked wakes further workers and submitters after the worker has claimed a task.
func (w *Worker) foundLocked() {
	want := int16(1)
	if w.seg != nil {
		want = w.searchersLocked()
	}
	w.s.wakeUnlessYieldingLocked(want)
	if w.set != nil {
		w.beganLocked()
	}
	if w.s.shared.timer != nil {
		w.busyLocked()
	}
}

// searchersLocked returns how many workers should search while tasks are unclaimed. It is one,
// because one worker starts the next. It is many if the tasks block: workers have found many, one
// after another, and none has ended. If it were one then, a thousand tasks that sleep for 1 ms would
// take 10 % longer. While nobody waits it is one, because tasks that are released before they begin
// need few workers.
func (w *Worker) searchersLocked() int16 {
	s, x := w.s, w.s.shared
	x.begun++
	if x.begun <= 4*int32(x.procs) || x.limiter.limited() || !s.awaitedLocked(w.set) {
		return 1
	}
	return segmentLen
}

// awaitedLocked reports whether a goroutine waits for all tasks, or for those of set.
func (s *Scheduler) awaitedLocked(set *Set) bool {
	return !s.waiters.Empty() || set != nil && !set.waiters.Empty()
}

// beganLocked admits submitters of tasks with a key after the worker has claimed one: the line may
// have room now.
func (w *Worker) beganLocked() {
	if q := w.set.queueOfKey(); q != nil {
		q.keys.admitLocked()
	}
}

// yieldsLocked reports whether a worker that has found no task yields before it rests.
func (w *Worker) yieldsLocked() bool {
	l := &w.s.shared.limiter
	return !race.Hidden && l.limited() && !l.closed && !w.expired
}

// endLocked counts the worker's task as ended. If the worker has none, it ends its search.
func (w *Worker) endLocked() {
	s := w.s
	if w.seg != nil {
		s.shared.queue.detach(w.seg)
		w.seg = nil
	}
	if w.ending != endedWell {
		w.countLocked()
	}
	switch {
	case !w.busy:
		if !w.lent && !w.expired {
			s.shared.searching--
		}
		return
	case w.lent:
		s.shared.lent--
	default:
		s.busy--
	}
	t := w.task
	w.busy = false
	w.task = nil
	if s.shared != nil {
		s.shared.begun = 0
	}
	if set := w.set; set != nil {
		w.set = nil
		set.busy--
		if set.key != nil {
			set.key.endedLocked(t)
		}
		set.releaseWaitersLocked()
	}
	if sem := w.config.Semaphore; sem != nil && !w.lent {
		releasePermit(sem)
		s.checkAlarmLocked() // the permit lets no acquirer go on if the semaphore's limit was lowered
	}
}

// countLocked adds the ending of the worker's task to the counts.
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

// visitLentLocked is visitLocked on a lent place.
func (w *Worker) visitLentLocked() verdict {
	if w.findLentTaskLocked() {
		return begin
	}
	w.unlistLocked()
	w.s.releaseWaitersLocked()
	return leave
}

// findLentTaskLocked claims a task of the set for a worker on a lent place. It returns the place
// and reports false if there is none or the waiter wants its place back.
func (w *Worker) findLentTaskLocked() bool {
	s, set := w.s, w.lentTo
	if set == nil {
		return false
	}
	if set.lent <= set.lenders {
		if t, g := s.popOfLocked(set); t != nil {
			w.claimedLocked(t, set, g)
			s.admitLocked()
			w.beganLocked()
			return true
		}
	}
	set.returnLocked()
	return false
}

// popOfLocked claims the oldest task of set. It also returns the task's segment if that is a taken
// one.
func (s *Scheduler) popOfLocked(set *Set) (Task, *segment) {
	q := &s.shared.queue
	for g := q.stealable(set, false); g != nil; g = q.stealable(set, false) {
		if t := g.claim(); t != nil {
			return t, g
		}
	}
	return q.popOf(set), nil
}
