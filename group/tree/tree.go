// Package tree shows what a program that uses coterie is doing: its owners, the named tasks that
// run in them, for how long they have run, what they wait for, and which goroutines wait for them.
//
//	http.Handle("/debug/coterie/", tree.Handler()) // a page, ?format=text, ?format=json
//	tree.Write(os.Stderr, tree.Options{})          // the text: on a signal, in a test that hangs
//	snapshot := tree.Take()                        // the Go type of the JSON
//
// It shows groups, errgroups and pools that have a name. An owner that was made with the context of
// a named task stands below that task. An owner that was made with the context of another owner
// stands below that owner. Tasks with the same name and state at the same place are shown once,
// with their number. Tasks have names from GoNamed, or from their owner. Owners without a name cost
// nothing, and neither they nor their tasks are shown.
//
// A snapshot locks one owner at a time, to copy at most 1000 of its tasks. So two owners may be
// shown at two instants. A snapshot stops the world only to read stacks. It reads them at most once
// a second, and not at all if there are more than 2500 goroutines or their stacks have more than
// 30,000 frames. Up to these numbers, the world stops for less than 50 ms.
//
// [github.com/coterie-go/coterie/group.Observe] follows tasks over time. [docs/guide/doing.md]
// finds out why a service hangs.
//
// [docs/guide/doing.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/doing.md
package tree

import (
	"io"
	"time"
)

// Version is the version of the JSON. Fields may be added within a version. A field keeps its
// meaning.
const Version = 1

// Unlimited is the Limit or Queue of an owner that has none.
const Unlimited = -1

// A Snapshot holds the named owners and tasks of the program. It is the Go type of the JSON.
// docs/tree.schema.json is the schema. In the JSON, durations are in nanoseconds.
type Snapshot struct {
	Version  int       `json:"version"`            // see Version
	Time     time.Time `json:"time"`               // when the snapshot was made
	Warnings []string  `json:"warnings"`           // likely mistakes, in words
	Owners   []Owner   `json:"owners"`             // each owner before those below it
	LeftOut  string    `json:"left_out,omitempty"` // what is missing, and why
}

// An Owner is a named group, errgroup or pool.
type Owner struct {
	ID         uint64        `json:"id"`                    // its number, also in group.Event
	Parent     uint64        `json:"parent,omitempty"`      // the owner around it; 0 if there is none
	ParentTask uint64        `json:"parent_task,omitempty"` // the number of the named task in which it was made, if that is a task of Parent
	Depth      int           `json:"depth"`                 // how many owners are around it
	Path       string        `json:"path"`                  // its name after the names of the owners around it
	Kind       string        `json:"kind"`                  // "group", "errgroup" or "pool"
	Made       string        `json:"made"`                  // where it was made: "main.go:33"; "" if that is not known
	Age        time.Duration `json:"age_ns"`                // time since it was made
	State      State         `json:"state"`                 // see State
	Cancelled  *Cancelled    `json:"cancelled,omitempty"`   // nil unless its context is done

	Running int `json:"running"` // tasks that have begun and not ended
	Limit   int `json:"limit"`   // tasks that may run at once; 0 is paused, -1 unlimited
	Queued  int `json:"queued"`  // tasks that were accepted and have not begun
	Queue   int `json:"queue"`   // tasks that may be queued; -1 is unlimited

	Keyed int `json:"keyed,omitempty"` // tasks that were accepted and wait for their key, besides Queued

	Submitters []Waiter `json:"submitters"`      // goroutines that are blocked until there is room, the longest first
	Waiters    []Waiter `json:"waiters"`         // goroutines that are blocked until tasks end, the longest first
	Loops      []Waiter `json:"loops,omitempty"` // goroutines that are blocked until items of their loops end, the longest first

	Started  uint64 `json:"started"`  // tasks that have begun
	Ended    uint64 `json:"ended"`    // tasks that have begun and ended
	Failed   uint64 `json:"failed"`   // tasks that returned an error
	Panicked uint64 `json:"panicked"` // tasks that panicked
	Dropped  uint64 `json:"dropped"`  // tasks that were accepted and will not begin

	Tasks    []Task `json:"tasks"`              // named tasks that run, the oldest first; then queued tasks
	Unlisted int    `json:"unlisted,omitempty"` // how many tasks run and are not in Tasks
}

// A State is the state of an owner.
type State string

// The states of an owner. The first is shown if several apply.
const (
	Closed   State = "closed"    // it is a scope or pool that has ended, or an errgroup whose Wait has returned
	Stopping State = "cancelled" // its context is done
	Joining  State = "joining"   // a goroutine waits for all its tasks
	Paused   State = "paused"    // its limit is 0
	Open     State = "open"      // none of these
)

// Cancelled describes why the context of an owner is done.
type Cancelled struct {
	Age     time.Duration `json:"age_ns"`             // how long it has been done
	AtLeast bool          `json:"at_least,omitempty"` // Age is the time since a snapshot first saw it
	By      string        `json:"by,omitempty"`       // the path of the task, or of the owner, that cancelled it
	Why     string        `json:"why,omitempty"`      // the text of the cause
}

// A Waiter is a goroutine that is blocked on an owner.
type Waiter struct {
	For       Reason        `json:"for"`             // what ends the block
	Path      string        `json:"path,omitempty"`  // the path of its task; "" if it runs no named task
	Task      uint64        `json:"task,omitempty"`  // the number of that task
	Goroutine uint64        `json:"goroutine"`       // its number in stack traces
	Place     string        `json:"place,omitempty"` // where it is blocked: "main.go:40"
	Age       time.Duration `json:"age_ns"`          // how long it has been blocked
}

// A Reason says what ends the block of a goroutine.
type Reason string

// The reasons.
const (
	Room      Reason = "room"       // there is room in the owner
	Permit    Reason = "semaphore"  // the owner's semaphore has a permit
	AllTasks  Reason = "tasks"      // all tasks of the owner have ended
	SomeTasks Reason = "some tasks" // some tasks of the owner have ended: those of a batch, or the task of a Future
	Items     Reason = "items"      // items of a loop have ended, whose context was that of the owner or of a task in it
)

// A Task is a named task, or several named tasks in the same state at the same place.
type Task struct {
	ID        uint64        `json:"id,omitempty"`         // the number of the oldest, also in group.Event; 0 for queued tasks
	Path      string        `json:"path"`                 // its name after the names of the owners around it
	Count     int           `json:"count"`                // how many tasks these are
	State     string        `json:"state"`                // "queued", "waits for its key", "running", "chan receive", "waits for room in ingest"
	WaitsFor  Reason        `json:"waits_for,omitempty"`  // why it is blocked on a named owner, or in a loop; or ""
	Of        uint64        `json:"of,omitempty"`         // the number of that owner
	Waited    time.Duration `json:"waited_ns,omitempty"`  // how long it has been blocked on that owner
	Age       time.Duration `json:"age_ns,omitempty"`     // how long the oldest has run, or has been queued
	Ignored   time.Duration `json:"ignored_ns,omitempty"` // how long, at least, it has run with a context that is done
	Goroutine uint64        `json:"goroutine,omitempty"`  // the number of the goroutine of the oldest
	Function  string        `json:"function,omitempty"`   // the innermost function outside coterie and the standard library
	Place     string        `json:"place,omitempty"`      // where Function is: "fetch.go:88"
	Stack     string        `json:"stack,omitempty"`      // the stack of the oldest, without coterie's frames
}

// Options choose what is shown.
type Options struct {
	// Path, if not empty, selects the owner with this path and the owners whose paths continue it
	// after a slash. A slash at its end is ignored.
	Path string
	// NoStacks leaves out the stacks. Then places, and what tasks wait for outside coterie, are
	// missing too, and the world is not stopped.
	NoStacks bool
}

// Take returns a snapshot of all named owners. It may stop the world; see the package comment.
func Take() *Snapshot { return take(Options{}) }

// Write writes a snapshot as text to w, for logs, signal handlers and tests that hang. It may stop
// the world; see the package comment. It returns the error of w.
func Write(w io.Writer, opts Options) error {
	_, err := io.WriteString(w, take(opts).text())
	return err
}
