package sched

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/noted"
	"github.com/coterie-go/coterie/core/internal/stack"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the notes of the goroutines that are blocked on a named owner: for room in
// it, for its tasks, for its semaphore. A goroutine writes one when it is about to park, which
// takes it some microseconds. On an owner without a name it writes none.

// A Reason is what a goroutine is blocked for.
type Reason uint8

const (
	ForRoom      Reason = iota // in the owner
	ForSemaphore               // a permit of the owner's
	ForTasks                   // all tasks of the owner have to end
	ForSome                    // some tasks of the owner have to end: a set, or one with a result
)

// A note is a goroutine that is blocked on an owner.
type note struct {
	s         *Scheduler
	reason    Reason
	since     time.Time
	goroutine uint64
	place     list.Elem[*note]
	buf       [64]byte // for the number of the goroutine
}

var notes = sync.Pool{New: func() any { return new(note) }}

// noteBlocked notes that the caller is about to park, and returns nil for an owner without a
// name.
func (s *Scheduler) noteBlocked(reason Reason) *note {
	if s.config().entry == nil {
		return nil
	}
	return s.noteSlow(reason)
}

func (s *Scheduler) noteSlow(reason Reason) *note {
	n := new(note)
	if !race.Hidden { // the detector would see the pool order those who wait
		n = notes.Get().(*note)
	}
	n.s, n.reason, n.since = s, reason, time.Now()
	n.goroutine = stack.ID(n.buf[:runtime.Stack(n.buf[:], false)])
	n.place.Value = n
	s.enter.Release()
	n.list()
	return n
}

// end is called when the goroutine is no longer blocked.
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

// list and unlist change the list in the goroutine that is blocked, unseen by the race
// detector. So they call nothing but what the compiler puts in its place.
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

// acquireBlocked takes a permit of the owner's semaphore, for which it may have to wait.
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
