// Package tree shows what a program that uses coterie is doing: which owners there are and
// which named tasks run in them, since when, what they wait for, and who waits for them.
//
//	http.Handle("/debug/coterie/", tree.Handler()) // a page, ?format=text, ?format=json
//	tree.Write(os.Stderr, tree.Options{})          // the text: on a signal, in a test that hangs
//	snapshot := tree.Take()                        // the Go type of the JSON
//
// It shows the owners that have a name: groups, errgroups and pools. An owner that was made
// with the context of a named task stands below that task, and one that was made with the
// context of an owner below that. Tasks with the same name that do the same at the same
// place are shown once, with their number. Tasks are named by GoNamed, or by the name
// of their owner. Owners without a name cost nothing and do not appear, nor do their tasks.
//
// A task that ranges over a loop of package pool waits for the items of its loop. They are
// shown where they stand, in the owner, or the task, whose name the context of the loop carries; not in a
// build with the race detector.
//
// A look holds the lock of one owner at a time, for as long as it takes to copy at most 1000 of
// its tasks. So what it shows of two owners may be of two instants. It stops the world only to
// read stacks, at most once a second, and not at all if there are more than 2500 goroutines or their
// stacks have more than 30,000 frames: so many take 15 to 30 ms. LeftOut says so then.
//
// What follows tasks instead of looking at them is [github.com/coterie-go/coterie/group.Observe].
package tree

import (
	"io"
	"time"
)

// Version is the version of the JSON. Fields may be added within a version; a field that is
// there keeps its meaning.
const Version = 1

// Unlimited is a limit or a queue without a bound.
const Unlimited = -1

// A Snapshot is what was found. It is the Go type of the JSON, of which docs/tree.schema.json
// is the schema. Durations are in nanoseconds there.
type Snapshot struct {
	Version  int       `json:"version"`            // see Version
	Time     time.Time `json:"time"`               // when it was made
	Warnings []string  `json:"warnings"`           // what is likely to be wrong, in words
	Owners   []Owner   `json:"owners"`             // each owner before those below it
	LeftOut  string    `json:"left_out,omitempty"` // what is not there, and why
}

// An Owner is a named group, errgroup or pool.
type Owner struct {
	ID         uint64        `json:"id"`                    // also in group.Event
	Parent     uint64        `json:"parent,omitempty"`      // the owner around it; 0 if there is none
	ParentTask uint64        `json:"parent_task,omitempty"` // the named task in which it was made, if that is one of Parent's
	Depth      int           `json:"depth"`                 // how many owners are around it
	Path       string        `json:"path"`                  // its name after those of the owners around it
	Kind       string        `json:"kind"`                  // "group", "errgroup" or "pool"
	Made       string        `json:"made"`                  // where: "main.go:33"; "" if that is not known
	Age        time.Duration `json:"age_ns"`                // since it was made
	State      State         `json:"state"`                 // see State
	Cancelled  *Cancelled    `json:"cancelled,omitempty"`   // nil unless its context is done

	Running int `json:"running"` // tasks that have begun and not ended
	Limit   int `json:"limit"`   // tasks that may run at once; 0 is paused, -1 unlimited
	Queued  int `json:"queued"`  // tasks that were accepted and have not begun
	Queue   int `json:"queue"`   // tasks that may be queued; -1 is unlimited

	Keyed int `json:"keyed,omitempty"` // tasks that were accepted and wait for their key, beside those queued

	Submitters []Waiter `json:"submitters"` // who is blocked until there is room, the longest first
	Waiters    []Waiter `json:"waiters"`    // who is blocked until tasks end, the longest first

	Started  uint64 `json:"started"`  // tasks that have begun
	Ended    uint64 `json:"ended"`    // those of them that do not run any more
	Failed   uint64 `json:"failed"`   // those that returned an error
	Panicked uint64 `json:"panicked"` // those that panicked
	Dropped  uint64 `json:"dropped"`  // tasks that were accepted and never will begin

	Tasks    []Task `json:"tasks"`              // the named ones that run, the oldest first; then items of their loops, and queued ones
	Unlisted int    `json:"unlisted,omitempty"` // tasks that run and are not in Tasks
}

// A State is the state of an owner.
type State string

// The states of an owner. Of several, it is in the first.
const (
	Closed   State = "closed"    // a scope or a pool that has ended, or an errgroup that was waited for
	Stopping State = "cancelled" // its context is done
	Joining  State = "joining"   // it is waited for
	Paused   State = "paused"    // its limit is 0
	Open     State = "open"      // none of these
)

// Cancelled says how the context of an owner came to be done.
type Cancelled struct {
	Age     time.Duration `json:"age_ns"`             // since then
	AtLeast bool          `json:"at_least,omitempty"` // Age is the time since a look first saw it
	By      string        `json:"by,omitempty"`       // the path of the task, or of the owner, that cancelled it
	Why     string        `json:"why,omitempty"`      // the text of the cause
}

// A Waiter is a goroutine that is blocked on an owner.
type Waiter struct {
	For       Reason        `json:"for"`             // see Reason
	Path      string        `json:"path,omitempty"`  // of its task; "" if it runs no named task
	Task      uint64        `json:"task,omitempty"`  // the number of that task
	Goroutine uint64        `json:"goroutine"`       // its number in stack traces
	Place     string        `json:"place,omitempty"` // where it stands: "main.go:40"
	Age       time.Duration `json:"age_ns"`          // how long it is blocked
}

// A Reason is what a goroutine is blocked for.
type Reason string

// The reasons.
const (
	Room      Reason = "room"       // in the owner
	Permit    Reason = "semaphore"  // for a permit of the owner's semaphore
	AllTasks  Reason = "tasks"      // until all tasks of the owner have ended
	SomeTasks Reason = "some tasks" // until a batch of the owner's, or a task with a result, has ended
)

// A Task is a named task, or several that are in the same state at the same place.
type Task struct {
	ID        uint64        `json:"id,omitempty"`         // of the oldest, also in group.Event; 0 for queued ones
	Path      string        `json:"path"`                 // its name after those of the owners around it
	Count     int           `json:"count"`                // how many there are
	State     string        `json:"state"`                // "queued", "waits for its key", "item of a loop", "running", "chan receive", "waits for room in ingest"
	WaitsFor  Reason        `json:"waits_for,omitempty"`  // what it is blocked for on a named owner, or ""
	Of        uint64        `json:"of,omitempty"`         // that owner
	Waited    time.Duration `json:"waited_ns,omitempty"`  // how long it is blocked so, at least; of other waits than those only full minutes are known
	Age       time.Duration `json:"age_ns,omitempty"`     // since the oldest began; of queued ones, since that was queued
	Ignored   time.Duration `json:"ignored_ns,omitempty"` // how long it runs with a context that is done, at least
	Goroutine uint64        `json:"goroutine,omitempty"`  // of the oldest
	Function  string        `json:"function,omitempty"`   // in which it is, outside coterie and the standard library
	Place     string        `json:"place,omitempty"`      // where that stands: "fetch.go:88"
	Stack     string        `json:"stack,omitempty"`      // without coterie's frames
}

// Options choose what is shown.
type Options struct {
	// Path, if not empty, chooses the owner with this path, and those whose paths continue
	// it after a slash. A slash at its end means nothing.
	Path string
	// NoStacks leaves the stacks out, and with them where tasks stand and what they wait for
	// outside coterie. Then the world is not stopped.
	NoStacks bool
}

// Take returns what there is now. It stops the world for an instant, as said above. With 100,000
// tasks, of which it leaves the stacks out, it takes some milliseconds.
func Take() *Snapshot { return take(Options{}) }

// Write writes what there is now as text, for logs, signal handlers and tests that hang. It
// returns the error of w.
func Write(w io.Writer, opts Options) error {
	_, err := io.WriteString(w, take(opts).text())
	return err
}
