package sched

import (
	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the queue of one key: how its tasks move from the line to the run queue, and how
// a task replaces another there. The scheduler's mu is held throughout.
//
// The run queue holds an entry for each task. When a worker runs the entry, the entry runs the task
// that it then has. So a task that has not begun can be replaced.

// A keyQueue holds the tasks of one key.
type keyQueue struct {
	Set
	order race.Point // from each task to the next, if perKey is 1
	keys  *keys
	self  interface{ forget() }

	active   list.List[*keyEntry] // entries in the run queue, or whose task runs
	actives  int                  // the length of active
	line     list.List[*KeyTask]
	waits    int                  // accepted tasks in line
	posted   int                  // tasks in the run queue that came from the line
	entering int                  // submitters that are blocked until there is room in the run queue
	live     bool                 // the key has tasks
	dropped  bool                 // Drop has dropped tasks of the key
	place    list.Elem[*keyQueue] // in keys.all
	lined    list.Elem[*keyQueue] // in shared.lines
}

// A KeyTask is the part of a task with a key that this package uses.
type KeyTask struct {
	own       keyEntry // its entry in the run queue, unless it uses the entry of the task that it replaces
	task      KeyedTask
	queue     *keyQueue           // of its key; guarded by mu
	place     list.Elem[*KeyTask] // in keyQueue.line
	blocked   list.Elem[*KeyTask] // in keys.blocked
	parker    *park.Parker        // of its submitter; nil unless that is blocked
	refused   error               // what its submitter returns; nil if the task was accepted
	exclusive bool                // set by Replace: it becomes active only when no other task of the key is active
	from      race.Point          // from its submitter to the task
}

// A KeyedTask is a task with a key.
type KeyedTask interface {
	Task
	// Replaced cancels the context of the task, which has begun and may have ended.
	Replaced()
}

// A keyEntry stands for a task with a key in the run queue.
type keyEntry struct {
	body  race.Pointer[KeyTask] // the task that it will run; nil when that has begun or was dropped
	task  *KeyTask              // the task that it runs or will run; nil when that was dropped; guarded by mu
	place list.Elem[*keyEntry]  // in keyQueue.active
}

// Run runs the entry's task. If that was dropped, Run counts the drop.
func (e *keyEntry) Run(w *Worker) {
	t := e.body.Swap(nil)
	if t == nil {
		w.Drop()
		return
	}
	t.from.Acquire()
	t.task.Run(w)
}

// Init makes t the KeyTask of task.
func (t *KeyTask) Init(task KeyedTask) {
	t.task = task
	t.own.task = t
	t.own.body.Store(t)
	t.own.place.Value, t.place.Value, t.blocked.Value = &t.own, t, t
}

// Set returns the wait set of the task's key. The task must have been submitted.
func (t *KeyTask) Set() *Set { return &race.Load(&t.queue).Set }

// fullLocked reports whether a further task must wait in line.
func (q *keyQueue) fullLocked() bool { return q.actives >= q.keys.perKey || !q.line.Empty() }

// acceptLocked makes a task active if its key is not busy. Otherwise it puts the task in line and
// reports false. It is called when there is room for the task in the run queue.
func (q *keyQueue) acceptLocked(t Task) bool {
	e := t.(*keyEntry)
	if q.fullLocked() {
		q.waitLocked(e.task)
		return false
	}
	q.activeLocked(e)
	return true
}

func (q *keyQueue) activeLocked(e *keyEntry) {
	q.active.PushBack(&e.place)
	q.actives++
	q.liveLocked()
}

func (q *keyQueue) liveLocked() {
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
		q.keys.sched.shared.lines.PushBack(&q.lined)
	}
	q.line.PushBack(&t.place)
	q.liveLocked()
}

// unlineLocked takes a task out of the line. It reports whether the task was accepted before.
func (q *keyQueue) unlineLocked(t *KeyTask) (accepted bool) {
	q.line.Remove(&t.place)
	if q.line.Empty() {
		q.keys.sched.shared.lines.Remove(&q.lined)
	}
	if t.blocked.Listed() {
		q.keys.blocked.Remove(&t.blocked)
	}
	if t.parker == nil {
		q.waits--
		q.keys.waiting--
		return true
	}
	return false
}

// releaseLocked ends the wait of a task's submitter, which returns refused.
func (t *KeyTask) releaseLocked(refused error, do *todo) {
	t.refused = refused
	do.wakes(t.parker)
	t.parker = nil
}

// fillLocked moves tasks from the line to the run queue while fewer than perKey tasks are active.
func (q *keyQueue) fillLocked(do *todo) {
	s := q.keys.sched
	for !q.line.Empty() && q.actives < q.keys.perKey {
		t := q.line.Front().Value
		if t.exclusive && q.actives > 0 {
			return
		}
		if !q.unlineLocked(t) {
			t.releaseLocked(nil, do)
		}
		q.keys.waiting++
		q.posted++
		s.shared.posted++
		q.activeLocked(&t.own)
		s.queueLocked(&q.Set, &t.own, do)
	}
}

// begunLocked counts that a worker has claimed a task of the key.
func (q *keyQueue) begunLocked() {
	if q.posted > 0 {
		q.posted--
		q.keys.sched.shared.posted--
		q.keys.waiting--
	}
}

// endedLocked makes t, which has ended, inactive, and moves the next tasks of the line to the run
// queue.
func (q *keyQueue) endedLocked(t Task, do *todo) {
	q.inactiveLocked(t.(*keyEntry))
	q.fillLocked(do)
}

func (q *keyQueue) inactiveLocked(e *keyEntry) {
	q.active.Remove(&e.place)
	q.actives--
}

// restLocked forgets the key if it has no task left. If it was the last key with tasks, restLocked
// releases the waiters for all keys.
func (q *keyQueue) restLocked(do *todo) {
	k := q.keys
	if q.actives > 0 || !q.line.Empty() {
		return
	}
	if q.live {
		q.live = false
		k.live--
	}
	if k.live == 0 && k.waiters != nil {
		release(&k.waiters, k.failuresLocked(), do)
	}
	q.forgetLocked()
}

// forgetLocked forgets the key if it has no tasks, no submitter that waits for room in the run
// queue, and no failures. A race build forgets none.
func (q *keyQueue) forgetLocked() {
	if q.live || q.entering > 0 || !q.failures.empty() || !q.place.Listed() || race.Hidden {
		return
	}
	q.self.forget()
}

// dismissLocked drops the active tasks that have not begun, and returns those that have. If it
// drops one and none has begun, it gives the entry of the dropped task to t and reports replaced.
func (q *keyQueue) dismissLocked(t *KeyTask) (running []*KeyTask, replaced bool) {
	var free *keyEntry
	for e := q.active.Front(); e != nil; e = e.Next() {
		switch e := e.Value; {
		case e.task == nil:
		case free == nil && e.body.Load() != nil:
			free = e
		case e.body.Swap(nil) == nil:
			running = append(running, e.task)
		default:
			e.task = nil
		}
	}
	switch {
	case free == nil:
		return running, false
	case len(running) == 0 && free.body.CompareAndSwap(free.task, t):
		free.task = t
		return nil, true
	case free.body.Swap(nil) == nil:
		return append(running, free.task), false
	}
	free.task = nil
	return running, false
}

// queueOfKey returns set.key, or nil if set is nil.
func (set *Set) queueOfKey() *keyQueue {
	if set == nil {
		return nil
	}
	return set.key
}

// points returns the Points, besides ended, to which the end of each task of the set is published
// in a race build. A Point that does not apply is nil.
func (set *Set) points() (order, all *race.Point) {
	if set == nil {
		return nil, nil
	}
	q := race.Load(&set.key)
	if q == nil {
		return nil, nil
	}
	k := race.Load(&q.keys)
	if race.Load(&k.perKey) == 1 {
		order = &q.order
	}
	return order, &k.ended
}
