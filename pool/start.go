package pool

import (
	"context"

	"github.com/coterie-go/coterie/core"
)

// start hands a task to the pool. It waits for room in the queue until ctx is
// done, or, if ctx is forever, for as long as it takes; unless ctx, or batch, is that of
// a task of this pool: then the task runs here. at, if not nil, gets the task's
// position in the ring.
func (p *Pool) start(ctx context.Context, t task, b *Batch, at *uint64) error {
	t = alone(t)
	stays := at != nil || b.stays()
	core.RaceDisable()
	p.mu.Lock()
	if !stays && p.isQuickLocked(b) {
		p.ring.pushOwn(t)
		b.countQuickLocked()
		p.mu.Unlock()
		core.RaceEnable()
		return nil
	}
	return p.startLocked(ctx, t, b, stays, at)
}

// startLocked is start with mu held, which it lets go, when something is to be seen to.
func (p *Pool) startLocked(ctx context.Context, t task, b *Batch, stays bool, at *uint64) error {
	pos, got := p.pushLocked(t, b, stays, true)
	if got == full {
		if b.helpful() || ctx != forever && taskOf(ctx, p) != nil {
			got = p.startHere(t, b)
		} else {
			pos, got = p.pushSlow(ctx, t, b, stays)
		}
	}
	if at != nil {
		*at = pos
	}
	switch got {
	case accepted:
		return nil
	case closed:
		return ErrClosed
	default:
		return context.Cause(ctx)
	}
}

// forever is no context at all.
var forever context.Context

// An answer is what becomes of an attempt to hand over a task.
type answer int8

const (
	waiting answer = iota
	accepted
	full
	closed
	givenUp
)

// isQuickLocked reports whether a task of b that need not stay in the ring may be put
// there, by pushOwn, with nothing more to it but to count it. It passes those who wait,
// if they may be passed.
func (p *Pool) isQuickLocked(b *Batch) bool {
	return p.ring.tail.Load() < p.ring.end.Load() && p.ring.owner.Load() == b &&
		(p.spare.Load() > 0 || p.vacant.Load() <= 0) && (b == nil || b.active.Load() > 0)
}

// push puts a task into the ring if there is room and nobody waits for it, and
// sees to it that a worker will take it.
func (p *Pool) push(t task, b *Batch) answer {
	core.RaceDisable()
	p.mu.Lock()
	_, got := p.pushLocked(t, b, b.stays(), false)
	return got
}

// pushLocked is push with mu held, which it lets go, of a task that may have to stay in
// the ring, and may pass those who wait, if they may be passed.
func (p *Pool) pushLocked(t task, b *Batch, stays, passes bool) (uint64, answer) {
	if !p.isOpenLocked() || !passes && p.submitters.front() != nil {
		got := full
		if p.closed.Load() {
			got = closed
		}
		p.mu.Unlock()
		core.RaceEnable()
		return 0, got
	}
	pos := p.addLocked(t, b, stays)
	if !p.lacksLocked() && (b == nil || b.helpers.Load() == nil) {
		p.mu.Unlock()
	} else {
		p.unlockSlow(b)
	}
	core.RaceEnable()
	return pos, accepted
}

// unlockSlow gives mu free, when a task has been put into the ring, and sees to it
// that somebody will take it.
func (p *Pool) unlockSlow(b *Batch) {
	var roused rousing
	if p.lacksLocked() {
		p.rouseLocked(&roused)
	}
	helper := b.helperLocked()
	p.mu.Unlock()
	p.rouse(&roused)
	helper.wake()
}

// addLocked puts a task into the ring, and returns its position.
func (p *Pool) addLocked(t task, b *Batch, stays bool) uint64 {
	if b != nil {
		b.beginLocked()
	}
	return p.ring.push(t, b, stays)
}

// waitingLocked returns the number of tasks that have been accepted and wait.
func (p *Pool) waitingLocked() int { return p.ring.waiting() + p.leftLocked() }

// busyLocked returns the number of workers that have a task.
func (p *Pool) busyLocked() int { return int(p.limit.Load() - p.vacant.Load() - p.spare.Load()) }

// runningLocked returns the number of tasks that run.
func (p *Pool) runningLocked() int {
	return p.busyLocked() + p.helped.Load()
}

// startHere runs a task, for which there was no room, in place of its starter.
func (p *Pool) startHere(t task, b *Batch) answer {
	core.RaceDisable()
	p.mu.Lock()
	if p.closed.Load() {
		p.mu.Unlock()
		core.RaceEnable()
		return closed
	}
	p.beginHereLocked(b)
	p.helped.Store(p.helped.Load() + 1)
	p.mu.Unlock()
	core.RaceEnable()
	p.runHere(turn{ticket: ticket{t, b}})
	return accepted
}

// beginHereLocked counts a task that does not go through the ring.
func (p *Pool) beginHereLocked(b *Batch) {
	p.startedHere.Store(p.startedHere.Load() + 1)
	if b != nil {
		b.beginLocked()
	}
}

// runHere runs a task and returns when it has ended. It gets a goroutine of its
// own, so that its Goexit does not end its starter.
func (p *Pool) runHere(t turn) {
	ended := make(chan struct{})
	go func() {
		defer func() {
			if t.end.Load() == crashed {
				return
			}
			core.RaceDisable()
			p.mu.Lock()
			p.helped.Store(p.helped.Load() - 1)
			last := p.endLocked(&t)
			p.mu.Unlock()
			core.RaceEnable()
			if last {
				t.batch.done(p)
			}
			core.RaceDisable()
			close(ended)
			core.RaceEnable()
		}()
		core.Call(func() { p.execute(&t) }, func(pe *core.PanicError) { p.aborted(&t, pe) })
	}()
	core.RaceDisable()
	<-ended
	core.RaceEnable()
}
