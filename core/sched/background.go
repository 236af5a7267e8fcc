package sched

import (
	"context"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/list"
)

// This file holds background tasks: those that serve the others. They take no place and no
// permit, and have a goroutine each. Whenever mu is free,
//
//	the context of every background task is cancelled, or there is another task, or nobody
//	waits.
//
// So whichever comes second cancels them: the end of the last other task, or the wait.

// backgrounds are the background tasks that have not ended. The scheduler's mu guards it.
type backgrounds struct {
	n      int                    // how many they are
	active list.List[*background] // those whose context has not been cancelled
}

// A background is a background task.
type background struct {
	Worker
	cancel context.CancelCauseFunc
	place  list.Elem[*background]
}

// Background starts a background task, whose context, which derives from ctx, is c. It never
// blocks. It reports false if the scheduler is closed.
func (s *Scheduler) Background(ctx context.Context, c *Context, t Task) bool {
	ctx, cancel := context.WithCancelCause(ctx)
	c.Init(ctx, s, nil)
	c.background = true
	b := &background{Worker: Worker{s: s, config: s.config(), task: t}, cancel: cancel}
	if !get(s, func(do *todo) bool { return s.serveLocked(b, do) }) {
		cancel(nil)
		return false
	}
	go b.runAlone((*Scheduler).hostBackground, b.end)
	return true
}

// serveLocked counts a background task, unless the scheduler is closed.
func (s *Scheduler) serveLocked(b *background, do *todo) bool {
	x := s.share()
	if x.limiter.closed {
		return false
	}
	x.backgrounds.n++
	b.place.Value = b
	x.backgrounds.active.PushBack(&b.place)
	s.idleNowLocked(do)
	return true
}

// end is called when the task has ended.
func (b *background) end() {
	b.cancel(nil)
	b.s.ended.Release()
	b.s.locked(func(do *todo) {
		x := b.s.shared
		x.backgrounds.n--
		if b.place.Listed() {
			x.backgrounds.active.Remove(&b.place)
		}
		b.s.idleNowLocked(do)
	})
}

// dismissLocked has the background tasks cancelled once mu is free.
func (x *shared) dismissLocked(do *todo) {
	for active := &x.backgrounds.active; !active.Empty(); {
		e := active.Front()
		active.Remove(e)
		do.cancel = append(do.cancel, e.Value.cancel)
	}
}

// cancelAll cancels the background tasks. What the other tasks did happens before.
func (s *Scheduler) cancelAll(do *todo) {
	s.ended.Acquire()
	for _, cancel := range do.cancel {
		cancel(core.ErrDone)
	}
	do.cancel = nil
}
