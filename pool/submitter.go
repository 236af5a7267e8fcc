package pool

import (
	"context"

	"github.com/coterie-go/coterie/core"
)

// A submitter is somebody who waits for room in a pool's ring. The pool's mu guards
// it; got and pos are final once that is not waiting. Then ready gets closed.
type submitter struct {
	task       core.Guarded[task]
	batch      core.Guarded[*Batch]
	stays      core.Guarded[bool]          // in the ring, until it is run
	patient    core.Guarded[bool]          // waits in Go, for as long as it takes
	got        core.Guarded[answer]        // waiting, accepted or closed
	pos        core.Guarded[uint64]        // where in the ring the task was put
	ready      core.Guarded[chan struct{}] // made afresh, so it belongs to the submitter's bubble
	prev, next core.Guarded[*submitter]
}

// pushSlow waits for room in the ring.
func (p *Pool) pushSlow(ctx context.Context, t task, b *Batch, stays bool) (uint64, answer) {
	s := new(submitter)
	ready := make(chan struct{})
	s.task.Store(t)
	s.batch.Store(b)
	s.stays.Store(stays)
	s.ready.Store(ready)
	var done <-chan struct{}
	if ctx != forever {
		done = ctx.Done()
	}
	s.patient.Store(ctx == forever)
	core.RaceDisable()
	defer core.RaceEnable()
	p.mu.Lock()
	if p.closed.Load() {
		p.mu.Unlock()
		return 0, closed
	}
	p.submitters.push(s)
	p.passing.Store(0)
	p.openLocked()
	admitted := p.admitLocked() // there may be room by now
	var roused rousing
	if p.lacksLocked() {
		p.rouseLocked(&roused)
	}
	p.mu.Unlock()
	p.rouse(&roused)
	admitted.wake()
	if done == nil {
		<-ready
		return s.pos.Load(), s.got.Load()
	}
	select {
	case <-ready:
	case <-done:
		p.mu.Lock()
		got := s.got.Load()
		if got == waiting {
			p.submitters.remove(s)
			p.openLocked()
		}
		p.mu.Unlock()
		if got == waiting {
			return 0, givenUp
		}
	}
	return s.pos.Load(), s.got.Load()
}

// admitLocked moves the tasks of submitters into the ring if that has become empty
// enough, and returns the submitters, who are to be woken once mu is free.
//
// When a long ring is half empty, the first in line goes on, alone: others who submit
// meanwhile may pass those who still wait until as much has been submitted as fills
// it. So a wake-up pays for many tasks, those who wait take turns, and the processors
// do not fetch the ring from one another for each task. If that does not fill the
// ring, all go on when an eighth is left.
func (p *Pool) admitLocked() admission {
	var a admission
	if p.submitters.front() == nil {
		return a
	}
	queued := p.queuedLocked()
	if queued > p.admissionLocked() {
		return a
	}
	n := p.ring.limit - queued
	p.passing.Store(0)
	if p.ring.isLong() && queued > p.ring.low/4 {
		n = 1
		p.passing.Store(p.ring.tail.Load() + uint64(p.ring.limit-p.ring.low))
	}
	var last *submitter
	for s := p.submitters.front(); s != nil && n > 0; s = p.submitters.front() {
		n--
		p.submitters.remove(s)
		s.got.Store(accepted)
		s.pos.Store(p.addLocked(s.task.Load(), s.batch.Load(), s.stays.Load()))
		if last == nil {
			a.first = s
		} else {
			last.next.Store(s)
		}
		last = s
	}
	p.openLocked()
	return a
}

// admissionLocked returns the number of tasks that wait at which submitters go on.
func (p *Pool) admissionLocked() int {
	if p.passing.Load() > 0 {
		return p.ring.low / 4
	}
	return p.ring.low
}

// dismissLocked takes all submitters out of the queue.
func (p *Pool) dismissLocked() *submitter {
	all := p.submitters.head.Load()
	p.submitters.head.Store(nil)
	p.submitters.tail.Store(nil)
	p.openLocked()
	return all
}

// openLocked is called when submitters, passing or closed have changed, or when there
// may be more room than there was, which there is no haste to note.
func (p *Pool) openLocked() {
	end := p.ring.head.Load() + uint64(min(p.ring.limit-p.leftLocked(), len(p.ring.slots.Load())))
	switch {
	case p.closed.Load():
		end = 0
	case p.submitters.front() != nil:
		end = min(end, p.passing.Load())
	}
	p.ring.end.Store(end)
}

// isOpenLocked reports whether a task may be put into the ring.
func (p *Pool) isOpenLocked() bool {
	if p.ring.tail.Load() < p.ring.end.Load() {
		return true
	}
	if p.ring.len() == len(p.ring.slots.Load()) && p.queuedLocked() < p.ring.limit {
		p.ring.grow()
	}
	p.openLocked()
	return p.ring.tail.Load() < p.ring.end.Load()
}

// An admission is the submitters whose tasks have got into the ring, linked by
// next.
type admission struct{ first *submitter }

func (a admission) wake() bool {
	for s := a.first; s != nil; {
		next := s.next.Load()
		close(s.ready.Load())
		s = next
	}
	return a.first != nil
}

// A submitterQueue is a list of submitters in the order in which they came.
type submitterQueue struct {
	head, tail core.Guarded[*submitter]
}

func (q *submitterQueue) front() *submitter { return q.head.Load() }

func (q *submitterQueue) push(s *submitter) {
	last := q.tail.Load()
	if last == nil {
		q.head.Store(s)
	} else {
		last.next.Store(s)
		s.prev.Store(last)
	}
	q.tail.Store(s)
}

func (q *submitterQueue) remove(s *submitter) {
	prev, next := s.prev.Load(), s.next.Load()
	if prev == nil {
		q.head.Store(next)
	} else {
		prev.next.Store(next)
	}
	if next == nil {
		q.tail.Store(prev)
	} else {
		next.prev.Store(prev)
	}
	s.prev.Store(nil)
	s.next.Store(nil)
}
