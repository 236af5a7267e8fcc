package sched

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/noted"
	"github.com/coterie-go/coterie/core/internal/stack"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the notes of goroutines that are blocked on a named owner: until there is room,
// until tasks have ended, or until its semaphore has a permit. A goroutine lists a note before it
// parks. That takes some microseconds. For an owner without a name there are no notes.

var notes = sync.Pool{New: func() any { return new(note) }}

// noteBlocked lists a note for the caller, which is about to park. The caller calls end after it.
// noteBlocked returns nil for an owner without a name.
func (s *Scheduler) noteBlocked(reason Reason) *note {
	if s.config().entry == nil {
		return nil
	}
	return s.noteSlow(reason)
}

func (s *Scheduler) noteSlow(reason Reason) *note {
	n := new(note)
	if !race.Hidden { // the detector would see the pool order the waiters
		n = notes.Get().(*note)
	}
	n.s, n.reason, n.since = s, reason, time.Now()
	n.goroutine = stack.ID(n.buf[:runtime.Stack(n.buf[:], false)])
	n.place.Value = n
	s.enter.Release()
	n.list()
	return n
}

// end unlists the note when the goroutine is no longer blocked. n may be nil.
func (n *note) end() {
	if n == nil {
		return
	}
	n.unlist()
	if !race.Hidden {
		n.s = nil
		notes.Put(n)
	}
}

// list and unlist run in the goroutine that is blocked, hidden from the race detector. So they call
// only functions that the compiler inlines.
//
//go:norace
func (n *note) list() {
	e := n.s.config().entry
	race.Disable()
	n.s.mu.Lock()
	e.notes.PushBack(&n.place)
	n.s.mu.Unlock()
	race.Enable()
}

//go:norace
func (n *note) unlist() {
	e := n.s.config().entry
	race.Disable()
	n.s.mu.Lock()
	e.notes.Remove(&n.place)
	n.s.mu.Unlock()
	race.Enable()
}

// acquireBlocked takes a permit of the owner's semaphore. It blocks until there is one. It returns
// the error of [core.Semaphore.Acquire] if ctx ends first.
func (s *Scheduler) acquireBlocked(ctx context.Context, sem *core.Semaphore) error {
	defer s.noteBlocked(ForSemaphore).end()
	return sem.Acquire(ctx, 1)
}

func init() {
	noted.Get = func(owner uint32) (end func()) {
		s := find(uint64(owner))
		if s == nil {
			return func() {}
		}
		return s.noteBlocked(ForSome).end
	}
}
