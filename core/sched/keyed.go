package sched

import (
	"context"
	"errors"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds tasks with a key. At most perKey tasks of one key are active: in the run
// queue, or running. The others wait in the line of their key, where they hold neither a worker nor
// room in the run queue. When a task of the key ends, the first in line becomes active; it does
// not count against that room, because it was accepted long ago.
//
// Each key that has tasks is a wait set. A key without any is forgotten, but for a
// panic that nobody has been told of. A race build keeps all keys, because the edges from past
// tasks to future ones are kept with them.
//
// Invariant, whenever mu is free: the line of a key is empty, or perKey of its tasks are active, or
// the first in line replaces others and some of those are active, or waits for room.

// ErrReplaced is returned where a task was replaced before it was accepted. It is the cause with
// which the contexts of tasks that run are cancelled.
var ErrReplaced = errors.New("pool: replaced by a later task of its key")

var errNoRoom = errors.New("no room") // in the run queue

// Keyed are the tasks of a scheduler that have a key.
type Keyed[K comparable] struct {
	keys
	queues map[K]*queueOf[K] // of the keys that are not forgotten; guarded by mu
	large  bool              // queues has been large; guarded by mu
}

// keys is what is the same for all types of keys. The scheduler's mu guards what changes.
type keys struct {
	ended  race.Point // from the end of each task to the waits for all
	sched  *Scheduler
	perKey int
	most   int // tasks that may wait

	all     list.List[*keyQueue] // not forgotten
	live    int                  // keys that have tasks
	waiting int                  // tasks that were accepted while their key was busy, and have not begun
	blocked list.List[*KeyTask]  // whose submitters wait for room among those
	waiters *park.Parker         // who wait for all keys
	kept    round                // what waits for single keys have raised, for them
}

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

type queueOf[K comparable] struct {
	keyQueue
	key K
	of  *Keyed[K]
}

// A KeyTask is part of a task with a key.
type KeyTask struct {
	own     keyEntry // its entry in the run queue, unless it has that of the task that it replaces
	task    KeyedTask
	queue   *keyQueue           // of its key; guarded by mu
	place   list.Elem[*KeyTask] // in line
	turn    list.Elem[*KeyTask] // among the blocked
	parker  *park.Parker        // of its submitter, while that is blocked
	refused error               // why its submitter was refused
	alone   bool                // it begins when no other task of the key is active
	from    race.Point          // from its submitter to the task
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

// NewKeyed returns an owner of tasks with a key, of which at most so many wait.
func NewKeyed[K comparable](s *Scheduler, perKey, most int) *Keyed[K] {
	return &Keyed[K]{keys: keys{sched: s, perKey: perKey, most: most}}
}

// Init makes t part of a task.
func (t *KeyTask) Init(task KeyedTask) {
	t.task = task
	t.own.task = t
	t.own.body.Store(t)
	t.own.place.Value, t.place.Value, t.turn.Value = &t.own, t, t
}

// Set returns the wait set of a task that has begun.
func (t *KeyTask) Set() *Set { return &race.Load(&t.queue).Set }

// queueLocked returns the queue of a key.
func (k *Keyed[K]) queueLocked(key K) *keyQueue {
	q := k.queues[key]
	if q == nil {
		q = &queueOf[K]{key: key, of: k}
		q.Owner, q.Set.sched, q.Set.key = k, k.sched, &q.keyQueue
		q.keys, q.self = &k.keys, q
		q.place.Value, q.lined.Value = &q.keyQueue, &q.keyQueue
		if k.queues == nil {
			k.queues = make(map[K]*queueOf[K])
		}
		k.queues[key] = q
		k.large = k.large || len(k.queues) > 1000
		k.all.PushBack(&q.place)
	}
	return &q.keyQueue
}

func (q *queueOf[K]) forget() {
	k := q.of
	k.all.Remove(&q.place)
	delete(k.queues, q.key)
	if k.large && len(k.queues) == 0 {
		k.queues, k.large = nil, false // a map does not become smaller
	}
}

// GoContext accepts a task of a key. It blocks while there is no room, until ctx ends; then it
// returns the cause. Room is a place among those that wait if the key is busy, and else one in the run queue.
// A submitter that is a task of the scheduler does not wait for it.
func (k *Keyed[K]) GoContext(ctx context.Context, key K, t *KeyTask) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s, within := k.sched, taskOf(ctx)
	inside := within.lends(s)
	t.from.Release()
	enter := func(p *park.Parker) error {
		return get(s, func(do *todo) error { return k.queueLocked(key).enterLocked(t, inside, p, do) })
	}
	err := enter(nil)
	if err == ErrFull {
		p := park.Get(true)
		defer p.Free()
		if err = enter(p); err == errBlocked {
			return k.await(ctx, t, p)
		}
	}
	if err != errNoRoom {
		return err
	}
	err = s.start(ctx, within, t.Set(), &t.own)
	s.locked(func(*todo) {
		t.queue.entering--
		t.queue.forgetLocked()
	})
	return err
}

// Replace accepts a task of a key when no other of the key is left: those that wait are
// dropped, and those that run are cancelled and waited for, until ctx ends; then Replace returns
// the cause. In a task of the key it does not wait.
func (k *Keyed[K]) Replace(ctx context.Context, key K, t *KeyTask, within bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := k.sched
	inside := taskOf(ctx).lends(s)
	p := park.Get(true)
	defer p.Free()
	t.from.Release()
	type result struct {
		running []*KeyTask
		err     error
	}
	r := get(s, func(do *todo) (r result) {
		r.running, r.err = k.queueLocked(key).replaceLocked(t, inside, within, p, do)
		return r
	})
	for _, old := range race.Copy(r.running) {
		race.Do(func() {
			old.from.Acquire()
			old.task.Replaced()
		})
	}
	if r.err == errBlocked {
		return k.await(ctx, t, p)
	}
	return r.err
}

// find returns the set of a key, or nil if the key is forgotten.
func (k *Keyed[K]) find(key K) *Set {
	return peek(k.sched, func() *Set {
		if q := k.queues[key]; q != nil {
			return &q.Set
		}
		return nil
	})
}

// Within returns the set of the key if ctx derives from the context of one of its tasks that has
// not ended, or nil.
func (k *Keyed[K]) Within(ctx context.Context, key K) *Set {
	if set := k.find(key); set != nil && k.sched.Runs(ctx, set) {
		return set
	}
	return nil
}

// Runs reports whether ctx is that of a task of the key that has not ended.
func (k *Keyed[K]) Runs(ctx context.Context, key K) bool {
	c := taskOf(ctx).of(k.sched)
	return c != nil && c.set != nil && c.set == k.find(key)
}

// WaitKey blocks until no task of the key is left, and returns what raises what they
// raised, and ErrClosed if some were dropped. If ctx ends before, it returns a *core.StuckError.
// Meanwhile a caller that is a task of the scheduler lends its place to tasks of the key.
func (k *Keyed[K]) WaitKey(ctx context.Context, key K) (raise func(), err error) {
	set := k.find(key)
	if set == nil {
		return func() {}, nil
	}
	raise, err = set.waitContext(ctx, taskOf(ctx).of(k.sched))
	if err != nil {
		return nil, err
	}
	dropped := peek(k.sched, func() bool {
		set.key.forgetLocked()
		return set.key.dropped
	})
	if dropped {
		err = ErrClosed
	}
	return raise, err
}

// Wait blocks until no task of any key is left, and raises what they raised.
func (k *Keyed[K]) Wait() {
	r, _ := k.sched.wait(nil, &k.waiters, func() bool { return k.live == 0 }, k.failuresLocked)
	k.ended.Acquire()
	r.raise()
}

// failuresLocked takes what tasks of all keys raised.
func (k *keys) failuresLocked() *failures {
	all := k.kept
	k.kept = round{}
	for e := k.all.Front(); e != nil; {
		q := e.Value
		e = e.Next()
		if r := q.failures.takeLocked(); r != nil {
			all.join(r)
			q.forgetLocked()
		}
	}
	return &failures{kept: &all}
}

// fullLocked reports whether a further task has to wait in line.
func (q *keyQueue) fullLocked() bool { return q.actives >= q.keys.perKey || !q.line.Empty() }

// closedLocked reports whether the scheduler refuses a submitter.
func (k *keys) closedLocked(inside bool) bool {
	l := &k.sched.share().limiter
	return l.closed && (!inside || l.dropped)
}

// roomLocked reports whether a further task may wait.
func (k *keys) roomLocked(inside bool) bool {
	return inside || k.blocked.Empty() && k.waiting < k.most
}

// enterLocked is GoContext as far as mu is held. Without p it does not block the submitter.
func (q *keyQueue) enterLocked(t *KeyTask, inside bool, p *park.Parker, do *todo) error {
	k, s := q.keys, q.keys.sched
	t.queue = q
	switch {
	case k.closedLocked(inside):
		q.forgetLocked()
		return ErrClosed
	case !q.fullLocked():
		if s.fitsLocked() {
			s.shared.limiter.budget--
			s.pushLocked(&q.Set, &t.own, do)
			return nil
		}
		q.entering++
		return errNoRoom
	case k.roomLocked(inside):
		q.waitLocked(t)
		return nil
	case p == nil:
		return ErrFull
	}
	k.blocked.PushBack(&t.turn)
	q.lineUpLocked(t, p)
	return errBlocked
}

// acceptLocked is called when there is room for a task in the run queue. It reports false, and has the
// task wait, if its key is busy.
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
	if t.turn.Listed() {
		q.keys.blocked.Remove(&t.turn)
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
		if t.alone && q.actives > 0 {
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

// admitLocked ends the wait of the submitters for whom there is room.
func (k *keys) admitLocked(do *todo) {
	for !k.blocked.Empty() && k.waiting < k.most {
		t := k.blocked.Front().Value
		k.blocked.Remove(&t.turn)
		t.releaseLocked(nil, do)
		t.queue.waits++
		k.waiting++
		t.queue.fillLocked(do)
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
	q.keys.admitLocked(do)
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

// replaceLocked is Replace as far as mu is held. It returns the tasks that are to be cancelled.
func (q *keyQueue) replaceLocked(t *KeyTask, inside, within bool, p *park.Parker, do *todo) ([]*KeyTask, error) {
	k, s := q.keys, q.keys.sched
	t.queue = q
	if k.closedLocked(inside) {
		q.forgetLocked()
		return nil, ErrClosed
	}
	for !q.line.Empty() {
		if old := q.line.Front().Value; q.unlineLocked(old) {
			s.shared.accepted++
			s.shared.dropped++
		} else {
			old.releaseLocked(ErrReplaced, do)
		}
	}
	defer k.admitLocked(do)
	running, free := q.dismissLocked(t)
	switch {
	case free:
		s.shared.accepted++ // it, and one that was dropped
		s.shared.dropped++
		return nil, nil
	case q.actives > 0:
		t.alone = true
		if within {
			q.waitLocked(t)
			return running, nil
		}
		q.lineUpLocked(t, p)
		return running, errBlocked
	case s.fitsLocked():
		s.shared.limiter.budget--
		s.pushLocked(&q.Set, &t.own, do)
		return nil, nil
	case k.roomLocked(inside):
		q.waitLocked(t)
		q.fillLocked(do)
		return nil, nil
	}
	k.blocked.PushBack(&t.turn)
	q.lineUpLocked(t, p)
	return nil, errBlocked
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

// await blocks until the submitter of t is released, or until ctx ends; then it returns the cause.
func (k *keys) await(ctx context.Context, t *KeyTask, p *park.Parker) error {
	if !p.Wait(ctx.Done()) {
		gaveUp := get(k.sched, func(do *todo) bool {
			if t.parker == nil {
				return false
			}
			t.queue.unlineLocked(t)
			t.parker = nil
			t.queue.fillLocked(do)
			t.queue.restLocked(do)
			return true
		})
		if gaveUp {
			return context.Cause(ctx)
		}
		p.Wait(nil) // whoever released it is about to wake it
	}
	return race.Load(&t.refused)
}

// dropKeysLocked is dropLocked for tasks with a key: those that were in the run queue have been
// added to all, and those that wait for their key are added.
func (x *shared) dropKeysLocked(all []Dropped, do *todo) []Dropped {
	for _, d := range all {
		if q := d.Set.queueOfKey(); q != nil {
			q.begunLocked()
			q.inactiveLocked(d.Task.(*keyEntry))
			q.dropped = true
		}
	}
	for !x.lines.Empty() {
		q := x.lines.Front().Value
		t := q.line.Front().Value
		if !q.unlineLocked(t) {
			t.releaseLocked(ErrClosed, do)
			continue
		}
		x.accepted++
		q.dropped = true
		all = append(all, Dropped{&t.own, &q.Set})
	}
	return all
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
