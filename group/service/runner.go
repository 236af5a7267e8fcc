package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// This file holds the state machine of a Run. One goroutine owns it. It receives
// notes from the goroutines of the services, the end of a context, signals, and the
// passing of deadlines, and moves each member through its phases:
//
//	waiting ──► starting ──► serving ──► stopping ──► ended
//	   ▲            ╎           ╎           ╎
//	   └╌╌╌╌╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌╌╌╌┴╌╌╌╌╌╌╌╌╌╌╌┘   if Restart covers a failure
//
// and from each phase to ended. The rules that depend on other members stand in
// advance, which does what is due and no more, so it may be called at any time. An
// Observe may therefore panic wherever it is called, and the services still stop.

type phase int

const (
	waiting  phase = iota // for the members that it comes after, or until its Backoff is over
	starting              // Run runs and is not ready
	serving               // Run runs and is ready
	stopping              // Run runs and its context is done
	ended                 // for good; the Run of a stuck one still runs
)

// A member is a service of a Run. It belongs to the goroutine of the runner.
type member struct {
	Service
	path  string
	after []*member // that it comes after
	users []*member // that come after it

	acyclic bool // it leads into no circle

	phase phase
	due   time.Time // when the phase ends by itself; zero for never
	since time.Time // of the last Starting or Stopping
	gone  bool      // it has ended, and so have all that come after it

	attempts int      // calls of Run
	attempt  *attempt // the last of them
	retry    bool     // the last one failed, and Restart covers that
	delay    time.Duration
	restarts []time.Time // within Restart.Within, or all
}

// A runner is the state of a Run. It belongs to one goroutine. The goroutines of the
// services touch notes and over.
type runner struct {
	opts    Options
	outer   context.Context // that of Run
	values  context.Context // that the services' contexts derive from
	signals chan os.Signal  // nil if none are caught
	path    string
	group   *group.Group // of the attempts; a panic in it comes too late and crashes
	notes   chan note
	over    chan struct{} // closed when Run returns

	members []*member
	left    int // members that are not gone
	failed  []Failure
	stuck   []*core.StuckError

	stopping bool
	cause    error // why; see Error.Cause
	reason   error // the cause of the services' contexts
	warned   bool  // the first signal has come
	exited   bool  // a Run has called Goexit, and so would a Wait for the group
}

func newRunner(outer, values context.Context, path string, opts Options, members []*member) *runner {
	return &runner{
		opts:    opts,
		outer:   outer,
		values:  values,
		path:    path,
		group:   group.New(group.Options{Name: path, Panics: core.Crash}),
		notes:   make(chan note),
		over:    make(chan struct{}),
		members: members,
		left:    len(members),
	}
}

// loop returns when all members are gone, or the second signal has come.
func (r *runner) loop() {
	done := r.outer.Done()
	if r.outer.Err() != nil {
		r.stop("stopping", context.Cause(r.outer))
	}
	r.advance(r.members...)
	for r.left > 0 {
		var alarm <-chan time.Time
		if due := r.due(); !due.IsZero() {
			alarm = time.After(time.Until(due))
		}
		select {
		case n := <-r.notes:
			r.take(n)
		case <-done:
			done = nil
			r.stop("stopping", context.Cause(r.outer))
		case sig := <-r.signals:
			r.signal(sig)
		case <-alarm:
			r.expire(time.Now())
		}
	}
}

// result joins the attempts and returns what Run returns.
func (r *runner) result() error {
	if len(r.stuck) == 0 && !r.exited {
		r.group.Wait()
	}
	if len(r.stuck) == 0 && len(r.failed) == 0 {
		return nil
	}
	return &Error{Failed: r.failed, Stuck: r.stuck, Cause: r.cause, owner: r.path}
}

// due returns when the next phase ends by itself, or zero.
func (r *runner) due() (due time.Time) {
	for _, m := range r.members {
		if !m.due.IsZero() && (due.IsZero() || m.due.Before(due)) {
			due = m.due
		}
	}
	return due
}

// abort is deferred. It stops the members if loop did not return, because Observe,
// the Logger or a Backoff did not.
func (r *runner) abort() {
	if r.left > 0 {
		r.opts.Observe, r.opts.Logger = nil, nil
		r.stop("stopping", errors.New("an Observe, Logger or Backoff did not return"))
		r.loop()
	}
}

// catchUp takes the notes that wait, if Observe was slow: what happened in time comes
// before what is overdue.
func (r *runner) catchUp() {
	for {
		select {
		case n := <-r.notes:
			r.take(n)
		default:
			return
		}
	}
}

// take deals with a note.
func (r *runner) take(n note) {
	m := n.attempt.member
	switch {
	case !n.ready:
		r.end(m, n)
	case m.attempt == n.attempt && m.phase == starting: // else it comes too late
		m.enter(serving, 0)
		r.tell(m, Ready, nil)
		r.advance(m.users...)
	}
}

// expire ends the phases that are due.
func (r *runner) expire(now time.Time) {
	r.catchUp()
	var late []*member
	for _, m := range r.members {
		if m.due.IsZero() || m.due.After(now) {
			continue
		}
		switch m.phase {
		case waiting:
			m.enter(waiting, 0)
			r.advance(m)
		case starting:
			r.tooLate(m)
		case stopping:
			late = append(late, m)
		}
	}
	r.giveUp(late, func(m *member) error { return fmt.Errorf("did not end within %v", m.Grace) })
}

// tooLate deals with a member that did not get ready in time.
func (r *runner) tooLate(m *member) {
	err := fmt.Errorf("not ready within %v", r.opts.StartWithin)
	r.fail(m, err)
	if m.phase == starting { // others, started after an earlier attempt, use it
		r.cancel(m, err)
	}
}

// signal stops the members, the second time without waiting for them.
func (r *runner) signal(sig os.Signal) {
	if !r.warned {
		r.warned = true
		r.stop("stopping", fmt.Errorf("signal: %v", sig))
		return
	}
	r.catchUp()
	r.left = 0
	r.cause = fmt.Errorf("second signal: %v", sig)
	told := slices.DeleteFunc(slices.Clone(r.members), func(m *member) bool { return m.phase != stopping })
	for _, m := range r.members {
		if m.untold() {
			r.cancel(m, r.reason)
		}
	}
	r.giveUp(told, func(*member) error { return r.cause })
}

// stop makes all members end, in order.
func (r *runner) stop(why string, cause error) {
	if !r.stopping {
		r.stopping, r.cause = true, cause
		r.reason = fmt.Errorf("%s: %w", why, cause) // which no Run returns by chance
	}
	r.advance(r.members...)
}

// advance moves each of members on as far as the others let it.
func (r *runner) advance(members ...*member) {
	for _, m := range members {
		switch {
		case !r.stopping:
			if m.phase == waiting && m.due.IsZero() && !slices.ContainsFunc(m.after, (*member).unready) {
				r.start(m)
			}
		case m.phase == waiting:
			m.enter(ended, 0)
			if m.attempts > 0 {
				r.tell(m, Ended, nil)
			}
		case m.untold() && !m.inUse():
			r.cancel(m, r.reason)
		}
		if m.phase == ended && !m.gone && !m.inUse() {
			m.gone = true
			r.left--
			r.advance(m.after...)
		}
	}
}

// unready reports whether those that come after m must wait for it.
func (m *member) unready() bool { return m.phase != serving && m.phase != ended }

// untold reports whether the Run of m runs and has not been told to return.
func (m *member) untold() bool { return m.phase == starting || m.phase == serving }

// inUse reports whether a member that comes after m, directly or not, has not ended.
func (m *member) inUse() bool {
	return slices.ContainsFunc(m.users, func(u *member) bool { return !u.gone })
}

// enter begins a phase that ends by itself after limit, or, if that is 0, does not.
func (m *member) enter(p phase, limit time.Duration) {
	m.phase, m.due = p, time.Time{}
	if limit > 0 {
		m.due = time.Now().Add(limit)
	}
}

// start begins an attempt.
func (r *runner) start(m *member) {
	m.attempts++
	r.tell(m, Starting, nil)
	m.since = time.Now()
	if m.attempts > 1 {
		m.restarts = append(m.restarts, m.since)
	}
	m.retry = false
	m.enter(starting, r.opts.StartWithin)
	m.attempt = r.begin(m)
}

// cancel tells the Run of m to return.
func (r *runner) cancel(m *member, reason error) {
	r.tell(m, Stopping, nil)
	m.since = time.Now()
	m.enter(stopping, m.Grace)
	m.attempt.cancel(reason)
}

// end deals with the end of a Run, also of one that was given up.
func (r *runner) end(m *member, n note) {
	failed := !isEcho(n.attempt.ctx, n.err)
	n.attempt.cancel(context.Canceled)
	r.exited = r.exited || n.exited
	m.enter(ended, 0)
	if failed { // maybe for the second time, if it was late and now says why
		r.fail(m, n.err)
	}
	if m.retry && !r.stopping {
		r.tell(m, Restarting, nil)
		m.enter(waiting, m.delay)
	} else if !failed {
		r.tell(m, Ended, nil)
	}
	r.advance(m.users...)
	r.advance(m)
}

// fail deals with a failure: it is covered by Restart, or stops all members.
func (r *runner) fail(m *member, err error) {
	r.tell(m, Failed, err)
	m.retry = !r.stopping && m.covered()
	if !m.retry {
		r.failed = append(r.failed, Failure{m.Name, err})
		r.stop(printable(m.path), err)
	}
}

// covered reports whether Restart allows another attempt, and sets delay.
func (m *member) covered() bool {
	b := m.Restart
	if b.Max == 0 {
		return false
	}
	if b.Backoff != nil {
		m.delay = max(0, b.Backoff(m.attempts))
	}
	if b.Within > 0 {
		from := time.Now().Add(m.delay - b.Within)
		m.restarts = slices.DeleteFunc(m.restarts, func(t time.Time) bool { return t.Before(from) })
	}
	return len(m.restarts) < b.Max
}

// giveUp leaves Runs behind that have been told to return. It stops the world once, to
// read the stacks.
func (r *runner) giveUp(members []*member, cause func(m *member) error) {
	if len(members) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	all := r.group.WaitContext(ctx).(*core.StuckError)
	for _, m := range members {
		stuck := m.report(all, cause(m))
		m.enter(ended, 0)
		r.stuck = append(r.stuck, stuck)
		r.tell(m, Stuck, stuck)
		r.stop(printable(m.path), stuck)
	}
}
