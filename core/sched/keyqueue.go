package sched

import (
	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the queue of one key: how its tasks go from the line to the run queue, and
// how one takes the place of another there. The scheduler's mu is held throughout.
//
// What stands in the run queue is an entry, which runs whatever task it has when its turn
// comes. So a task that has not begun can be replaced.

// A keyQueue is the tasks of one key.
type keyQueue struct {
	Set
	order race.Point // from each task to the next, where perKey is 1
	keys  *keys
	self  interface{ forget() }

	active   list.List[*keyEntry] // in the run queue, or running
	actives  int
	line     list.List[*KeyTask]
	waits    int                  // tasks in line that were accepted
	posted   int                  // tasks in the run queue that come from the line
	entering int                  // submitters that wait for room in the run queue
	live     bool                 // there are tasks
	dropped  bool                 // tasks were dropped by Drop
	place    list.Elem[*keyQueue] // among all that are not forgotten
	lined    list.Elem[*keyQueue] // among those of the scheduler whose line is not empty
}

// A KeyTask is part of a task with a key.
type KeyTask struct {
	own       keyEntry // its entry in the run queue, unless it has that of the task that it replaces
	task      KeyedTask
	queue     *keyQueue           // of its key; guarded by mu
	place     list.Elem[*KeyTask] // in line
	blocked   list.Elem[*KeyTask] // among the blocked
	parker    *park.Parker        // of its submitter, while that is blocked
	refused   error               // why its submitter was refused
	exclusive bool                // it begins when no other task of the key is active
	from      race.Point          // from its submitter to the task
}

// A KeyedTask is a task with a key.
type KeyedTask interface {
	Task
	// Replaced cancels the context of a task that has begun. It may have ended since.
	Replaced()
}

// A keyEntry is what stands for a task with a key in the run queue.
type keyEntry struct {
	body  race.Pointer[KeyTask] // what it will run; nil when that has begun, or was dropped
	task  *KeyTask              // what it runs or will run; nil when that was dropped; guarded by mu
	place list.Elem[*keyEntry]  // among the active
}

// Run runs the task.
func (e *keyEntry) Run(w *Worker) {
	t := e.body.Swap(nil)
	if t == nil {
		w.Drop()
		return
	}
	t.from.Acquire()
	t.task.Run(w)
}

// Init makes t part of a task.
func (t *KeyTask) Init(task KeyedTask) {
	t.task = task
	t.own.task = t
	t.own.body.Store(t)
	t.own.place.Value, t.place.Value, t.blocked.Value = &t.own, t, t
}

// Set returns the wait set of a task that has begun.
func (t *KeyTask) Set() *Set { return &race.Load(&t.queue).Set }

// fullLocked reports whether a further task has to wait in line.
func (q *keyQueue) fullLocked() bool { return q.actives >= q.keys.perKey || !q.line.Empty() }

// acceptLocked is called when there is room for a task in the run queue. It reports false, and
// has the task wait, if its key is busy.
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

// waitLocked accepted a task, which waits in line.
func (q *keyQueue) waitLocked(t *KeyTask) {
	q.waits++
	q.keys.waiting++
	q.lineUpLocked(t, nil)
}

// lineUpLocked adds a task to the line. It is not accepted if p, its submitter's, is not nil.
func (q *keyQueue) lineUpLocked(t *KeyTask, p *park.Parker) {
	t.parker = p
	if q.line.Empty() {
		q.keys.sched.shared.lines.PushBack(&q.lined)
	}
	q.line.PushBack(&t.place)
	q.liveLocked()
}

// unlineLocked takes a task out of the line. It reports whether it was accepted.
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

// releaseLocked ends the wait of a task's submitter.
func (t *KeyTask) releaseLocked(refused error, do *todo) {
	t.refused = refused
	do.wakes(t.parker)
	t.parker = nil
}

// fillLocked moves tasks from the line to the run queue.
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

// begunLocked is called when a worker has claimed a task of the key.
func (q *keyQueue) begunLocked() {
	if q.posted > 0 {
		q.posted--
		q.keys.sched.shared.posted--
		q.keys.waiting--
	}
}

// endedLocked is called when a task of the key has ended.
func (q *keyQueue) endedLocked(t Task, do *todo) {
	q.inactiveLocked(t.(*keyEntry))
	q.fillLocked(do)
}

func (q *keyQueue) inactiveLocked(e *keyEntry) {
	q.active.Remove(&e.place)
	q.actives--
}

// restLocked is called when the key may have no task left.
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

// forgetLocked forgets the key if nothing depends on it.
func (q *keyQueue) forgetLocked() {
	if q.live || q.entering > 0 || !q.failures.empty() || !q.place.Listed() || race.Hidden {
		return
	}
	q.self.forget()
}

// dismissLocked drops the active tasks that have not begun, and returns the others. If there are
// no others, and t can have the entry of one that was dropped, it reports that it has.
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

// queueOfKey returns the queue of a set of tasks of one key, or nil.
func (set *Set) queueOfKey() *keyQueue {
	if set == nil {
		return nil
	}
	return set.key
}

// points returns where the end of each task of the set is published, besides ended, in a race
// build.
func (set *Set) points() (inKey, all *race.Point) {
	if set == nil {
		return nil, nil
	}
	q := race.Load(&set.key)
	if q == nil {
		return nil, nil
	}
	k := race.Load(&q.keys)
	if race.Load(&k.perKey) == 1 {
		inKey = &q.order
	}
	return inKey, &k.ended
}
