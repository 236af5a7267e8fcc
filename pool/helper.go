package pool

import (
	"context"
	"runtime/pprof"

	"github.com/coterie-go/coterie/core"
)

// A helper waits for a batch, and would run a task of it. The pool's mu guards it.
type helper struct {
	next   core.Guarded[*helper]
	listed core.Guarded[bool]
	ready  core.Guarded[chan struct{}] // closed when it has been taken off the list
}

// helperLocked takes somebody off the list who will run a task, which was added to
// the batch's chain. b may be nil, and so may the result.
func (b *Batch) helperLocked() *helper {
	if b == nil {
		return nil
	}
	h := b.helpers.Load()
	if h != nil {
		b.helpers.Store(h.next.Load())
		h.listed.Store(false)
	}
	return h
}

func (h *helper) wake() {
	if h != nil {
		close(h.ready.Load())
	}
}

// help runs tasks of the batch until none is left that has not ended, if the waiter
// has a place on a worker. It returns early with the cause if ctx is done.
func (b *Batch) help(ctx context.Context, seen uint64) error {
	if !b.helpful() {
		return nil
	}
	p := b.pool
	var t turn
	exits := true
	defer func() {
		if !exits {
			return
		}
		// A task has called Goexit here. What remains of Wait is done first.
		b.end(&t)
		if b.help(ctx, seen) == nil && b.unended.WaitContext(ctx) == nil {
			b.told()
			b.failures.Raise(seen)
		}
	}()
	var err error
	for again := true; again; {
		again = false
		core.Call(func() {
			for {
				var found bool
				if found, err = b.takeOrWait(ctx, &t); !found {
					return
				}
				p.execute(&t)
				b.end(&t)
			}
		}, func(pe *core.PanicError) {
			p.aborted(&t, pe)
			again = true
		})
		if again {
			b.end(&t)
		}
	}
	exits = false
	if p.labels != nil {
		labels, _ := b.within.scope()
		pprof.SetGoroutineLabels(labels)
	}
	return err
}

// takeOrWait takes a task of the batch, for which it waits until there is none that
// has not ended, or until ctx is done; then it reports false.
func (b *Batch) takeOrWait(ctx context.Context, t *turn) (bool, error) {
	p := b.pool
	for {
		givesUp := ctx.Err() != nil
		core.RaceDisable()
		p.mu.Lock()
		ended := b.active.Load() == 0
		if ended || givesUp {
			var other *helper
			if b.queued.Load() > 0 {
				other = b.helperLocked() // for the task that this one may have been called for
			}
			p.mu.Unlock()
			other.wake()
			core.RaceEnable()
			if ended {
				return false, nil
			}
			return false, context.Cause(ctx)
		}
		if b.queued.Load() > 0 {
			t.ticket = p.ring.take(b.head.Load())
			p.helped.Store(p.helped.Load() + 1)
			admitted := p.admitLocked()
			var roused rousing
			if p.lacksLocked() {
				p.rouseLocked(&roused)
			}
			p.mu.Unlock()
			p.rouse(&roused)
			admitted.wake()
			core.RaceEnable()
			return true, nil
		}
		h := new(helper)
		ready := make(chan struct{})
		h.ready.Store(ready)
		h.next.Store(b.helpers.Load())
		h.listed.Store(true)
		b.helpers.Store(h)
		p.mu.Unlock()
		select {
		case <-ready:
		case <-ctx.Done():
			b.unlist(h)
		}
		core.RaceEnable()
	}
}

// unlist takes a helper off the list who gives up.
func (b *Batch) unlist(h *helper) {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	if !h.listed.Load() {
		return
	}
	if b.helpers.Load() == h {
		b.helpers.Store(h.next.Load())
		return
	}
	for o := b.helpers.Load(); o != nil; o = o.next.Load() {
		if o.next.Load() == h {
			o.next.Store(h.next.Load())
			break
		}
	}
}

// end ends the turn that a helper has run.
func (b *Batch) end(t *turn) {
	p := b.pool
	core.RaceDisable()
	p.mu.Lock()
	p.helped.Store(p.helped.Load() - 1)
	last := p.endLocked(t)
	p.mu.Unlock()
	core.RaceEnable()
	t.ticket = ticket{}
	if last {
		b.done(p)
	}
}
