package group

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A StuckError says that a wait was given up, and whom it had waited for.
type StuckError struct {
	Group   string // the owner's name; empty if it has none
	Running int    // the number of tasks that had not ended
	Tasks   []Task // those of them that have a name and have begun, the oldest first
	Cause   error  // why the wait was given up

	owner string // what Group is the name of; "group" if empty
	at    time.Time
}

// Unwrap returns Cause.
func (e *StuckError) Unwrap() error { return e.Cause }

// Error says how many tasks there are and why the wait ended, and then, oldest
// first, each named task's name, age and stack; those that stand at the same
// place are told of once.
func (e *StuckError) Error() string {
	var b strings.Builder
	b.WriteString(cmp.Or(e.owner, "group"))
	if e.Group != "" {
		fmt.Fprintf(&b, " %q", e.Group)
	}
	fmt.Fprintf(&b, ": %d still running: %v", e.Running, e.Cause)
	type place struct {
		Task
		count int
	}
	places := make(map[string]*place)
	var order []*place
	for _, t := range e.Tasks {
		key := t.Name + "\n" + addresses.ReplaceAllString(string(t.Stack), "")
		if p := places[key]; p != nil {
			p.count++
			continue
		}
		p := &place{t, 1}
		places[key] = p
		order = append(order, p)
	}
	for _, p := range order {
		b.WriteString("\n\n")
		if p.count > 1 {
			fmt.Fprintf(&b, "%d × ", p.count)
		}
		fmt.Fprintf(&b, "%s, for %v", p.Name, e.at.Sub(p.Started).Round(time.Millisecond))
		if len(p.Stack) > 0 {
			fmt.Fprintf(&b, "\n%s", p.Stack)
		}
	}
	return b.String()
}

// addresses is what differs between two stacks that stand at the same place: the
// goroutine's header, arguments and offsets.
var addresses = regexp.MustCompile(`(?m)^goroutine .*$|\([^()\n]*\)$| \+0x[0-9a-f]+$`)

// Stuck says who is running. cause is why somebody will not wait for them. It
// stops the world to read the stacks of named tasks.
func (e *Engine[T]) Stuck(cause error) *StuckError {
	running, records := e.records()
	return NewStuckError("group", e.Path(), running, records, cause)
}

// NewStuckError makes the error of an owner of the given kind ("group", "pool")
// and name. It stops the world to read the stacks of the tasks.
func NewStuckError(kind, name string, running int, tasks []TaskRecord, cause error) *StuckError {
	stuck := &StuckError{Group: name, Running: running, Cause: cause, owner: kind, at: time.Now()}
	if len(tasks) == 0 {
		return stuck
	}
	slices.SortStableFunc(tasks, func(a, b TaskRecord) int { return a.Started.Compare(b.Started) })
	stacks := allStacks()
	for _, t := range tasks {
		stuck.Tasks = append(stuck.Tasks, Task{t.Name, t.Started, stacks[t.Goroutine]})
	}
	return stuck
}
