package service

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// This file holds the reports of a Run: its events, and the Error that it returns.

// An Event is a change of the phase of one service. A service took Ready.Time - Starting.Time to
// become ready, and Ended.Time - Stopping.Time to stop.
type Event struct {
	Time    time.Time // when Observe was called
	Service string    // the service's Name
	Kind    EventKind // the kind of change
	Attempt int       // the number of the call of the service's Run, from 1
	Err     error     // the failure of Failed, the *[core.StuckError] of Stuck; else nil
}

// An EventKind is the kind of an [Event].
type EventKind int

const (
	// Starting is the event before Run is called.
	Starting EventKind = iota
	// Ready is the event when Run has called ready. A job has none.
	Ready
	// Failed is the event of each failure, also of a failure that Restart covers.
	Failed
	// Restarting is the event when Run has returned after a Failed that Restart covers. Attempt is
	// the number of the attempt that failed, as for Backoff.
	Restarting
	// Stopping is the event before the context of Run is cancelled.
	Stopping
	// Ended is the event when Run has returned without a failure, or when no further attempt starts
	// because the services stop.
	Ended
	// Stuck is the event when Run no longer waits for a service whose context was cancelled. An
	// Ended or a Failed follows if the service still ends before the others.
	Stuck
)

var kinds = [...]string{"starting", "ready", "failed", "restarting", "stopping", "ended", "stuck"}

// String returns the name of the kind in lower case. The log record of the event has it as its
// message.
func (k EventKind) String() string {
	if k < 0 || int(k) >= len(kinds) {
		return fmt.Sprintf("EventKind(%d)", int(k))
	}
	return kinds[k]
}

// emit passes an event to the Logger and to Observe. These may panic or call Goexit.
func (r *runner) emit(m *member, kind EventKind, err error) {
	now := time.Now()
	if r.opts.Logger != nil {
		level, attrs := slog.LevelInfo, []slog.Attr{slog.String("service", m.path), slog.Int("attempt", m.attempts)}
		if kind == Ready || kind == Ended {
			attrs = append(attrs, slog.Duration("after", now.Sub(m.since)))
		}
		if err != nil {
			level, attrs = slog.LevelError, append(attrs, slog.Any("err", err))
		}
		r.opts.Logger.LogAttrs(m.named, level, kind.String(), attrs...)
	}
	if r.opts.Observe != nil {
		r.opts.Observe(Event{now, m.Name, kind, m.attempts, err})
	}
}

// An Error holds the services that failed, those that are stuck, and why Run stopped the services.
type Error struct {
	// Failed holds the failures that no Restart covered, in the order in which they happened. The
	// first may be the reason why the others stopped.
	Failed []Failure
	// Stuck has a report for each service that ignored its context. The report has the service's
	// path as its Owner, its stack, and as its Cause why Run no longer waited.
	Stuck []*core.StuckError
	// Cause is why Run stopped the services: the error of the first failure, the report of a
	// service that was stuck before its next attempt, the cause of Run's context, or an error that
	// names the signal. Cause names that one if a second signal made Run return.
	Cause error

	prefix string // stands before the services' names in their paths
}

// A Failure is the failure of one service.
type Failure struct {
	Service string // the service's Name
	Err     error  // a *[core.PanicError] for a panic, [core.ErrGoexit] for a Goexit
}

// Error returns a line for each failure, such as "app/db: connection refused", and a paragraph for
// each service that is stuck. The cause comes first if no service failed, unless it is one of these
// reports.
func (e *Error) Error() string {
	var lines []string
	stuck := len(e.Stuck) > 0 && e.Cause == error(e.Stuck[0])
	if len(e.Failed) == 0 && e.Cause != nil && !stuck {
		lines = append(lines, fmt.Sprintf("stopped: %v", e.Cause))
	}
	for _, f := range e.Failed {
		lines = append(lines, fmt.Sprintf("%s: %v", sched.Quote(e.prefix+f.Service), f.Err))
	}
	for _, s := range e.Stuck {
		lines = append(lines, s.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors of Failed, and then the reports of Stuck.
func (e *Error) Unwrap() []error {
	var all []error
	for _, f := range e.Failed {
		all = append(all, f.Err)
	}
	for _, s := range e.Stuck {
		all = append(all, s)
	}
	return all
}
