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

// This file holds the state machine of a Run. The goroutine that called Run owns it. The
// phase of a member is the last event that it was told of, but for Failed:
//
//	waiting ──► Starting ──► Ready ──► Stopping ──► Ended, Stuck
//	   ▲            ╎          ╎          ╎
//	   └╌╌╌╌╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌╌╌┘   if Restart covers a failure
//
// and each phase can lead to Ended. Other goroutines hand the runner functions to call,
// in the order in which things happen: a service is ready, a Run has ended, a phase has
// taken too long, the context is done, a signal has come. So what happens in time comes
// before what is overdue, even if Observe is slow.
//
// The rules that depend on other members stand in advance, which does what is due and
// no more, so it may be called at any time. An Observe may therefore panic wherever it
// is called, and the services still stop.

// waiting is the first phase: for the members that it comes after, and for the end of
// a Backoff.
const waiting = Restarting

// A member is a service of a Run. It belongs to the goroutine of the runner.
type member struct {
	Service
	path  string
	named context.Context // with the path, never done
	after []*member       // that it comes after
	users []*member       // that come after it

	acyclic bool // it leads into no circle

	phase EventKind
	since time.Time   // when the phase began
	due   time.Time   // when it ends by itself; zero for never
	alarm *time.Timer // for that
	gone  bool        // it has ended, and so have all that come after it

	attempts int                     // calls of Run
	cancel   context.CancelCauseFunc // of the last of them
	retry    bool                    // the last one failed, and Restart covers that
	delay    time.Duration
	restarts []time.Time // within Restart.Within, or all
}

// A runner is the state of a Run. It belongs to one goroutine. Others use do, as the last
// thing that the goroutine of a service does: so Run waits for each of them.
type runner struct {
	opts    Options
	group   *group.Group   // of the Runs; a panic in it comes too late and crashes
	calls   chan func()    // without a buffer: each is taken, or known not to be
	over    chan struct{}  // closed when Run returns
	signals chan os.Signal // Run needs no third

	members []*member
	result  Error // so far

	reason    error // the cause of the services' contexts; nil until they stop
	signalled int   // how many signals have come; Run does not wait after the second
}

// loop returns when all members are gone, or the second signal has come.
func (r *runner) loop() {
	for left(r.members) && r.signalled < 2 {
		select {
		case call := <-r.calls:
			call()
		case sig := <-r.signals: // it queues behind what happened before
			time.AfterFunc(0, func() { r.do(func() { r.signal(sig) }) })
		}
	}
}

// do makes the runner call f, and reports false if Run has returned.
func (r *runner) do(f func()) bool {
	select {
	case r.calls <- f:
		return true
	case <-r.over:
		return false
	}
}

// abort is deferred. It stops the members if loop did not return, because Observe,
// the Logger or a Backoff did not. Even then loop does not wait after the second signal.
func (r *runner) abort() {
	if left(r.members) {
		r.opts.Observe, r.opts.Logger = nil, nil
		r.stop("stopping", errors.New("an Observe, Logger or Backoff did not return"))
		r.loop()
	}
}

// signal stops the members. The second one stops those that still run without waiting for
// any, and gives up those that were told before.
func (r *runner) signal(sig os.Signal) {
	if r.signalled++; r.signalled == 1 {
		r.stop("stopping", fmt.Errorf("signal: %v", sig))
		return
	}
	r.result.Cause = fmt.Errorf("second signal: %v", sig)
	told := slices.DeleteFunc(slices.Clone(r.members), func(m *member) bool { return m.phase != Stopping })
	r.advance(r.members...)
	report := sync.OnceValue(r.report)
	for _, m := range told {
		r.giveUp(m, r.result.Cause, report())
	}
}

// stop makes all members end, in order. why stands before the cause in their contexts'.
func (r *runner) stop(why string, cause error) {
	if r.reason == nil {
		r.result.Cause = cause
		r.reason = fmt.Errorf("%s: %w", why, cause) // which no Run returns by chance
	}
	r.advance(r.members...)
}

// advance moves each of members on as far as the others let it.
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

// unready reports whether those that come after m must wait for it.
func (m *member) unready() bool { return m.phase != Ready && m.phase < Ended }

// left reports whether any of members, or of those that come after them, has not ended.
func left(members []*member) bool {
	return slices.ContainsFunc(members, func(m *member) bool { return !m.gone })
}

// set begins a phase of which nothing is told.
func (m *member) set(phase EventKind) {
	if m.alarm != nil {
		m.alarm.Stop()
	}
	m.phase, m.due = phase, time.Time{}
}

// enter tells an event and begins the phase of m that it stands for, which has limit
// to end, unless that is 0.
func (r *runner) enter(m *member, phase EventKind, limit time.Duration) {
	r.tell(m, phase, nil)
	m.set(phase)
	m.since = time.Now()
	if limit > 0 {
		due := m.since.Add(limit)
		m.due, m.alarm = due, time.AfterFunc(limit, func() { r.do(func() { r.expire(due) }) })
	}
}

// expire ends the phases that have not ended by themselves until now, which may be a
// while ago.
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
			if m.phase == Starting { // others, started after an earlier attempt, use it
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
	if m.attempts > 1 {
		m.restarts = append(m.restarts, m.since)
	}
	ctx, cancel := context.WithCancelCause(m.named)
	m.cancel = cancel
	attempt := m.attempts
	ready := func() {
		r.do(func() {
			if m.attempts == attempt && m.phase == Starting { // else it comes too late
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

// cancel tells the Run of m to return.
func (r *runner) cancel(m *member, reason error) {
	r.enter(m, Stopping, m.Grace)
	m.cancel(reason)
}

// end deals with the end of a Run, also of one that was given up. ctx is its context,
// and err what it returned, its panic, or core.ErrGoexit.
func (r *runner) end(m *member, ctx context.Context, err error) {
	failed := err != nil && !sched.IsCancellationReport(err, ctx, false)
	m.cancel(context.Canceled)
	m.set(Ended)
	if failed { // maybe for the second time, if it was late and now says why
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

// fail deals with a failure: it is covered by Restart, or stops all members.
func (r *runner) fail(m *member, err error) {
	r.tell(m, Failed, err)
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
	if b.Within > 0 {
		from := time.Now().Add(m.delay - b.Within)
		m.restarts = slices.DeleteFunc(m.restarts, func(t time.Time) bool { return t.Before(from) })
	}
	return len(m.restarts) < b.Max
}

// giveUp leaves the Run of m behind, which has been told to return. report is on the Runs.
func (r *runner) giveUp(m *member, cause error, report *core.StuckError) {
	m.set(Stuck)
	stuck := *report
	stuck.Kind, stuck.Owner, stuck.Running, stuck.Cause = "service", m.path, 1, cause
	stuck.Tasks = slices.DeleteFunc(slices.Clone(report.Tasks), func(t core.Task) bool { return t.Name != m.path })
	r.result.Stuck = append(r.result.Stuck, &stuck)
	r.tell(m, Stuck, &stuck)
	r.stop(sched.Quote(m.path), &stuck)
}

// report returns where the Runs stand. It stops the world to read the stacks.
func (r *runner) report() *core.StuckError {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return r.group.WaitContext(ctx).(*core.StuckError)
}
