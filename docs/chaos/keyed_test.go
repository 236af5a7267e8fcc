package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/coterie-go/coterie/pool"
)

// numKeys is how many keys the tasks of a Keyed have.
const numKeys = 3

// anyKey is the key of a wait for all.
const anyKey = -1

// A keyRun is what the oracle knows of one key of a Keyed.
type keyRun struct {
	lim    *limiter
	order  *order
	shared int // by tasks of the key that are ordered, without synchronization

	mu       sync.Mutex
	replaces []*record // that were started by Replace
}

// keyedDoor is the door of a Keyed. Of the verbs it has only Wait; start_test.go calls the others.
type keyedDoor struct{ k *pool.Keyed[int] }

func (d keyedDoor) Wait() error { d.k.Wait(); return nil }

func (keyedDoor) Go(func() error)         { panic("chaos: Go of a Keyed") }
func (keyedDoor) TryGo(func() error) bool { panic("chaos: TryGo of a Keyed") }
func (keyedDoor) GoContext(context.Context, func(ctx context.Context) error) error {
	panic("chaos: no key")
}
func (keyedDoor) WaitContext(context.Context) error { panic("chaos: no key") }

func startKeyed(s starting) (future, error) {
	return nil, s.o.keyed.GoContext(s.r.ctx, s.r.key, func(ctx context.Context) { _ = s.r.run0(ctx) })
}

func startReplace(s starting) (future, error) {
	return nil, s.o.keyed.Replace(s.r.ctx, s.r.key, func(ctx context.Context) { _ = s.r.run0(ctx) })
}

func (o *ownerRun) makeKeys() {
	for key := range o.keys {
		k := &o.keys[key]
		k.lim = newLimiter(o.run, fmt.Sprintf("key %d of %s", key, o.label), o.node.perKey)
		k.order = &order{seqs: make(map[*frame]int)}
	}
}

// newInKey prepares a task with a key, which is about to be started.
func (f *frame) newInKey(r *record) {
	if !r.replaces {
		return
	}
	if t := r.ofOwnKey(); t != nil {
		r.life, r.inOwnKey = t.life, true
	}
	o := r.owner
	o.mu.Lock()
	for _, other := range o.records {
		switch s := other.state.Load(); {
		case other.key != r.key:
		case s == begun || s == fresh && other.accepted.Load():
			r.before = append(r.before, other)
		}
	}
	o.mu.Unlock()
	k := &o.keys[r.key]
	k.mu.Lock()
	k.replaces = append(k.replaces, r)
	k.mu.Unlock()
}

// ofOwnKey returns the task of the same key with whose context the task is started, or nil.
func (r *record) ofOwnKey() *record {
	return innermost(r.at.tasks, func(t *record) bool { return t.owner == r.owner && t.key == r.key })
}

// touchKey is touch for the tasks of a key that run one after another.
func (o *ownerRun) touchKey(r *record) {
	if o.keyed != nil && o.node.perKey == 1 {
		o.keys[r.key].shared++
	}
}

func (o *ownerRun) beginsInKey(r *record) {
	k := &o.keys[r.key]
	k.lim.enter(1, "task", r.id)
	if o.node.perKey == 1 {
		k.order.beginsInKey(r)
	}
	r.hasReplaced()
	if r.replaces {
		r.checkReplaced("begins")
	}
}

// beginsInKey is begins for a key: whoever starts its tasks, they begin in the order in which they
// were accepted. A task of the pool is accepted at once, and so may pass one that waits for room.
func (o *order) beginsInKey(r *record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.run.fake && !r.inside && r.called < o.called {
		r.run.violation("task %d begins after one of its key that was started later", r.id)
	}
	if r.seq < o.seqs[r.submitter] {
		r.run.violation("task %d begins after one of its key that the same function started later", r.id)
	}
	o.seqs[r.submitter] = r.seq
	if !r.inside {
		o.called = max(o.called, r.called)
	}
}

func (o *ownerRun) endsInKey(r *record) {
	o.keys[r.key].lim.leave(1)
	if r.cause == pool.ErrReplaced && !r.cancelled() && !slices.ContainsFunc(r.at.tasks, (*record).cancelled) {
		o.run.violation("the context of task %d ends with ErrReplaced, and nobody has replaced it", r.id)
	}
}

// checkReplaced checks that what a Replace found of its key has ended, was told to end, or never begins.
func (r *record) checkReplaced(when string) {
	for _, b := range r.before {
		switch b.state.Load() {
		case begun:
			r.run.violation("task %d, of a Replace, %s, and task %d still runs", r.id, when, b.id)
		case fresh:
			// The Replace may return while its task begins: then both check, and either may seal b.
			if !b.state.CompareAndSwap(fresh, sealed) && b.state.Load() != sealed {
				r.run.violation("task %d began when task %d, of a Replace, %s", b.id, r.id, when)
			}
		case ended:
			if r.run.fake && b.ended > r.called && b.cause == nil {
				r.run.violation("task %d, of a Replace, %s, and the context of task %d was not done", r.id, when, b.id)
			}
		}
	}
}

// acceptedInKey checks what a task of the key that starts another is promised: not to wait.
func (o *ownerRun) acceptedInKey(r *record) {
	if r.replaces && !r.inOwnKey {
		r.checkReplaced("was accepted")
	}
	atOnce := r.inOwnKey || !r.replaces && o.node.perKey == 1 && r.ofOwnKey() != nil
	if atOnce && o.run.fake && r.acceptedAt != r.called {
		o.run.violation("task %d was accepted at %d, and was started by a task of its key at %d", r.id, r.acceptedAt, r.called)
	}
}

// declinedForAnother checks a task that was not accepted because of a Replace.
func (o *ownerRun) declinedForAnother(r *record) {
	if !o.wasReplaced(r) && context.Cause(r.ctx) != pool.ErrReplaced {
		o.run.violation("task %d was refused because it was replaced, and nobody has replaced it", r.id)
	}
}

// hasReplaced notes that the task, if it is one of a Replace, has replaced the others by now.
func (r *record) hasReplaced() {
	if r.replaces {
		r.replacedAt.CompareAndSwap(0, max(r.run.now(), 1))
	}
}

// replacesAfter reports whether a Replace may have replaced a task that was started at that instant. In
// real time, a task may be started and accepted between the start of a Replace and its effect.
func (r *record) replacesAfter(at int64) bool {
	switch by := r.replacedAt.Load(); {
	case r.noEffect.Load():
		return false
	case r.run.fake:
		return r.called >= at
	default:
		return by == 0 || by >= at
	}
}

// wasReplaced reports whether a Replace of the task's key may have come since the task was started.
func (o *ownerRun) wasReplaced(r *record) bool {
	if o.keyed == nil {
		return false
	}
	k := &o.keys[r.key]
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.replaces, func(q *record) bool {
		return q != r && q.replacesAfter(r.called)
	})
}

// cancelled reports whether it is a task with a key that a Replace may have cancelled.
func (r *record) cancelled() bool { return r.owner.wasReplaced(r) }

func (f *frame) waitSome(p *op) { f.waitKey(f.levels[p.up].o, p.key, p.d, f.levels[p.env]) }

// waitKey waits for a key: for d ticks, or as long as it takes if d is negative.
func (f *frame) waitKey(o *ownerRun, key, d int, env level) raised {
	w := o.waits(fmt.Sprintf("WaitKey of key %d of %s", key, o.label), key)
	ctx := context.WithoutCancel(env.ctx)
	if d >= 0 {
		w.cause = &reason{int(f.run.ids.Add(1))}
		w.deadline = f.run.now() + int64(f.run.ticks(d))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.run.ticks(d), w.cause)
		defer cancel()
	}
	goOn := func() {}
	if o.placeIn(env.tasks) != nil {
		goOn = o.root().lim.lend()
	}
	return f.observe(func() { w.err = o.keyed.WaitKey(ctx, key) }, func(got raised) {
		goOn()
		w.ends(got)
	})
}

// waitKeys waits for all keys, in a task of the pool, which cannot call Wait.
func (f *frame) waitKeys(o *ownerRun) (got raised) {
	all := false
	defer func() {
		if !all { // a Goexit: somebody else has to go on
			<-f.run.beside(f.levels, func(h *frame) { h.waitKeys(o) })
		}
	}()
	for n := -1; n != o.numRecords(); {
		n = o.numRecords()
		for key := range numKeys {
			if g := f.waitKey(o, key, -1, o.lane()); g.value != nil {
				got = g
			}
		}
	}
	all = true
	return got
}

func (o *ownerRun) numRecords() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.records)
}

// checkKeyedError checks what a WaitKey says of tasks that a Shutdown has dropped. The caller holds the
// owner's mu.
func (w *waitCall) checkKeyedError() {
	o := w.o
	if w.err != nil && (w.err != pool.ErrClosed || !o.pool.hasDropped()) {
		o.run.violation("%s returns %v", w.name, w.err)
	}
	if w.err != nil || w.key == anyKey || !o.run.fake || o.pool.dropAt.Load()-1 <= w.began {
		return
	}
	for _, r := range w.covered {
		if r.state.Load() == sealed && !r.skipped() && !o.wasReplaced(r) {
			o.run.violation("%s returns no error, and Shutdown has dropped task %d", w.name, r.id)
		}
	}
}
