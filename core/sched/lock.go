package sched

import (
	"sync"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file locks and unlocks mu, and does what follows an unlock. A function whose name ends in
// Locked is called with mu held and returns with mu held. It wakes and starts no goroutine itself:
// it adds to a todo which goroutines unlock wakes and starts.

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

// locked calls f with mu held, and then does what f has added to its todo.
func (s *Scheduler) locked(f func(do *todo)) {
	get(s, func(do *todo) struct{} { f(do); return struct{}{} })
}

// inLock calls f with mu held, and returns its result. f must not write variables that its caller
// reads, as for get.
func inLock[T any](s *Scheduler, f func() T) T {
	if race.Hidden {
		return race.Get(func() T {
			s.lock()
			defer s.mu.Unlock()
			return f()
		})
	}
	s.lock()
	v := f()
	s.mu.Unlock()
	return v
}

// get is locked for a function with a result. f must not write variables that its caller reads: in
// a race build that would be a race.
func get[T any](s *Scheduler, f func(do *todo) T) T {
	if !race.Hidden {
		do := todos.Get().(*todo)
		s.lock()
		v := f(do)
		s.unlock(do)
		*do = todo{}
		todos.Put(do)
		return v
	}
	type result struct {
		v  T
		do todo
	}
	r := race.Get(func() result {
		var r result
		s.lock()
		r.v = f(&r.do)
		s.unlock(&r.do)
		return r
	})
	s.spawn(&r.do)
	return r.v
}

// todos holds empty todos. A todo that is passed to a function value has to be on the heap.
var todos = sync.Pool{New: func() any { return new(todo) }}

// unlock releases mu, and then does what do lists. In a race build its caller starts the workers.
func (s *Scheduler) unlock(do *todo) {
	s.mu.Unlock()
	if do.wake == nil && do.spawn == 0 && do.lends == nil && do.cancel == nil {
		return
	}
	if do.wake != nil {
		park.WakeAll(do.wake)
		do.wake = nil
	}
	if do.cancel != nil {
		s.cancelAll(do)
	}
	if !race.Hidden {
		s.spawn(do)
	}
}

func (do *todo) wakes(p *park.Parker) { p.Next, do.wake = do.wake, p }

// cancelAll cancels the contexts of the background tasks, with the cause core.ErrDone. The ends of
// the other tasks happen before.
func (s *Scheduler) cancelAll(do *todo) {
	s.ended.Acquire()
	for _, cancel := range do.cancel {
		cancel(core.ErrDone)
	}
}
