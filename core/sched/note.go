package sched

import (
	"context"
	"slices"
	"time"

	"github.com/coterie-go/coterie/core/internal/bridge"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the notes of goroutines that are blocked on a named owner: until there is room,
// until tasks have ended, or until its semaphore has a permit. A goroutine lists a note before it
// parks. That takes some microseconds. The caller of a loop lists one note for the whole loop. For
// an owner without a name there are no notes.

// noteBlocked lists a note for the caller, which is about to park. The caller calls end after it.
// noteBlocked returns nil for an owner without a name.
func (s *Scheduler) noteBlocked(reason Reason) *note {
	if s.config().entry == nil {
		return nil
	}
	n := &note{s: s, reason: reason, since: time.Now(), goroutine: GoroutineID()}
	s.enter.Release()
	n.list()
	return n
}

// end unlists the note when the goroutine is no longer blocked. n may be nil.
func (n *note) end() {
	if n != nil {
		n.unlist()
	}
}

// list and unlist run in the goroutine that is blocked, hidden from the race detector. With a
// hidden goroutine for each the detector forgets earlier accesses; see direct. So they call only
// functions that the compiler inlines.
//
//go:norace
func (n *note) list() {
	e := n.s.config().entry
	n.link.Value = n
	race.Disable()
	n.s.mu.Lock()
	e.notes.PushBack(&n.link)
	n.s.mu.Unlock()
	race.Enable()
}

//go:norace
func (n *note) unlist() {
	e := n.s.config().entry
	race.Disable()
	n.s.mu.Lock()
	e.notes.Remove(&n.link)
	n.s.mu.Unlock()
	race.Enable()
}

// A LoopNote shows that the caller of a loop is blocked until items have ended, and which
// goroutines run the items. A nil LoopNote does nothing.
type LoopNote struct{ note }

// NoteLoop returns a note for a loop that has been given ctx. It returns nil if ctx is not that of
// a named owner, or of a task within one. In builds with race.Hidden it returns nil too: there each
// item has a goroutine of its own.
func NoteLoop(ctx context.Context) *LoopNote {
	c := taskOf(ctx)
	if race.Hidden || c == nil {
		return nil
	}
	for names := c.names; names != nil; names = names.outer {
		if names.owner == nil || names.owner.entry == nil {
			continue
		}
		if s := find(names.owner.entry.id); s != nil {
			return &LoopNote{note{s: s, reason: ForItems}}
		}
	}
	return nil
}

// Worker records that the calling goroutine runs items, or the input, until it calls left.
func (l *LoopNote) Worker() (left func()) {
	if l == nil {
		return func() {}
	}
	id := GoroutineID()
	l.s.locked(func() { l.workers = append(l.workers, id) })
	return func() {
		l.s.locked(func() {
			if at := slices.Index(l.workers, id); at >= 0 {
				l.workers = slices.Delete(l.workers, at, at+1)
			}
		})
	}
}

// Blocked records that the caller of the loop is about to park. Only the caller calls Blocked,
// Woken and End.
func (l *LoopNote) Blocked() {
	if l == nil {
		return
	}
	if l.goroutine == 0 {
		l.goroutine = GoroutineID()
		l.list()
	}
	l.waiting.Store(int64(now()))
}

// Woken records that the caller is no longer blocked.
func (l *LoopNote) Woken() {
	if l != nil {
		l.waiting.Store(0)
	}
}

// End unlists the note when the loop has ended.
func (l *LoopNote) End() {
	if l != nil && l.goroutine != 0 {
		l.unlist()
	}
}

func init() {
	bridge.NoteWait = func(owner uint32) (end func()) {
		s := find(uint64(owner))
		if s == nil {
			return func() {}
		}
		return s.noteBlocked(ForSome).end
	}
}
