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

// A queueOf is a keyQueue with its key.
type queueOf[K comparable] struct {
	keyQueue
	key K
	of  *Keyed[K]
}

// NewKeyed returns an owner of tasks with a key, of which at most so many wait.
func NewKeyed[K comparable](s *Scheduler, perKey, most int) *Keyed[K] {
	return &Keyed[K]{keys: keys{sched: s, perKey: perKey, most: most}}
}

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
// returns the cause. Room is a place among those that wait if the key is busy, and else one in
// the run queue. A submitter that is a task of the scheduler does not wait for it.
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
	w := wait{s: k.sched, keys: &k.keys}
	r, _ := w.until(nil)
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

// keepLocked keeps what is about to be raised for those who wait for all keys.
func (set *Set) keepLocked() {
	if q := set.key; q != nil && q.keys.waiters != nil && set.failures.kept != nil {
		q.keys.kept.join(set.failures.kept)
	}
}

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
	k.blocked.PushBack(&t.blocked)
	q.lineUpLocked(t, p)
	return errBlocked
}

// admitLocked ends the wait of the submitters for whom there is room.
func (k *keys) admitLocked(do *todo) {
	for !k.blocked.Empty() && k.waiting < k.most {
		t := k.blocked.Front().Value
		k.blocked.Remove(&t.blocked)
		t.releaseLocked(nil, do)
		t.queue.waits++
		k.waiting++
		t.queue.fillLocked(do)
	}
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
	if q.entering > 0 {
		s.replaceSubmittersLocked(&q.Set, do)
	}
	defer k.admitLocked(do)
	running, free := q.dismissLocked(t)
	switch {
	case free:
		s.shared.accepted++ // it, and one that was dropped
		s.shared.dropped++
		return nil, nil
	case q.actives > 0:
		t.exclusive = true
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
	k.blocked.PushBack(&t.blocked)
	q.lineUpLocked(t, p)
	return nil, errBlocked
}

// replaceSubmittersLocked ends the wait of those that wait for room in the run queue, for a task
// of set.
func (s *Scheduler) replaceSubmittersLocked(set *Set, do *todo) {
	for e := s.shared.limiter.submitters.Front(); e != nil; {
		b := e.Value
		if e = e.Next(); b.set == set {
			s.dismissLocked(b, replaced, do)
		}
	}
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
