package core

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core/internal/quote"
	"github.com/coterie-go/coterie/core/internal/stack"
)

// A StuckError reports that a wait gave up, and the tasks that had not ended.
//
// A task counts as ended when its worker has recorded its end. That is an instant after its future
// has its result, or after its last statement has closed a channel. A wait that is about to give up
// first waits for such workers, for 7 ms at most. If the system has preempted a worker for longer,
// the wait reports its task as running although the caller has the task's result.
type StuckError struct {
	Kind    string    // of the owner: "group", "errgroup", "pool", "batch of pool" or "service", for example
	Owner   string    // the owner's name; empty if it has none
	Running int       // tasks that had begun and not ended
	Queued  int       // tasks that were accepted and had not begun
	Dropped int       // tasks that were accepted and will not begin
	Tasks   []Task    // the running tasks that have a name, the oldest first
	Time    time.Time // when the wait gave up
	Cause   error     // why the wait gave up: the cause of its context
}

// A Task describes a running task with a name in a [StuckError].
type Task struct {
	Name    string    // the path of the task: "ingest/fetch"
	Started time.Time // when it began to run
	Stack   []byte    // of its goroutine, without coterie's frames; nil if not known
}

// Unwrap returns Cause.
func (e *StuckError) Unwrap() error { return e.Cause }

// Error returns a line with the owner, the numbers of tasks, and the cause, such as
//
//	pool "mail": 1 running, 5 dropped: no time
//
// Then follow the name, the age and the stack of each named task, the oldest first. Tasks with the
// same name at the same place are shown once, with their number. A name that is not printable is
// quoted.
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
	for _, p := range fold(e.Tasks) {
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

// folded holds the first of the tasks with one name and one stack, and their number.
type folded struct {
	Task
	count int
}

func fold(tasks []Task) []*folded {
	type key struct{ name, site string }
	known := make(map[key]*folded)
	var inOrder []*folded
	for _, t := range tasks {
		k := key{t.Name, stack.Parse(t.Stack).Site()}
		if known[k] == nil {
			known[k] = &folded{Task: t}
			inOrder = append(inOrder, known[k])
		}
		known[k].count++
	}
	return inOrder
}
