package sched

import (
	"context"
)

// This file holds background tasks: tasks that serve the other tasks. Each has a goroutine of its
// own, and takes no place and no permit. Whenever mu is free,
//
//	the context of every background task is cancelled, or another task is left, or no goroutine
//	waits for all tasks.
//
// So the later of two events cancels them: the end of the last other task, or the start of a wait.

// Background starts a background task, and makes c its context, derived from ctx. It does not
// block. It reports false if the scheduler is closed.
func (s *Scheduler) Background(ctx context.Context, c *Context, t Task) bool {
	ctx, cancel := context.WithCancelCause(ctx)
	c.Init(ctx, s, nil)
	c.background = true
	b := &background{Worker: Worker{s: s, config: s.config(), task: t}, cancel: cancel}
	if !inLock(s, func() bool { return s.serveLocked(b) }) {
		cancel(nil)
		c.record.declined(ErrClosed)
		return false
	}
	go b.runIsolated((*Scheduler).hostBackground, b.end)
	return true
}

// serveLocked counts a background task, unless the scheduler is closed.
func (s *Scheduler) serveLocked(b *background) bool {
	x := s.share()
	if x.limiter.closed {
		return false
	}
	x.backgrounds.n++
	b.link.Value = b
	x.backgrounds.active.PushBack(&b.link)
	s.releaseWaitersLocked()
	return true
}

// end counts the task as ended.
func (b *background) end() {
	b.cancel(nil)
	b.s.ended.Release()
	b.s.locked(func() {
		x := b.s.shared
		x.backgrounds.n--
		if b.link.Listed() {
			x.backgrounds.active.Remove(&b.link)
		}
		b.s.releaseWaitersLocked()
	})
}
