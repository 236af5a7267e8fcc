package sched

import (
	"math"
	"runtime"

	"github.com/coterie-go/coterie/core/race"
)

// This file computes the room of a scheduler: how many tasks may be accepted now. The room is the
// number of free places, plus the number of tasks that may wait, minus the unclaimed tasks.
// limit.go holds what happens when there is no room.

func (l *limiter) init(workers, mayWait int) {
	l.mayWait = int64(mayWait)
	l.setLimit(workers)
	l.wakeAt = 1
	if mayWait >= longQueue {
		l.wakeAt = int64(mayWait) / 2
	}
}

func (l *limiter) setLimit(n int) {
	l.limit = int32(min(n, math.MaxInt32))
	l.mostWorkers = l.limit
	if l.mayWait == 0 {
		l.mostWorkers = math.MaxInt32
	}
	l.searchers = 1
	if !l.limited() {
		l.searchers = processors() // so that short tasks run on all Ps
	}
	l.budget = 0
}

// limited reports whether there is a limit on the number of tasks that run.
func (l *limiter) limited() bool { return l.limit != math.MaxInt32 }

func processors() int16 { return int16(min(runtime.GOMAXPROCS(0), math.MaxInt16)) }

// hasRoomLocked reports whether a task may be accepted. It computes the budget if it is spent. The
// budget is spent while a submitter is blocked, and after ClosePool.
func (s *Scheduler) hasRoomLocked() bool {
	l := &s.shared.limiter
	if !l.submitters.Empty() || l.closed {
		return false
	}
	if l.budget <= 0 {
		l.budget = int32(min(s.roomLocked(), mostBudget))
	}
	return l.budget > 0
}

// mostBudget is the largest budget. Code that takes room in another way than by the budget sets the
// budget to 0.
const mostBudget = 1 << 20

// roomLocked returns how many tasks may be accepted.
func (s *Scheduler) roomLocked() int64 {
	x := s.shared
	l := &x.limiter
	places := int64(max(0, l.limit-s.busy-l.reserved))
	if l.mayWait > math.MaxInt64-places {
		return math.MaxInt64
	}
	return l.mayWait + places - int64(s.unclaimedLocked()-x.fromLines)
}

// unclaimedLocked returns the number of tasks that no worker has claimed.
func (s *Scheduler) unclaimedLocked() int {
	if s.shared == nil {
		return 0
	}
	return s.shared.queue.unclaimed()
}

// bulkLocked returns how many tasks a worker may take in one segment; 0 and 1 mean no segment.
// Workers claim these without mu, which must not raise the room to wakeAt. With a semaphore it
// returns 0: each task's permit is released under mu when the task has ended.
func (s *Scheduler) bulkLocked() int {
	l := &s.shared.limiter
	if race.Hidden || s.config().Semaphore != nil {
		return 0
	}
	if !l.limited() {
		return segmentLen
	}
	if l.wakeAt == 1 {
		return 0
	}
	q := &s.shared.queue
	most := l.wakeAt - 1 - int64(q.takenUnclaimed())
	if !l.submitters.Empty() {
		most = min(most, int64(q.n-s.shared.fromLines)-(l.mayWait-l.wakeAt)-1)
	}
	return int(min(most, segmentLen))
}

// longQueue is the shortest queue that must be half empty before blocked submitters are admitted.
// Admitting them one at a time would cost a wake-up for each task.
const longQueue = 64
