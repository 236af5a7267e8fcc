package sched

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/coterie-go/coterie/core/race"
)

// This file makes the copy of a named owner's state that package tree shows. It copies the fields
// under the scheduler's lock. Then it asks contexts and errors without the lock, because they may
// be users' code. In a race build both happen in a hidden goroutine, as all bookkeeping does.

// MaxLooked is the largest length of View.Tasks and of View.Line.
const MaxLooked = 1000

// A View is the state of a named owner at one instant.
type View struct {
	Number     uint64
	Kind, Path string
	Made       time.Time
	At         [12]uintptr // program counters of the callers of the function that made it
	Parent     uint64      // the number of the owner around it; 0 if there is none
	ParentTask uint64      // the number of the named task in which it was made; 0 if there is none
	Orphaned   bool        // the task in which it was made has ended

	Limit    int // tasks that may run at once; Unlimited is no limit
	Queue    int // tasks that may wait besides those that run; Unlimited is no bound
	Closed   bool
	Running  int
	Queued   int
	Blocked  int // submitters that wait for room, also those that yield before they park
	Accepted uint64
	Failed   uint64
	Panicked uint64
	Dropped  uint64

	Cancelled     Cancellation // how the owner cancelled its own context
	ContextDone   bool         // the owner has a context, and it is done
	ContextCause  string
	Semaphore     any // the same value for owners that share a semaphore; nil if there is none
	SemaphoreUsed int64

	Tasks []TaskView   // named tasks that run, the oldest first; at most MaxLooked
	Line  []QueuedView // tasks that are queued, the oldest first; at most MaxLooked
	Keyed int          // accepted tasks that wait for their keys
	Waits []WaitView   // goroutines that are blocked on the owner
}

// A TaskView is the state of a named task that runs.
type TaskView struct {
	Number    uint64
	Path      string
	Started   time.Time
	Goroutine uint64
	Done      bool      // its context is done
	Deadline  time.Time // of its context, if the context is done because of it; otherwise zero

	record *record
}

// A QueuedView describes an accepted task that has not begun.
type QueuedView struct {
	Path  string
	Since time.Time // zero if not known
	Keyed bool      // the task waits for its key
}

// A WaitView describes a goroutine that is blocked on an owner.
type WaitView struct {
	Reason    Reason
	Since     time.Time
	Goroutine uint64
	Workers   []uint64 // with ForItems: the goroutines that run the items or the input of the loop
}

// Look returns the state of a named owner. It holds the scheduler's lock while it copies it. bubble
// is the caller's testing/synctest bubble, as Bubble returns it.
func (s *Scheduler) Look(bubble uint64) View {
	v := race.Get(func() View {
		registered.Acquire()
		s.lock()
		v := s.lookLocked()
		s.mu.Unlock()
		s.askContexts(&v, bubble)
		return v
	})
	v.Kind, v.Path, v.ContextCause = race.Text(v.Kind), race.Text(v.Path), race.Text(v.ContextCause)
	v.Cancelled.By = race.Text(v.Cancelled.By)
	v.Tasks, v.Line, v.Waits = race.Copy(v.Tasks), race.Copy(v.Line), race.Copy(v.Waits)
	for i := range v.Tasks {
		v.Tasks[i].Path = race.Text(v.Tasks[i].Path)
	}
	for i := range v.Line {
		v.Line[i].Path = race.Text(v.Line[i].Path)
	}
	return v
}

func (s *Scheduler) lookLocked() View {
	config, c := s.config(), s.countsLocked()
	e := config.entry
	v := View{
		Number: e.id, Kind: config.Kind, Path: config.names.path, Made: e.made, At: e.at,
		Limit: Unlimited, Running: c.Busy + c.Lent, Queued: c.Queued,
		Accepted: c.Accepted, Failed: e.failed.Load(), Panicked: c.Panicked, Dropped: c.Dropped,
		Cancelled: e.cancelled,
	}
	if e.parent != nil {
		v.Parent = e.parent.id
	}
	for n := e.notes.Front(); n != nil; n = n.Next() {
		v.addWait(n.Value)
	}
	if config.Semaphore != nil {
		v.Semaphore = config.Semaphore
	}
	if x := s.shared; x != nil {
		x.lookLocked(&v)
	}
	return v
}

func (v *View) addWait(n *note) {
	since := n.since
	if n.reason == ForItems {
		if since = moment(n.waiting.Load()).time(); since.IsZero() {
			return // the caller of the loop is not blocked
		}
	}
	v.Waits = append(v.Waits, WaitView{n.reason, since, n.goroutine, slices.Clone(n.workers)})
}

func (x *shared) lookLocked(v *View) {
	l := &x.limiter
	if l.limited() {
		v.Limit = int(l.limit)
	}
	v.Queue = int(min(l.mayWait, math.MaxInt))
	v.Closed = l.closed
	v.Blocked = l.submitters.Len()
	for e := x.named.Front(); e != nil && len(v.Tasks) < MaxLooked; e = e.Next() {
		r := e.Value
		v.Tasks = append(v.Tasks, TaskView{Path: r.path, Started: r.started.time(), Goroutine: r.goroutine, record: r})
	}
	x.queue.lookLocked(v)
	for e := x.lines.Front(); e != nil; e = e.Next() {
		e.Value.lookLocked(v)
	}
}

// lookLocked adds the tasks that wait for the key.
func (q *keyQueue) lookLocked(v *View) {
	v.Keyed += q.waits
	for e := q.line.Front(); e != nil && len(v.Line) < MaxLooked; e = e.Next() {
		if t := e.Value; t.parker == nil {
			r := t.task.recorded()
			v.Line = append(v.Line, QueuedView{r.path, r.queued.time(), true})
		}
	}
}

// lookLocked adds the tasks in the queue. It leaves out those of taken segments, because workers
// claim them without mu.
func (q *runQueue) lookLocked(v *View) {
	if q.first != nil {
		v.addQueued(q.first)
	}
	for e := q.queued.Front(); e != nil && len(v.Line) < MaxLooked; e = e.Next() {
		for _, t := range e.Value.tasks[e.Value.head:e.Value.end] {
			v.addQueued(t)
		}
	}
}

func (v *View) addQueued(t Task) {
	if len(v.Line) == MaxLooked {
		return
	}
	queued := QueuedView{Path: v.Path}
	if r := recordOf(t); r != nil {
		queued.Path = r.path
	}
	if at := queuedAt(t); at != nil {
		queued.Since = at.time()
	}
	v.Line = append(v.Line, queued)
}

// askContexts sets the fields of v that come from contexts and errors, which may be users' code. It
// does not ask contexts of another testing/synctest bubble: the Err of a context may receive from
// its channel, which ends the process if the channel is of another bubble.
func (s *Scheduler) askContexts(v *View, bubble uint64) {
	e := s.config().entry
	for i := range v.Tasks {
		t := &v.Tasks[i]
		t.Number = t.record.id()
		ctx := t.record.context
		if ctx != nil && e.bubble == bubble && IsFake(t.Started) == (bubble != 0) && ctx.Err() != nil {
			t.Done = true
			if at, ok := ctx.Deadline(); ok && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Deadline = at
			}
		}
		t.record = nil
	}
	if e.parentTask != nil {
		v.ParentTask = e.parentTask.id()
		c := e.parentTask.context
		v.Orphaned = c != nil && !c.runs()
	}
	if v.Cancelled.Cause != nil {
		v.ContextCause = textOf(v.Cancelled.Cause)
		v.Cancelled.Cause = nil
	}
	if sem := s.config().Semaphore; sem != nil {
		v.SemaphoreUsed = sem.InUse()
	}
	if e.bubble != bubble {
		v.ContextDone = !v.Cancelled.Time.IsZero()
		return
	}
	if o, ok := race.Load(&s.Owner).(interface{ Context() context.Context }); ok {
		if ctx := o.Context(); ctx != nil && ctx.Err() != nil {
			v.ContextDone, v.ContextCause = true, textOf(context.Cause(ctx))
		}
	}
}

// textOf returns the text of an error. The error's methods may panic.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "an error whose text panics"
		}
	}()
	return err.Error()
}
