package tree

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core/sched"
)

// This file makes the warnings of a snapshot: likely mistakes, in words.

const (
	lateAfter    = time.Second      // how long a task may run after its context was cancelled
	blockedAfter = 10 * time.Second // how long a Go may be blocked
)

// warnings returns the warnings about all circles, and then about the owners that are shown.
func (l *look) warnings(views []*sched.View, owners []Owner) []string {
	warnings := append([]string{}, l.circles()...)
	for i, v := range views {
		o := &owners[i]
		for _, w := range []string{l.runsOn(v, o), ignores(o), blocked(o), paused(o), orphaned(v, o)} {
			if w != "" {
				warnings = append(warnings, w)
			}
		}
	}
	return warnings
}

// runsOn returns a warning if the owner was cancelled and its tasks still run, and otherwise "". It
// ignores tasks that only wait for the tasks of other owners.
func (l *look) runsOn(v *sched.View, o *Owner) string {
	c := o.Cancelled
	if c == nil || c.Age < lateAfter {
		return ""
	}
	n := v.Running
	var places []string
	for _, t := range o.Tasks {
		if t.WaitsFor == AllTasks && t.Of != o.ID {
			n -= t.Count
		} else if t.runs() && !slices.Contains(places, t.Place) {
			places = append(places, t.Place)
		}
	}
	if n <= 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s was cancelled", printable(o.Path))
	if c.AtLeast {
		fmt.Fprintf(&b, " at least %s ago", words(c.Age))
	} else {
		fmt.Fprintf(&b, " %s ago", words(c.Age))
	}
	if c.By != "" {
		fmt.Fprintf(&b, " by %s", printable(c.By))
	}
	verb := "run"
	if n == 1 {
		verb = "runs"
	}
	fmt.Fprintf(&b, " and %d of its tasks still %s", n, verb)
	if len(places) == 1 && places[0] != "" {
		if n > 1 {
			b.WriteString(", all")
		}
		fmt.Fprintf(&b, " at %s", places[0])
	}
	return b.String()
}

// ignores returns a warning if the owner was not cancelled and a task runs with a context that is
// done, and otherwise "".
func ignores(o *Owner) string {
	if o.Cancelled != nil {
		return ""
	}
	for _, t := range o.Tasks {
		if t.Ignored >= lateAfter {
			at := ""
			if t.Place != "" {
				at = " at " + t.Place
			}
			return fmt.Sprintf("%s runs%s with a context that is done for %s", printable(t.Path), at, words(t.Ignored))
		}
	}
	return ""
}

// blocked returns a warning about the goroutine that has been blocked longest in a Go of the owner,
// or "".
func blocked(o *Owner) string {
	if len(o.Submitters) == 0 || o.Submitters[0].Age < blockedAfter {
		return ""
	}
	w := o.Submitters[0]
	for_ := "room in "
	if w.For == Permit {
		for_ = "the semaphore of "
	}
	text := fmt.Sprintf("%s waits for %s%s for %s", w.who(), for_, printable(o.Path), words(w.Age))
	if n := len(o.Submitters) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}

// who returns the path of the goroutine's task, or its number and place.
func (w Waiter) who() string {
	switch {
	case w.Path != "":
		return printable(w.Path)
	case w.Place != "":
		return fmt.Sprintf("goroutine %d at %s", w.Goroutine, w.Place)
	default:
		return fmt.Sprintf("goroutine %d", w.Goroutine)
	}
}

func paused(o *Owner) string {
	if o.Limit != 0 || o.Queued+len(o.Submitters) == 0 || o.State == Closed {
		return ""
	}
	return fmt.Sprintf("%s is paused, with a limit of 0; waiting: %s", printable(o.Path), tasks(o.Queued+len(o.Submitters)))
}

// orphaned returns a warning if the owner was made in a task that has ended, and no goroutine waits
// for its tasks, and otherwise "".
func orphaned(v *sched.View, o *Owner) string {
	n := o.Running + o.Queued + o.Keyed
	if !v.Orphaned || len(o.Waiters) > 0 || n == 0 {
		return ""
	}
	return fmt.Sprintf("%s was made in a task that has ended, and nobody waits for its %s", printable(o.Path), tasks(n))
}
