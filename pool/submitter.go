package pool

import (
	"context"
	"math"

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
	p.roomLocked()
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
			p.roomLocked()
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
func (p *Pool) admitLocked() admission {
	var a admission
	if p.submitters.front() == nil || p.queuedLocked() > p.ring.low {
		return a
	}
	var last *submitter
	for s := p.submitters.front(); s != nil && p.queuedLocked() < p.ring.limit; s = p.submitters.front() {
		p.submitters.remove(s)
		s.got.Store(accepted)
		s.pos.Store(p.pushLocked(s.task.Load(), s.batch.Load(), s.stays.Load()))
		if last == nil {
			a.first = s
		} else {
			last.next.Store(s)
		}
		last = s
	}
	p.roomLocked()
	return a
}

// dismissLocked takes all submitters out of the queue.
func (p *Pool) dismissLocked() *submitter {
	all := p.submitters.head.Load()
	p.submitters.head.Store(nil)
	p.submitters.tail.Store(nil)
	p.roomLocked()
	return all
}

// roomLocked is called when submitters, closed or ahead have changed.
func (p *Pool) roomLocked() {
	room := p.ring.limit - p.ahead.Load()
	if p.closed.Load() || p.submitters.front() != nil {
		room = 0
	}
	p.room.Store(int32(min(room, math.MaxInt32)))
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
