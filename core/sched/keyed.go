package sched

import (
	"context"
	"errors"

	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds tasks with a key. At most perKey tasks of one key are active: in the run
// queue, or running. The others wait in the line of their key, where they hold neither a worker nor
// room in the run queue. The first in line becomes active when a task of the key ends. It takes no
// room in the run queue, because it was accepted before.
//
// Each key that has tasks is a wait set. A key without tasks is forgotten, unless it holds a panic
// that no wait has raised, or Drop has dropped tasks of it. A race build forgets no key, because
// the key holds the edges from past tasks to future ones.
//
// Invariant, whenever mu is free: the line of a key is empty, or perKey of its tasks are active, or
// the first in line replaces others and one of the others is active.

var errNoRoom = errors.New("no room") // in the run queue

// Keyed owns tasks of a scheduler that have a key.
type Keyed[K comparable] struct {
	keys
	queues map[K]*queueOf[K] // of the keys that are not forgotten; guarded by mu
	large  bool              // queues has had more than 1000 keys since it was made; guarded by mu
}

// A queueOf is a keyQueue with its key.
type queueOf[K comparable] struct {
	keyQueue
	key K
	of  *Keyed[K]
}

// NewKeyed returns an owner of tasks with keys. perKey is how many tasks of a key may be active.
// mayWait is how many tasks may wait for their keys.
func NewKeyed[K comparable](s *Scheduler, perKey, mayWait int) *Keyed[K] {
	return &Keyed[K]{keys: keys{sched: s, perKey: perKey, mayWait: mayWait}}
}

// queueLocked returns the queue of a key. It makes it if there is none.
func (k *Keyed[K]) queueLocked(key K) *keyQueue {
	q := k.queues[key]
	if q == nil {
		q = &queueOf[K]{key: key, of: k}
		q.Set.sched, q.Set.key = k.sched, &q.keyQueue
		q.keys, q.self = &k.keys, q
		q.link.Value, q.lineLink.Value = &q.keyQueue, &q.keyQueue
		if k.queues == nil {
			k.queues = make(map[K]*queueOf[K])
		}
		k.queues[key] = q
		k.large = k.large || len(k.queues) > 1000
		k.all.PushBack(&q.link)
	}
	return &q.keyQueue
}

func (q *queueOf[K]) forget() {
	k := q.of
	k.all.Remove(&q.link)
	delete(k.queues, q.key)
	if k.large && len(k.queues) == 0 {
		k.queues, k.large = nil, false // a map does not become smaller
	}
}

// GoContext accepts a task of a key. It blocks until there is room: in the run queue, or, if the
// key is busy, among the tasks that wait for their keys. It returns the cause if ctx ends first. It
// returns ErrClosed if the scheduler is closed. A caller that is a task of the scheduler does not
// block: if its key is busy, the new task waits without room, otherwise it may run on the caller's
// place.
func (k *Keyed[K]) GoContext(ctx context.Context, key K, t *KeyTask) (err error) {
	defer func() { _ = declined(t.task, err) }()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := k.sched
	inside := taskOf(ctx).holdsPlace(s)
	t.from.Release()
	enter := func(p *park.Parker) error {
		return inLock(s, func() error { return k.queueLocked(key).submitLocked(t, inside, p) })
	}
	if err = enter(nil); err != ErrFull {
		return err
	}
	p := park.Get(true)
	defer p.Free()
	return k.finish(ctx, t, p, inside, ForRoom, enter(p))
}

// Replace accepts a task of a key in place of all others. It drops those that have not begun,
// cancels those that run, and blocks until they have ended. It blocks until there is room if none
// runs. It returns the cause, and t does not run, if ctx ends first. If ofKey is set, the caller
// is a task of the key: then Replace does not block.
func (k *Keyed[K]) Replace(ctx context.Context, key K, t *KeyTask, ofKey bool) (err error) {
	defer func() { _ = declined(t.task, err) }()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := k.sched
	inside := taskOf(ctx).holdsPlace(s)
	p := park.Get(true)
	defer p.Free()
	t.from.Release()
	r := inLock(s, func() (r replacement) {
		r.err = k.queueLocked(key).replaceLocked(t, inside, ofKey, p, &r)
		return r
	})
	for _, old := range race.Copy(r.dropped) {
		old.tellDropped(ErrReplaced)
	}
	for _, old := range race.Copy(r.running) {
		race.Do(func() {
			old.from.Acquire()
			old.task.Replaced()
		})
	}
	return k.finish(ctx, t, p, inside, ForSome, r.err)
}

// find returns the set of a key, or nil if the key is forgotten.
func (k *Keyed[K]) find(key K) *Set {
	return inLock(k.sched, func() *Set {
		if q := k.queues[key]; q != nil {
			return &q.Set
		}
		return nil
	})
}

// SetWithin returns the set of the key if ctx derives from the context of a task of the key that
// has not ended, or of a task that runs on the place of one. Otherwise it returns nil.
func (k *Keyed[K]) SetWithin(ctx context.Context, key K) *Set {
	set := k.find(key)
	if set == nil {
		return nil
	}
	for task := range taskOf(ctx).tasks() {
		for ; task != nil; task = task.host {
			if task.set == set && task.runs() {
				return set
			}
		}
	}
	return nil
}

// RunsInnermost reports whether the innermost task of the scheduler from which ctx derives, among
// those that have not ended, is a task of the key.
func (k *Keyed[K]) RunsInnermost(ctx context.Context, key K) bool {
	c := taskOf(ctx).of(k.sched)
	return c != nil && c.set != nil && c.set == k.find(key)
}

// WaitKey blocks until no task of the key is left. raise raises the panics and Goexits of the
// tasks. WaitKey returns ErrClosed if Drop has dropped tasks of the key, and a *core.StuckError if
// ctx ends first. A caller that is a task of the scheduler lends its place to tasks of the key
// while WaitKey blocks.
func (k *Keyed[K]) WaitKey(ctx context.Context, key K) (raise func(), err error) {
	set := k.find(key)
	if set == nil {
		return func() {}, nil
	}
	raise, err = set.WaitContext(ctx)
	if err != nil {
		return nil, err
	}
	dropped := inLock(k.sched, func() bool {
		set.key.forgetLocked()
		return set.key.dropped
	})
	if dropped {
		err = ErrClosed
	}
	return raise, err
}

// Wait blocks until no task of any key is left, and raises the panics and Goexits of the tasks.
func (k *Keyed[K]) Wait() {
	w := wait{s: k.sched, on: &k.keys}
	r, _ := w.until(nil)
	k.ended.Acquire()
	r.raise()
}

// closedLocked reports whether the scheduler refuses a submitter; inside says that the submitter is
// a task of the scheduler.
func (k *keys) closedLocked(inside bool) bool {
	l := &k.sched.share().limiter
	return l.closed && (!inside || l.closedToTasks)
}

// submitLocked is the part of GoContext that needs mu. If the submitter must block, it returns
// ErrFull if p is nil. Otherwise it lists the submitter with p and returns errBlocked, or returns
// errNoRoom.
func (q *keyQueue) submitLocked(t *KeyTask, inside bool, p *park.Parker) error {
	k, s := q.keys, q.keys.sched
	t.key = q
	switch {
	case k.closedLocked(inside):
		q.forgetLocked()
		return ErrClosed
	case !q.fullLocked():
		if s.acceptLocked(&q.Set, &t.own) {
			return nil
		}
		return q.noRoomLocked(t, inside, p)
	case k.hasRoomLocked(inside):
		q.waitLocked(t)
		return nil
	case p == nil:
		return ErrFull
	}
	q.blockLocked(t, p)
	return errBlocked
}

// noRoomLocked is called for the task of a free key if there is no room in the run queue. The key
// may be busy by the time there is room. Then a submitter that is no task of the scheduler may
// block again, with p.
func (q *keyQueue) noRoomLocked(t *KeyTask, inside bool, p *park.Parker) error {
	if p == nil {
		return ErrFull
	}
	if !inside {
		t.retry = p
	}
	q.entering++
	return errNoRoom
}

// replaceLocked is the part of Replace that needs mu. It returns errBlocked if the submitter must
// block.
func (q *keyQueue) replaceLocked(t *KeyTask, inside, ofKey bool, p *park.Parker, r *replacement) error {
	k, s := q.keys, q.keys.sched
	t.key = q
	if k.closedLocked(inside) {
		q.forgetLocked()
		return ErrClosed
	}
	for !q.line.Empty() {
		if old := q.line.Front().Value; q.unlineLocked(old) {
			s.shared.accepted++
			s.shared.dropped++
			r.dropped = append(r.dropped, old)
		} else {
			old.releaseLocked(ErrReplaced)
		}
	}
	if q.entering > 0 {
		s.replaceSubmittersLocked(&q.Set)
	}
	defer k.admitLocked()
	switch {
	case q.dropActiveLocked(t, r):
		s.shared.accepted++ // t, in the place of a task that is now dropped
		s.shared.dropped++
		return nil
	case q.actives > 0:
		t.exclusive = true
		if ofKey {
			q.waitLocked(t)
			return nil
		}
		q.lineUpLocked(t, p)
		return errBlocked
	case s.acceptLocked(&q.Set, &t.own):
		return nil
	case k.hasRoomLocked(inside):
		q.waitLocked(t)
		q.fillLocked()
		return nil
	}
	return q.noRoomLocked(t, inside, p)
}

// replaceSubmittersLocked ends the wait of the submitters that are blocked with a task of set until
// there is room in the run queue.
func (s *Scheduler) replaceSubmittersLocked(set *Set) {
	for e := s.shared.limiter.submitters.Front(); e != nil; {
		b := e.Value
		if e = e.Next(); b.set == set {
			s.dismissLocked(b, replaced)
		}
	}
}

// finish ends a GoContext or Replace, with the error that it has so far: errBlocked if the
// submitter is listed, errNoRoom if it must block until there is room in the run queue.
func (k *keys) finish(ctx context.Context, t *KeyTask, p *park.Parker, inside bool, reason Reason, err error) error {
	if err == errNoRoom {
		err = k.sched.start(ctx, t.Set(), &t.own)
		again := inLock(k.sched, func() bool {
			t.key.entering--
			t.key.forgetLocked()
			return !inside && t.retry == nil
		})
		if again {
			err = errBlocked
		}
	}
	if err != errBlocked {
		return err
	}
	defer k.sched.noteBlocked(reason).end()
	// A task that a Replace cancels may wait for the caller, and gives up only when its place is
	// lent.
	place := taskOf(ctx).placeHolder(k.sched)
	place.pass(1)
	defer place.pass(-1)
	return k.await(ctx, t, p)
}

// await blocks until the submitter of t is released. It returns the cause if ctx ends first.
func (k *keys) await(ctx context.Context, t *KeyTask, p *park.Parker) error {
	if !p.Wait(ctx.Done()) {
		gaveUp := inLock(k.sched, func() bool {
			if t.parker == nil {
				return false
			}
			t.key.unlineLocked(t)
			t.parker = nil
			t.key.fillLocked()
			t.key.retireLocked()
			return true
		})
		if gaveUp {
			return context.Cause(ctx)
		}
		p.Wait(nil) // the goroutine that released t is about to wake p
	}
	return race.Load(&t.refused)
}

// dropKeysLocked is the part of dropLocked for tasks with a key. all holds those that were in the
// run queue. dropKeysLocked adds the tasks that wait for their keys, and returns the result.
func (x *shared) dropKeysLocked(all []droppedTask) []droppedTask {
	for _, d := range all {
		if q := d.set.queueOfKey(); q != nil {
			q.deactivateLocked(d.task.(*keyEntry))
		}
	}
	for !x.lines.Empty() {
		q := x.lines.Front().Value
		t := q.line.Front().Value
		if !q.unlineLocked(t) {
			t.releaseLocked(ErrClosed)
			continue
		}
		x.accepted++
		all = append(all, droppedTask{&t.own, &q.Set})
	}
	return all
}
