package service

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// This file holds what a Run tells: events while it goes on, an Error in the end.

// An Event is a change in the life of one service. The time between two events says
// how long something took: a service took Ready.Time - Starting.Time to get ready, and
// Ended.Time - Stopping.Time to stop.
type Event struct {
	Time    time.Time // when it was told
	Service string    // the service's Name
	Kind    EventKind // what happened
	Attempt int       // which call of the service's Run it concerns, from 1
	Err     error     // the failure of Failed, the *[core.StuckError] of Stuck; else nil
}

// An EventKind says what happened.
type EventKind int

const (
	// Starting comes before Run is called.
	Starting EventKind = iota
	// Ready comes when Run has called ready. A job has none.
	Ready
	// Failed comes for each failure, also for one that Restart covers.
	Failed
	// Restarting follows a Failed that Restart covers, once Run has returned.
	// Attempt is the one that failed, the same number that Backoff is given.
	Restarting
	// Stopping comes before the context of Run ends.
	Stopping
	// Ended comes when Run has returned without a failure, or when stopping
	// prevents the next attempt.
	Ended
	// Stuck comes when a service that was told to stop is not waited for any
	// more. If it ends all the same before the others, an Ended or a Failed
	// follows.
	Stuck
)

var kinds = [...]string{"starting", "ready", "failed", "restarting", "stopping", "ended", "stuck"}

// String returns the name of the kind in lower case, which is also the message of
// its log record.
func (k EventKind) String() string {
	if k < 0 || int(k) >= len(kinds) {
		return fmt.Sprintf("EventKind(%d)", int(k))
	}
	return kinds[k]
}

// tell gives an event to the Logger and to Observe, which need not return: they may
// panic or call Goexit.
func (r *runner) tell(m *member, kind EventKind, err error) {
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

// An Error says which services failed, which are stuck, and why Run stopped.
type Error struct {
	// Failed are the failures that no Restart covered, in the order in which they
	// happened. The first may have stopped the others.
	Failed []Failure
	// Stuck has a report for each service that ignored its context: its path as
	// the owner, its stack, and why Run did not wait any longer.
	Stuck []*core.StuckError
	// Cause is why the services were stopped: the error of the first failure, the
	// cause of the context of Run, or an error that names the signal, which is the
	// second if that made Run return.
	Cause error

	prefix string // of the services' names in their paths
}

// A Failure is the failure of one service.
type Failure struct {
	Service string // the service's Name
	Err     error  // a *[core.PanicError] for a panic, [core.ErrGoexit] for a Goexit
}

// Error has a line for each failure, "app/db: connection refused", and a paragraph
// for each service that is stuck. If nothing failed, the cause comes first.
func (e *Error) Error() string {
	var lines []string
	if len(e.Failed) == 0 && e.Cause != nil {
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

// Unwrap returns the failures' errors and the reports of those that are stuck.
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
