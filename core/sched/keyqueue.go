package sched

import (
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the queue of one key: how its tasks move from the line to the run queue, and how
// a task replaces another there. The scheduler's mu is held throughout.
//
// The run queue holds an entry for each task. The entry runs the task that it has when a worker
// takes it. So a task that has not begun can be replaced.

// Run runs the entry's task. Run counts a drop if the task was dropped.
func (e *keyEntry) Run(w *Worker) {
	t := e.body.Swap(nil)
	if t == nil {
		w.MarkDropped()
		return
	}
	t.from.Acquire()
	t.task.Run(w)
}

// Init makes t the KeyTask of task.
func (t *KeyTask) Init(task Replaceable) {
	t.task = task
	t.own.task = t
	t.own.body.Store(t)
	t.own.link.Value, t.link.Value, t.blockedLink.Value = &t.own, t, t
}

// Set returns the wait set of the task's key. The task must have been submitted.
func (t *KeyTask) Set() *Set { return &race.Load(&t.key).Set }

// fullLocked reports whether a further task must wait in line.
func (q *keyQueue) fullLocked() bool { return q.actives >= q.keys.perKey || !q.line.Empty() }

// hasRoomLocked reports whether a further task may wait for its key.
func (k *keys) hasRoomLocked(inside bool) bool {
	return inside || k.blocked.Empty() && k.waiting < k.mayWait
}

// activateOrLineUpLocked makes a task active if its key is not busy. Otherwise it puts the task in
// line and reports false. It is called when there is room for the task in the run queue. A
// submitter that has waited for that blocks again if there is no room in line.
func (q *keyQueue) activateOrLineUpLocked(t Task) bool {
	e := t.(*keyEntry)
	switch p := e.task.retry; {
	case !q.fullLocked():
		q.activateLocked(e)
		return true
	case p == nil || q.keys.hasRoomLocked(false):
		q.waitLocked(e.task)
	default:
		e.task.retry = nil
		q.blockLocked(e.task, p)
	}
	return false
}

func (q *keyQueue) activateLocked(e *keyEntry) {
	q.active.PushBack(&e.link)
	q.actives++
	q.setLiveLocked()
}

func (q *keyQueue) setLiveLocked() {
	if !q.live {
		q.live = true
		q.keys.live++
	}
}

// waitLocked puts an accepted task in line.
func (q *keyQueue) waitLocked(t *KeyTask) {
	q.waits++
	q.keys.waiting++
	q.lineUpLocked(t, nil)
}

// lineUpLocked adds a task to the line. If p is not nil, the task is not accepted yet, and p is its
// blocked submitter's Parker.
func (q *keyQueue) lineUpLocked(t *KeyTask, p *park.Parker) {
	t.parker = p
	if q.line.Empty() {
		q.keys.sched.shared.lines.PushBack(&q.lineLink)
	}
	q.line.PushBack(&t.link)
	q.setLiveLocked()
}

// blockLocked adds a task to the line. It is accepted when there is room for it. p is its blocked
// submitter's Parker.
func (q *keyQueue) blockLocked(t *KeyTask, p *park.Parker) {
	q.keys.blocked.PushBack(&t.blockedLink)
	q.lineUpLocked(t, p)
}

// unlineLocked takes a task out of the line. It reports whether the task was accepted before.
func (q *keyQueue) unlineLocked(t *KeyTask) (accepted bool) {
	q.line.Remove(&t.link)
	if q.line.Empty() {
		q.keys.sched.shared.lines.Remove(&q.lineLink)
	}
	if t.blockedLink.Listed() {
		q.keys.blocked.Remove(&t.blockedLink)
	}
	if t.parker == nil {
		q.waits--
		q.keys.waiting--
		return true
	}
	return false
}

// releaseLocked ends the wait of a task's submitter, which returns refused.
func (t *KeyTask) releaseLocked(refused error) {
	t.refused = refused
	t.key.keys.sched.wakeParkerLocked(t.parker)
	t.parker = nil
}

// fillLocked moves tasks from the line to the run queue while fewer than perKey tasks are active.
func (q *keyQueue) fillLocked() {
	s := q.keys.sched
	for !q.line.Empty() && q.actives < q.keys.perKey {
		t := q.line.Front().Value
		if t.exclusive && q.actives > 0 {
			return
		}
		if !q.unlineLocked(t) {
			t.releaseLocked(nil)
		}
		q.keys.waiting++
		q.fromLine++
		s.shared.fromLines++
		q.activateLocked(&t.own)
		s.queueLocked(&q.Set, &t.own)
	}
}

// begunLocked counts that a worker has claimed a task of the key.
func (q *keyQueue) begunLocked() {
	if q.fromLine > 0 {
		q.fromLine--
		q.keys.sched.shared.fromLines--
		q.keys.waiting--
	}
}

// endedLocked makes t, which has ended, inactive, and moves the next tasks of the line to the run
// queue.
func (q *keyQueue) endedLocked(t Task) {
	q.deactivateLocked(t.(*keyEntry))
	q.fillLocked()
}

func (q *keyQueue) deactivateLocked(e *keyEntry) {
	if e.link.Listed() { // its task was not dropped
		q.active.Remove(&e.link)
		q.actives--
	}
}

// retireLocked forgets the key if it has no task left. It releases the waiters for all keys if it
// was the last key with tasks.
func (q *keyQueue) retireLocked() {
	k := q.keys
	if q.actives > 0 || !q.line.Empty() {
		return
	}
	if q.live {
		q.live = false
		k.live--
	}
	if k.live == 0 && !k.waiters.Empty() {
		k.sched.releaseLocked(&k.waiters, k.takeLocked())
	}
	q.forgetLocked()
}

// forgetLocked forgets the key if it has no tasks, no submitter that waits for room in the run
// queue, no failures and no dropped tasks. A race build forgets none.
func (q *keyQueue) forgetLocked() {
	if q.live || q.entering > 0 || q.dropped || !q.failures.empty() || !q.link.Listed() || race.Hidden {
		return
	}
	q.self.forget()
}

// A replacement is what a Replace has done: the tasks that run, whose contexts it cancels, those
// that it has dropped, and its error.
type replacement struct {
	running, dropped []*KeyTask
	err              error
}

// dropActiveLocked drops the active tasks that have not begun, and adds all active tasks to r. If
// none has begun, it gives the entry of the last one to t and reports true. The entries of the
// other dropped tasks stay in the run queue, and are inactive.
func (q *keyQueue) dropActiveLocked(t *KeyTask, r *replacement) bool {
	for at := q.active.Front(); at != nil; {
		e := at.Value
		at = at.Next()
		if at == nil && len(r.running) == 0 && e.body.CompareAndSwap(e.task, t) {
			r.dropped = append(r.dropped, e.task)
			e.task = t
			return true
		}
		if e.body.Swap(nil) == nil {
			r.running = append(r.running, e.task)
			continue
		}
		r.dropped = append(r.dropped, e.task)
		e.task = nil
		q.deactivateLocked(e)
	}
	return false
}

// takeLocked takes the failures of all keys.
func (k *keys) takeLocked() *failures {
	all := k.collected
	k.collected = failures{}
	for e := k.all.Front(); e != nil; {
		q := e.Value
		e = e.Next()
		if r := q.failures.takeLocked(); r != nil {
			all.addAll(r)
			q.forgetLocked()
		}
	}
	return all.takeLocked()
}

// admitLocked ends the wait of the submitters for which there is room.
func (k *keys) admitLocked() {
	for !k.blocked.Empty() && k.waiting < k.mayWait {
		t := k.blocked.Front().Value
		k.blocked.Remove(&t.blockedLink)
		t.releaseLocked(nil)
		k.sched.setQueuedLocked(t.task)
		t.key.waits++
		k.waiting++
		t.key.fillLocked()
	}
}

// pushLocked adds a task to the run queue and reports true, or adds it to the line of its key if
// that is busy.
func (s *Scheduler) pushLocked(set *Set, t Task) bool {
	if q := set.queueOfKey(); q != nil && !q.activateOrLineUpLocked(t) {
		return false
	}
	s.queueLocked(set, t)
	return true
}
