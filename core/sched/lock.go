package sched

import (
	"context"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file locks and unlocks mu, and does what follows an unlock. A function whose name ends in
// Locked is called with mu held and returns with mu held. It wakes and starts no goroutine itself:
// it puts on a list, the field wake or todo, which goroutines unlock wakes and starts.

// lock locks mu. It tries several times before it parks. No goroutine holds mu for long, but a
// parked goroutine may have to wait until a task ends before it has a processor. Between two tries
// it does not touch mu. A goroutine that tries without a pause slows down the goroutine that holds
// mu: that made tasks of a busy pool 2 to 3 times as expensive.
func (s *Scheduler) lock() {
	if !s.mu.TryLock() {
		s.lockSlow(shortPauses)
	}
	s.enter.Acquire()
	s.countOnlyLocked()
}

// The pauses between two tries, in iterations of an empty loop. Submitters make long ones.
// Meanwhile the other processor uses mu many times in a row, while the cache lines are there. If
// submitters made short pauses, an empty task of a pool would take 50 ns and not 36, and with 8
// producers 140 and not 100.
var (
	shortPauses = []int{64, 128, 256, 512, 1024, 2048} // some hundred nanoseconds in all
	longPauses  = []int{64, 8192, 8192}                // some microseconds in all
)

func (s *Scheduler) lockSlow(pauses []int) {
	for _, spins := range pauses {
		for range spins {
		}
		if s.mu.TryLock() {
			return
		}
	}
	s.mu.Lock()
}

// locked calls f with mu held, and then does what f has put on the todo list.
func (s *Scheduler) locked(f func()) {
	inLock(s, func() struct{} { f(); return struct{}{} })
}

// inLock is locked for a function with a result. f must not write variables that its caller reads:
// in a race build that would be a race.
func inLock[T any](s *Scheduler, f func() T) T {
	if !race.Hidden {
		s.lock()
		v := f()
		s.unlock()
		return v
	}
	type result struct {
		v  T
		do todo
	}
	r := race.Get(func() result {
		s.lock()
		return result{f(), s.unlockSlow()}
	})
	s.spawn(&r.do)
	return r.v
}

// unlock releases mu, and then does what the todo list says. It reports whether it has woken
// submitters.
func (s *Scheduler) unlock() (submitters bool) {
	if s.wake == nil && (s.shared == nil || s.shared.todo.empty()) {
		s.mu.Unlock()
		return false
	}
	do := s.unlockSlow()
	if !race.Hidden {
		s.spawn(&do)
	}
	return do.submitters
}

// unlockSlow is unlock, but starts no workers. It returns what its caller has to start: in a race
// build unlockSlow runs in a hidden goroutine, whose caller starts the workers.
func (s *Scheduler) unlockSlow() (do todo) {
	wake := s.wake
	s.wake = nil
	if x := s.shared; x != nil {
		do, x.todo = x.todo, todo{}
	}
	s.mu.Unlock()
	park.WakeAll(wake)
	if do.cancel != nil {
		s.cancelAll(do.cancel)
	}
	return do
}

// empty reports whether there is nothing to do but to wake goroutines.
func (do *todo) empty() bool {
	return do.spawn == 0 && (!race.Hidden || do.start == nil) && do.lends == nil && do.cancel == nil
}

// wakeParkerLocked makes unlock wake the goroutine of p.
func (s *Scheduler) wakeParkerLocked(p *park.Parker) { p.Next, s.wake = s.wake, p }

// cancelAll cancels the contexts of background tasks, with the cause core.ErrDone. The ends of the
// other tasks happen before.
func (s *Scheduler) cancelAll(cancel []context.CancelCauseFunc) {
	s.ended.Acquire()
	for _, cancel := range cancel {
		cancel(core.ErrDone)
	}
}
