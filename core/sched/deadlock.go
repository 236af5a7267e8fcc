package sched

import (
	"errors"
	"fmt"
	"time"
	"weak"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file finds out whether all tasks of a scheduler wait for room in it. Go has no
// context, so the scheduler does not know which task calls it. When submitters have been blocked
// for deadlockAfter, the scheduler asks them whose task they run: each reads its own stack. An
// acquirer, which has a place and waits for a permit of the semaphore, counts as a submitter here.
//
// A submitter that parks, and the end of a task that makes no room, set a timer if at least as many
// submitters wait as tasks may run. A scheduler has at most one timer that counts. The scheduler
// asks the submitters that cannot give up, once each, if no further submitter has parked when the
// timer expires. Then there is no timer until another submitter parks or another task ends:
// otherwise the clock of a testing/synctest bubble would never stop. A timer holds a weak pointer
// to the scheduler. It is stopped when no submitter has parked for a while, unless it belongs to a
// bubble: a goroutine outside that bubble must not stop it.

// deadlockAfter is how long submitters are blocked before the scheduler looks for a deadlock.
const deadlockAfter = time.Second

// parkedLocked counts a submitter that parks, and sets the timer if needed. patient says that it
// cannot give up.
func (s *Scheduler) parkedLocked(b *submitter, patient bool) {
	if s.shared.alarm == nil {
		s.shared.alarm = new(alarm)
	}
	a := s.shared.alarm
	a.calm = 0
	a.parks++
	if !patient {
		b.runs = mayGiveUp
		return
	}
	b.runs = unknown
	a.patient++
	s.checkAlarmLocked()
}

// checkAlarmLocked sets the timer if enough submitters wait. It is called when a submitter parks,
// when the end of a task or a new limit makes no room for those that are parked, and when a task
// releases a permit.
func (s *Scheduler) checkAlarmLocked() {
	a := s.shared.alarm
	if a != nil && a.suspectsLocked(s) && (a.timer == nil || a.isLostLocked()) {
		s.setAlarmLocked()
	}
}

// suspectsLocked reports whether all tasks that run may be blocked submitters. There is no room, so
// the number of tasks that run is the limit. It uses the limit, and not the number of tasks that
// run now, because that changes with each short task, and would set the timer more often. While a
// timer is set, every switch of goroutines reads the clock, which takes 25 ns.
func (a *alarm) suspectsLocked(s *Scheduler) bool {
	most := int64(s.shared.limiter.limit)
	if sem := s.config().Semaphore; sem != nil {
		most = min(most, sem.Limit())
	}
	return int64(a.patient) >= max(1, most)
}

// longCalm is how many blocked submitters in a row have no need to park before the timer is
// stopped.
const longCalm = 64

// calmLocked counts a blocked submitter that had no need to park. It stops the timer after longCalm
// of them in a row, because a timer slows down each switch of goroutines.
func (a *alarm) calmLocked() {
	if a == nil || a.timer == nil {
		return
	}
	if a.calm++; a.calm == longCalm && a.patient == 0 && !IsFake(a.at) {
		a.timer.Stop()
		a.timer = nil
	}
}

// unparkedLocked counts a submitter that is dismissed.
func (a *alarm) unparkedLocked(b *submitter) {
	if b.runs > mayGiveUp {
		a.patient--
	}
}

// isLostLocked reports whether the timer will never expire, because its bubble has ended. It reads
// the clock at every 64th call of parkedLocked.
func (a *alarm) isLostLocked() bool {
	since := time.Duration(0)
	if a.parks%64 == 0 {
		since = time.Since(a.at)
	}
	return since < 0 || since > 2*deadlockAfter
}

func (s *Scheduler) setAlarmLocked() {
	a := s.shared.alarm
	a.at, a.seen = time.Now(), a.parks
	weakly := weak.Make(s)
	var timer *time.Timer
	timer = time.AfterFunc(deadlockAfter, func() {
		if s := weakly.Value(); s != nil {
			s.locked(func() { s.suspectLocked(timer) })
		}
	})
	a.timer = timer
}

// suspectLocked is called by the timer. It asks the submitters, unless a submitter has parked since
// the timer was set: then it sets the timer again.
func (s *Scheduler) suspectLocked(timer *time.Timer) {
	a := s.shared.alarm
	if a.timer != timer {
		return
	}
	a.timer = nil
	switch {
	case !a.suspectsLocked(s):
	case a.parks != a.seen:
		s.setAlarmLocked()
	case !s.shared.limiter.submitters.Empty() && s.roomLocked() > 0: // less than wakeAt
		s.admitRoomLocked(s.roomLocked())
	default:
		s.askLocked()
		if a.asking == 0 {
			s.judgeLocked()
		}
	}
}

// askLocked wakes the submitters that were not asked before, so that each reads its own stack.
func (s *Scheduler) askLocked() {
	for e := s.shared.limiter.submitters.Front(); e != nil; e = e.Next() {
		if b := e.Value; b.runs == unknown && b.parker != nil {
			s.shared.alarm.asking++
			b.parker.Result = lookAgain
			s.wakeParkerLocked(b.parker)
			b.parker = nil
		}
	}
	for e := s.shared.limiter.acquirers.Front(); e != nil; e = e.Next() {
		if b := e.Value; b.runs == unknown {
			b.runs = asked
			s.shared.alarm.asking++
			race.Close(b.stop)
		}
	}
}

// answer is called by a submitter that was asked. It reads the goroutine's stack, and then blocks
// until the submitter is dismissed. It returns an error if the submitter's state is deadlocked.
func (s *Scheduler) answer(b *submitter) (submitterState, error) {
	parker := park.Get(false)
	state := s.answerWith(b, func() { b.parker = parker })
	if state == blocked {
		parker.Wait(nil)
		state = race.Load(&b.state)
	}
	if state == deadlocked {
		return state, s.deadlock(race.Load(&b.tasks))
	}
	return state, nil
}

// answerWith reads the stack of the caller, a submitter that was asked. It calls blocks with mu
// held before the submitter blocks again.
func (s *Scheduler) answerWith(b *submitter, blocks func()) submitterState {
	runs := outsider
	if s.IsWorker() {
		runs = insider
	}
	return inLock(s, func() submitterState {
		b.runs = runs
		blocks()
		s.answeredLocked()
		return b.state
	})
}

func (s *Scheduler) answeredLocked() {
	s.shared.alarm.asking--
	if s.shared.alarm.asking == 0 {
		s.judgeLocked()
	}
}

// An interrupt is the context of an acquirer. The channel is closed when the acquirer is asked, or
// has to panic.
type interrupt chan struct{}

var errInterrupted = errors.New("interrupted")

func (c interrupt) Done() <-chan struct{}           { return c }
func (c interrupt) Deadline() (_ time.Time, _ bool) { return }
func (c interrupt) Value(any) any                   { return nil }

func (c interrupt) Err() error {
	select {
	case <-c:
		return errInterrupted
	default:
		return nil
	}
}

// judgeLocked finds out whether all tasks that run are submitters that cannot give up, and wait for
// room or for permits that these tasks hold. If so, the oldest of them panics. There is no deadlock
// if the owner is paused, if another submitter yields or has a reserved place, if a worker
// searches, or if a task has lent its place.
func (s *Scheduler) judgeLocked() {
	x := s.shared
	l := &x.limiter
	if l.limit <= 0 || int(l.reserved) > l.acquirers.Len() || l.yielding > 0 || x.searching > 0 || x.lent > 0 {
		return
	}
	acquirer, acquiring := oldestInsider(&l.acquirers)
	b, waiting := oldestInsider(&l.submitters)
	tasks := acquiring + waiting
	switch {
	case tasks == 0 || tasks != s.busy || acquiring > 0 && !s.holdsAllLocked():
	case acquirer != nil:
		acquirer.tasks, acquirer.state = tasks, deadlocked
		race.Close(acquirer.stop)
	default:
		b.tasks = tasks
		s.dismissLocked(b, deadlocked)
	}
}

// oldestInsider returns the first submitter of a list that runs a task, and how many do.
func oldestInsider(l *list.List[*submitter]) (oldest *submitter, n int32) {
	for e := l.Front(); e != nil; e = e.Next() {
		if e.Value.runs != insider {
			continue
		}
		if n++; oldest == nil {
			oldest = e.Value
		}
	}
	return oldest, n
}

// holdsAllLocked reports whether the tasks that run hold all permits in use, and the semaphore is
// not paused.
func (s *Scheduler) holdsAllLocked() bool {
	sem := s.config().Semaphore
	return sem.InUse() == int64(s.busy) && sem.Limit() > 0
}

// A deadlock is the error of a submitter that must panic. declined panics with its text.
type deadlock string

func (d deadlock) Error() string { return string(d) }

// deadlock returns the error of a deadlock. running is the number of tasks that wait.
func (s *Scheduler) deadlock(running int32) error {
	config := s.config()
	owner := s.Title()
	if config.names.path != "" {
		owner = fmt.Sprintf("%q", config.names.path)
	}
	return deadlock(fmt.Sprintf("%s: deadlock: all %d tasks of %s wait for room in it; start them with GoContext and the task's context",
		config.Kind, running, owner))
}
