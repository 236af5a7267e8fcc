package sched

import (
	"fmt"
	"time"
	"weak"

	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds how a scheduler finds out that all its tasks wait for room in it. A Go has no
// context to know its caller by. So when submitters have waited for long, the scheduler asks
// them whose task they run, and each reads its own stack.
//
// A timer is set when a submitter parks and as many wait as tasks run, or when a task ends and leaves as many,
// because the limit has been lowered. A scheduler has at most one. When it expires and no further submitter has parked meanwhile, those that cannot give up are asked,
// once each. Then there is no timer until another submitter parks: in a testing/synctest bubble the
// clock would go on for ever. A timer is never stopped, because in the end its bubble may be another,
// and it does not keep the scheduler.
//
// What is found is a circle of tasks that hold places and wait in Go, which cannot give up, for places of
// the same scheduler. These are not found, because they take knowledge of others than the submitters:
//
//   - Tasks that wait in Go for a permit of the owner's semaphore, all of which tasks hold that wait likewise. They
//     have a place. The semaphore does not know who holds its permits: tasks of several owners, and others.
//   - A task on a lent place that waits in Go, while the task that has lent it waits for that one. It may be
//     a goroutine of the task that waits with its context, while the task goes on.
//   - Tasks that wait for one another by other means: a WaitGroup, a channel, another owner.

// deadlockAfter is how long tasks wait for room before that is taken for a deadlock.
const deadlockAfter = time.Second

// An alarm is guarded by the scheduler's mu.
type alarm struct {
	number  uint32    // of the timer that counts
	isSet   bool      // that has not expired
	at      time.Time // when it was set
	parks   uint32    // how often a submitter has parked; wraps
	seen    uint32    // that number when the timer was set
	patient int32     // submitters that have parked and cannot give up
	asking  int       // submitters that were asked and have not answered
}

// Knowledge is what is known of a submitter's goroutine.
type knowledge uint8

const (
	unparked knowledge = iota
	mayGiveUp
	unknown  // it cannot give up, like those below
	asked    // it will read its stack
	outsider // it runs no task of the scheduler
	insider  // it runs one
)

// parkedLocked is called when a submitter parks.
func (s *Scheduler) parkedLocked(b *submitter, patient bool) {
	if s.shared.alarm == nil {
		s.shared.alarm = new(alarm)
	}
	a := s.shared.alarm
	a.parks++
	if !patient {
		b.runs = mayGiveUp
		return
	}
	b.runs = unknown
	a.patient++
	if a.patient >= s.busy && (!a.isSet || a.isLostLocked()) {
		s.setAlarmLocked()
	}
}

// stillFullLocked is called when submitters are blocked, and a task has ended or the limit was lowered.
func (s *Scheduler) stillFullLocked() {
	if a := s.shared.alarm; a != nil && !a.isSet && a.patient > 0 && a.patient >= s.busy {
		s.setAlarmLocked()
	}
}

// unparkedLocked is called when a submitter is dismissed.
func (a *alarm) unparkedLocked(b *submitter) {
	if b.runs > mayGiveUp {
		a.patient--
	}
}

// isLostLocked reports whether the timer has gone with its bubble. Now and then it looks at the clock.
func (a *alarm) isLostLocked() bool {
	since := time.Duration(0)
	if a.parks%64 == 0 {
		since = time.Since(a.at)
	}
	return since < 0 || since > 2*deadlockAfter
}

func (s *Scheduler) setAlarmLocked() {
	a := s.shared.alarm
	a.number++
	a.isSet, a.at, a.seen = true, time.Now(), a.parks
	number, weakly := a.number, weak.Make(s)
	time.AfterFunc(deadlockAfter, func() {
		if s := weakly.Value(); s != nil {
			s.locked(func(do *todo) { s.suspectLocked(number, do) })
		}
	})
}

// suspectLocked is called by the timer.
func (s *Scheduler) suspectLocked(number uint32, do *todo) {
	a := s.shared.alarm
	if a.number != number {
		return
	}
	a.isSet = false
	switch {
	case a.patient == 0 || a.patient < s.busy:
	case a.parks != a.seen:
		s.setAlarmLocked()
	default:
		s.askLocked(do)
		if a.asking == 0 {
			s.judgeLocked(do)
		}
	}
}

// askLocked wakes the submitters whose task is unknown, so that they look.
func (s *Scheduler) askLocked(do *todo) {
	for e := s.shared.limiter.submitters.Front(); e != nil; e = e.Next() {
		if b := e.Value; b.runs == unknown && b.parker != nil {
			b.runs = asked
			s.shared.alarm.asking++
			b.parker.Result = lookAgain
			do.wakes(b.parker)
			b.parker = nil
		}
	}
}

// answer is called by a submitter that was asked, and that cannot give up. It blocks until the
// submitter is dismissed.
func (s *Scheduler) answer(b *submitter) submitterState {
	runs := outsider
	if s.hosts(hostsTasks) {
		runs = insider
	}
	parker := park.Get(false)
	state := get(s, func(do *todo) submitterState {
		b.runs, b.parker = runs, parker
		s.shared.alarm.asking--
		if s.shared.alarm.asking == 0 {
			s.judgeLocked(do)
		}
		return b.state
	})
	if state == blocked {
		parker.Wait(nil)
		state = race.Load(&b.state)
	}
	if state == deadlocked {
		s.raiseDeadlock(race.Load(&b.tasks))
	}
	return state
}

// judgeLocked ends the wait of the oldest task that waits for room, which then panics, if all tasks
// that run wait for room and cannot give up. It is no deadlock if the owner is paused, if a place
// is reserved for a submitter that waits for a permit, or if a task has lent its place.
func (s *Scheduler) judgeLocked(do *todo) {
	x := s.shared
	l := &x.limiter
	if l.limit <= 0 || l.reserved > 0 || l.yielding > 0 || s.searching > 0 || x.lent > 0 {
		return
	}
	var oldest *submitter
	insiders := int32(0)
	for e := l.submitters.Front(); e != nil; e = e.Next() {
		if e.Value.runs != insider {
			continue
		}
		if insiders++; oldest == nil {
			oldest = e.Value
		}
	}
	if oldest != nil && insiders == s.busy {
		oldest.tasks = insiders
		s.dismissLocked(oldest, deadlocked, do)
	}
}

// raiseDeadlock panics in a submitter whose task is the oldest of so many that wait.
func (s *Scheduler) raiseDeadlock(running int32) {
	config := s.config()
	owner := s.Title()
	if config.Path != "" {
		owner = fmt.Sprintf("%q", config.Path)
	}
	panic(fmt.Sprintf("%s: deadlock: all %d tasks of %s wait for room in it; start them with GoContext and the task's context",
		config.Kind, running, owner))
}
