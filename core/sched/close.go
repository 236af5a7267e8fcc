package sched

import (
	"context"
	"slices"

	"github.com/coterie-go/coterie/core/race"
)

// Close ends a scope: it waits until every task has ended, and then closes the scheduler. Go
// returns false from then on, also to submitters that are blocked. It returns what there is to
// raise.
func (s *Scheduler) Close() *round {
	for {
		first, _ := s.join(nil)
		type end struct {
			ended bool
			*round
		}
		e := get(s, func(do *todo) (e end) {
			l := &s.share().limiter
			if first != nil { // for the waits that come, or for this
				s.shared.failures.putBackLocked(first)
			}
			if e.ended = s.idleLocked(); !e.ended {
				return e
			}
			e.round = s.shared.failures.takeLocked()
			l.closed, l.dropped = true, true
			s.refuseLocked(do, func(*submitter) submitterState { return refused })
			return e
		})
		if e.ended {
			return e.round
		}
	}
}

// refuseLocked ends the wait of all submitters, and returns the tasks of those that cannot
// give up.
func (s *Scheduler) refuseLocked(do *todo, as func(b *submitter) submitterState) (left []Dropped) {
	l := &s.shared.limiter
	for !l.submitters.Empty() {
		b := l.submitters.Front().Value
		if b.patient {
			left = append(left, Dropped{b.task, b.set})
			s.shared.accepted++
		}
		s.dismissLocked(b, as(b), do)
	}
	l.budget = 0
	return left
}

// Shut refuses new tasks but those of tasks that have not ended, and has the workers leave when
// there is none.
func (s *Scheduler) Shut() {
	s.locked(func(do *todo) {
		x := s.shared
		x.limiter.closed = true
		x.limiter.budget = 0
		for x.idle != nil {
			s.dismissIdleLocked(do)
		}
		if x.timer != nil {
			x.timer.Stop()
			x.timer = nil
		}
	})
}

// Join blocks until no worker and no task is left, or until ctx, if it is not nil, ends; then it returns
// the cause.
func (s *Scheduler) Join(ctx context.Context) error {
	if _, err := s.join(ctx); err != nil {
		return err
	}
	w := wait{s: s, workers: true}
	_, err := w.until(ctx)
	return err
}

// Dropped is a task that was accepted and will not run, and its set.
type Dropped struct {
	Task Task
	Set  *Set
}

// Drop takes the unclaimed tasks away from the workers, and refuses blocked submitters,
// or, if they cannot give up, drops their tasks too. It calls mark, with mu held, with the
// set of each.
func (s *Scheduler) Drop(mark func(set *Set)) []Dropped {
	all := race.Copy(get(s, func(do *todo) []Dropped { return s.dropLocked(mark, do) }))
	for i := range all {
		all[i].Task = uncarry(all[i].Task)
		_ = declined(all[i].Task, ErrClosed)
	}
	return all
}

// A Helper is a task that was accepted by TryHelp.
type Helper interface{ IsHelper() }

// A claimable task may have been given to RunClaimed. Whoever claims it decides whether it runs.
type claimable interface{ Claim() bool }

func (s *Scheduler) dropLocked(mark func(set *Set), do *todo) (all []Dropped) {
	x := s.shared
	x.limiter.dropped = true
	if s.first != nil {
		all = append(all, Dropped{s.first, nil})
		s.first = nil
	}
	for g := x.queue.stealable(nil, true); g != nil; g = x.queue.stealable(nil, true) {
		g.attached++
		for t := g.claim(); t != nil; t = g.claim() {
			all = append(all, Dropped{t, g.set})
		}
		x.queue.detach(g)
	}
	for x.queue.n > 0 {
		t, set := x.queue.pop()
		all = append(all, Dropped{t, set})
	}
	all = append(all, s.refuseLocked(do, func(b *submitter) submitterState {
		if b.patient {
			return admitted // its task counts as dropped
		}
		return refused
	})...)
	all = x.dropKeysLocked(all, do)
	for _, d := range all {
		if d.Set != nil {
			mark(d.Set)
			d.Set.settleLocked(do)
		}
	}
	all = slices.DeleteFunc(all, func(d Dropped) bool {
		if c, ok := uncarry(d.Task).(claimable); ok && !c.Claim() {
			x.void--
			return true
		}
		_, helps := uncarry(d.Task).(Helper)
		if helps { // as if it had never been accepted
			x.accepted--
			x.helpers--
			x.helping--
		}
		return helps
	})
	x.dropped += uint64(len(all))
	s.idleNowLocked(do)
	return all
}
