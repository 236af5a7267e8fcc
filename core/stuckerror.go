package core

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core/internal/quote"
	"github.com/coterie-go/coterie/core/internal/stack"
)

// A StuckError says that a wait was given up, and which tasks it waited for.
//
// A task has ended when the goroutine that ran it has noted so. That is an instant after its future
// was told, or a channel was closed by its last statement. A wait that is about to give up lets such
// goroutines go on first. But it does not wait for one that the system has preempted in that
// instant, so with a context that is done already it may report a task as running whose result
// the caller has. The next wait that does not give up at once does not.
type StuckError struct {
	Kind    string    // of the owner: "group", "errgroup" or "pool"
	Owner   string    // the owner's name; empty if it has none
	Running int       // tasks that had begun and not ended
	Queued  int       // tasks that were accepted and had not begun
	Dropped int       // tasks that were accepted and never will begin
	Tasks   []Task    // the running tasks that have a name, the oldest first
	Time    time.Time // when the wait was given up
	Cause   error     // why the wait was given up
}

// A Task is a named task as a [StuckError] found it.
type Task struct {
	Name    string    // after those of the owners around it: "ingest/fetch"
	Started time.Time // when it began to run
	Stack   []byte    // of its goroutine, without coterie's frames; nil if it is not known
}

// Unwrap returns Cause.
func (e *StuckError) Unwrap() error { return e.Cause }

// Error returns a line with the owner, the numbers of tasks, and the cause, such as
//
//	pool "mail": 1 running, 5 dropped: no time
//
// Then follow the name, the age and the stack of each named task, the oldest first. Tasks
// that have the same name and stand at the same place are counted and shown once. A name
// that is not printable is quoted.
func (e *StuckError) Error() string {
	var b strings.Builder
	b.WriteString(cmp.Or(e.Kind, "group"))
	if e.Owner != "" {
		fmt.Fprintf(&b, " %q", e.Owner)
	}
	fmt.Fprintf(&b, ": %d running", e.Running)
	if e.Queued > 0 {
		fmt.Fprintf(&b, ", %d queued", e.Queued)
	}
	if e.Dropped > 0 {
		fmt.Fprintf(&b, ", %d dropped", e.Dropped)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	for _, p := range places(e.Tasks) {
		b.WriteString("\n\n")
		if p.count > 1 {
			fmt.Fprintf(&b, "%d × ", p.count)
		}
		b.WriteString(quote.Unprintable(p.Name))
		if !p.Started.IsZero() && !e.Time.IsZero() {
			fmt.Fprintf(&b, ", for %v", e.Time.Sub(p.Started).Round(time.Millisecond))
		}
		if len(p.Stack) > 0 {
			fmt.Fprintf(&b, "\n%s", p.Stack)
		}
	}
	return b.String()
}

// A place is the first of several tasks that have a name and a place in common.
type place struct {
	Task
	count int
}

func places(tasks []Task) []*place {
	type key struct{ name, place string }
	known := make(map[key]*place)
	var inOrder []*place
	for _, t := range tasks {
		k := key{t.Name, stack.Parse(t.Stack).Place()}
		if known[k] == nil {
			known[k] = &place{Task: t}
			inOrder = append(inOrder, known[k])
		}
		known[k].count++
	}
	return inOrder
}
