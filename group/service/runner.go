package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
)

// This file holds the state machine of a Run. Only the goroutine that called Run uses it. The phase
// of a member is its last event, except Failed:
//
//	waiting ──► Starting ──► Ready ──► Stopping ──► Ended, Stuck
//	   ▲            ╎          ╎          ╎
//	   └╌╌╌╌╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌╌╌┘   if Restart covers a failure
//
// and each phase can lead to Ended. Other goroutines pass functions to the runner, which calls them
// in their order: when a service is ready, a Run has ended, a phase has taken too long, the context
// is done, or a signal has come. So an event that happens in time is handled before the end of its
// time limit, even if Observe is slow.
//
// The rules that depend on other members are in advance. It may be called at any time, because it
// does only what the phases require. So Observe may panic at any call, and the services still stop.

// waiting is the first phase. A member waits for the members in after, and for the end of a
// Backoff.
const waiting = Restarting

// A member is a service of a Run. Only the goroutine of the runner uses it.
type member struct {
	Service
	path  string
	named context.Context // carries the path; never done
	after []*member       // the members after which it comes
	users []*member       // the members that come after it

	acyclic bool // findCircle has found no circle from here

	phase EventKind
	since time.Time   // when the phase began
	due   time.Time   // when the phase has taken too long; zero: never
	alarm *time.Timer // calls expire at due
	gone  bool        // it has ended, and so have all members that come after it

	attempts int                     // how often Run was called
	cancel   context.CancelCauseFunc // cancels the context of the last call
	retry    bool                    // the last call failed, and Restart covers the failure
	delay    time.Duration
	restarts []time.Time // the restarts within Restart.Within; unused if Within is 0
}

// A runner is the state of a Run. Only the goroutine of Run uses it. Other goroutines use do. To
// call do is the last thing that the goroutine of a service does, so Run waits for each of them.
type runner struct {
	opts     Options
	group    *group.Group   // owns the calls of Run; a panic that it sees comes too late, and ends the process
	calls    chan func()    // without a buffer, so that do knows whether the runner has taken the function
	returned chan struct{}  // closed when Run returns
	signals  chan os.Signal // has room for two; a third signal has no effect

	members []*member
	result  Error // the failures so far

	reason    error // the cause of the services' contexts; nil until they stop
	signalled int   // how many signals have come; after the second Run waits no longer
}

// loop calls the functions of other goroutines until all members are gone, or the second signal has
// come.
func (r *runner) loop() {
	for left(r.members) && r.signalled < 2 {
		select {
		case call := <-r.calls:
			call()
		case sig := <-r.signals: // so that it queues behind the calls that were made before
			time.AfterFunc(0, func() { r.do(func() { r.signal(sig) }) })
		}
	}
}

// do makes the runner call f. It blocks until the runner has taken f. It reports false if Run has
// returned.
func (r *runner) do(f func()) bool {
	select {
	case r.calls <- f:
		return true
	case <-r.returned:
		return false
	}
}

// abort is deferred. It stops the members if Observe, the Logger or a Backoff has panicked or
// called Goexit. Also then Run waits no longer after the second signal.
func (r *runner) abort() {
	if left(r.members) {
		r.opts.Observe, r.opts.Logger = nil, nil
		r.stop("stopping", errors.New("an Observe, Logger or Backoff did not return"))
		r.loop()
	}
}

// signal stops the members in order. The second signal cancels the contexts of all that still run,
// and gives up those whose contexts were cancelled before.
func (r *runner) signal(sig os.Signal) {
	if r.signalled++; r.signalled == 1 {
		r.stop("stopping", fmt.Errorf("signal: %v", sig))
		return
	}
	r.result.Cause = fmt.Errorf("second signal: %v", sig)
	stopping := slices.DeleteFunc(slices.Clone(r.members), func(m *member) bool { return m.phase != Stopping })
	r.advance(r.members...)
	report := sync.OnceValue(r.report)
	for _, m := range stopping {
		r.giveUp(m, r.result.Cause, report())
	}
}

// stop makes all members end, in order. The cause of their contexts is why, followed by cause.
func (r *runner) stop(why string, cause error) {
	if r.reason == nil {
		r.result.Cause = cause
		r.reason = fmt.Errorf("%s: %w", why, cause) // a new error, so that no Run returns it by chance
	}
	r.advance(r.members...)
}

// advance moves each of members to the next phase if the phases of the others allow it.
func (r *runner) advance(members ...*member) {
	for _, m := range members {
		switch ending := r.reason != nil; {
		case !ending && m.phase == waiting && m.due.IsZero() && !slices.ContainsFunc(m.after, (*member).unready):
			r.start(m)
		case ending && m.phase == waiting && m.attempts == 0:
			m.set(Ended)
		case ending && m.phase == waiting:
			r.enter(m, Ended, 0)
		case ending && m.phase < Stopping && (r.signalled == 2 || !left(m.users)):
			r.cancel(m, r.reason)
		}
		if m.phase >= Ended && !m.gone && !left(m.users) {
			m.gone = true
			r.advance(m.after...)
		}
	}
}

// unready reports whether the members that come after m must wait for it.
func (m *member) unready() bool { return m.phase != Ready && m.phase < Ended }

// left reports whether any of members, or of the members that come after them, has not ended.
func left(members []*member) bool {
	return slices.ContainsFunc(members, func(m *member) bool { return !m.gone })
}

// set begins a phase without an event.
func (m *member) set(phase EventKind) {
	if m.alarm != nil {
		m.alarm.Stop()
	}
	m.phase, m.due = phase, time.Time{}
}

// enter emits an event and begins the phase of m with the same name. The phase has taken too long
// after limit, unless that is 0.
func (r *runner) enter(m *member, phase EventKind, limit time.Duration) {
	r.emit(m, phase, nil)
	m.set(phase)
	m.since = time.Now()
	if limit > 0 {
		due := m.since.Add(limit)
		m.due, m.alarm = due, time.AfterFunc(limit, func() { r.do(func() { r.expire(due) }) })
	}
}

// expire ends the phases whose due is not after now. now may lie in the past.
func (r *runner) expire(now time.Time) {
	report := sync.OnceValue(r.report)
	for _, m := range r.members {
		switch {
		case m.due.IsZero() || m.due.After(now):
		case m.phase == waiting:
			m.set(waiting)
			r.advance(m)
		case m.phase == Starting:
			err := fmt.Errorf("not ready within %v", r.opts.StartWithin)
			r.fail(m, err)
			if m.phase == Starting { // other services, which started after an earlier attempt, use it
				r.cancel(m, err)
			}
		default:
			r.giveUp(m, fmt.Errorf("did not end within %v", m.Grace), report())
		}
	}
}

// start calls the Run of m in a new goroutine.
func (r *runner) start(m *member) {
	m.attempts++
	r.enter(m, Starting, r.opts.StartWithin)
	m.retry = false
	if m.attempts > 1 && m.Restart.Within > 0 {
		m.restarts = append(m.restarts, m.since)
	}
	ctx, cancel := context.WithCancelCause(m.named)
	m.cancel = cancel
	attempt := m.attempts
	ready := func() {
		r.do(func() {
			if m.attempts == attempt && m.phase == Starting { // otherwise the call comes too late
				r.enter(m, Ready, 0)
				r.advance(m.users...)
			}
		})
	}
	r.group.GoNamed(m.Name, func() {
		err := core.ErrGoexit
		defer func() {
			if p, panicked := err.(*core.PanicError); !r.do(func() { r.end(m, ctx, err) }) && panicked {
				p.Raise()
			}
		}()
		core.Call(func() { err = m.Run(ctx, ready) }, func(p *core.PanicError) {
			if p != nil {
				err = p
			}
		})
	})
}

// cancel cancels the context of the Run of m.
func (r *runner) cancel(m *member, reason error) {
	r.enter(m, Stopping, m.Grace)
	m.cancel(reason)
}

// end is called when a Run has ended, also a Run that was given up. ctx is its context. err is the
// error that it returned, its panic, or core.ErrGoexit.
func (r *runner) end(m *member, ctx context.Context, err error) {
	failed := err != nil && !sched.IsCancellationReport(err, ctx, false)
	m.cancel(context.Canceled)
	m.set(Ended)
	if failed { // maybe the second failure: it was late, and this is its error
		r.fail(m, err)
	}
	if m.retry && r.reason == nil {
		r.enter(m, Restarting, m.delay)
	} else if !failed {
		r.enter(m, Ended, 0)
	}
	r.advance(m.users...)
	r.advance(m)
}

// fail emits a failure. fail stops all members if Restart does not cover it.
func (r *runner) fail(m *member, err error) {
	r.emit(m, Failed, err)
	if m.retry = r.reason == nil && m.covered(); !m.retry {
		r.result.Failed = append(r.result.Failed, Failure{m.Name, err})
		r.result.prefix = strings.TrimSuffix(m.path, m.Name)
		r.stop(sched.Quote(m.path), err)
	}
}

// covered reports whether Restart allows another attempt, and sets delay.
func (m *member) covered() bool {
	b := m.Restart
	if b.Max > 0 && b.Backoff != nil {
		m.delay = max(0, b.Backoff(m.attempts))
	}
	if b.Within == 0 {
		return m.attempts <= b.Max
	}
	from := time.Now().Add(m.delay - b.Within)
	m.restarts = slices.DeleteFunc(m.restarts, func(t time.Time) bool { return t.Before(from) })
	return len(m.restarts) < b.Max
}

// giveUp reports that the Run of m, whose context is cancelled, has not ended. Run no longer waits
// for it. report is the report of all Runs.
func (r *runner) giveUp(m *member, cause error, report *core.StuckError) {
	m.set(Stuck)
	stuck := *report
	stuck.Kind, stuck.Owner, stuck.Running, stuck.Cause = "service", m.path, 1, cause
	stuck.Tasks = slices.DeleteFunc(slices.Clone(report.Tasks), func(t core.Task) bool { return t.Name != m.path })
	r.result.Stuck = append(r.result.Stuck, &stuck)
	r.emit(m, Stuck, &stuck)
	r.stop(sched.Quote(m.path), &stuck)
}

// report returns a report of all Runs with their stacks. It stops the world to read them.
func (r *runner) report() *core.StuckError {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return r.group.WaitContext(ctx).(*core.StuckError)
}
