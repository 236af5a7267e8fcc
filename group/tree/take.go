package tree

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core/sched"
)

// This file makes a snapshot from the state of each owner and from stacks.

// A look holds the data from which one snapshot is made.
type look struct {
	now    time.Time
	views  []sched.View
	owners map[uint64]*sched.View
	stacks stacks
	tasks  map[uint64]runs // the named tasks that run, by goroutine
	waits  map[uint64]wait // why goroutines are blocked on owners or in loops, by goroutine
	works  map[uint64]bool // the goroutines that run the items or the inputs of those loops

	parents map[uint64]bool   // the numbers of tasks in which owners were made
	paths   map[string]uint64 // the numbers of owners, by their paths and the paths of their tasks
}

// runs is a running task with its owner.
type runs struct {
	*sched.TaskView
	owner *sched.View
}

// wait is a blocked goroutine with the owner on which it is blocked.
type wait struct {
	sched.WaitView
	owner *sched.View
}

func take(opts Options) *Snapshot {
	l := newLook(opts)
	done.prune(l)
	s := &Snapshot{Version: Version, Time: l.now, LeftOut: l.stacks.leftOut, Owners: []Owner{}}
	var shown []*sched.View
	for _, v := range l.inOrder() {
		if isUnder(v.Path, opts.Path) {
			shown = append(shown, v)
			s.Owners = append(s.Owners, l.owner(v))
		}
	}
	s.Warnings = l.warnings(shown, s.Owners)
	return s
}

func newLook(opts Options) *look {
	l := &look{
		now: time.Now(), owners: make(map[uint64]*sched.View), tasks: make(map[uint64]runs), waits: make(map[uint64]wait),
		works: make(map[uint64]bool), parents: make(map[uint64]bool), paths: make(map[string]uint64),
	}
	bubble := sched.Bubble()
	for _, s := range sched.Registered() {
		l.views = append(l.views, s.Look(bubble))
	}
	for i := range l.views {
		v := &l.views[i]
		l.owners[v.Number] = v
		l.parents[v.ParentTask] = true
		l.paths[v.Path] = v.Number
		for j := range v.Tasks {
			l.tasks[v.Tasks[j].Goroutine] = runs{&v.Tasks[j], v}
			l.paths[v.Tasks[j].Path] = v.Number
		}
		for _, w := range v.Waits {
			l.addWait(wait{w, v})
		}
	}
	if !opts.NoStacks && len(l.views) > 0 {
		l.stacks = readStacks(l.now)
	}
	return l
}

// addWait adds a wait. A loop in a task of a pool waits for tasks of the pool too; the wait for the
// items says more.
func (l *look) addWait(w wait) {
	if l.waits[w.Goroutine].Reason != sched.ForItems {
		l.waits[w.Goroutine] = w
	}
	for _, goroutine := range w.Workers {
		l.works[goroutine] = true
	}
}

// isUnder reports whether path is equal to asked, or continues it after a slash.
func isUnder(path, asked string) bool {
	asked = strings.TrimSuffix(asked, "/")
	rest, ok := strings.CutPrefix(path, asked)
	return ok && (asked == "" || rest == "" || rest[0] == '/')
}

// inOrder returns the views, each before the views below it.
func (l *look) inOrder() []*sched.View {
	below := make(map[uint64][]*sched.View)
	for i := range l.views {
		v := &l.views[i]
		below[l.parent(v)] = append(below[l.parent(v)], v)
	}
	for _, siblings := range below {
		slices.SortFunc(siblings, func(a, b *sched.View) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Number, b.Number))
		})
	}
	ordered := make([]*sched.View, 0, len(l.views))
	rest := slices.Clone(below[0]) // a stack; its last element is the top
	slices.Reverse(rest)
	for len(rest) > 0 {
		v := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		ordered = append(ordered, v)
		for _, child := range slices.Backward(below[v.Number]) {
			rest = append(rest, child)
		}
	}
	return ordered
}

// parent returns the number of the owner around v, or 0 if there is none or it was collected.
func (l *look) parent(v *sched.View) uint64 {
	if l.owners[v.Parent] == nil {
		return 0
	}
	return v.Parent
}

func (l *look) depth(v *sched.View) (depth int) {
	for p := l.owners[l.parent(v)]; p != nil; p = l.owners[l.parent(p)] {
		depth++
	}
	return depth
}

// owner returns the Owner for v.
func (l *look) owner(v *sched.View) Owner {
	o := Owner{
		ID: v.Number, Parent: l.parent(v), Depth: l.depth(v), Path: v.Path, Kind: v.Kind, Age: l.age(v.Made),
		Cancelled: l.cancelled(v), Running: v.Running, Limit: unlimited(v.Limit), Queued: v.Queued, Queue: unlimited(v.Queue), Keyed: v.Keyed,
		Started: v.Accepted - min(v.Accepted, v.Dropped+uint64(v.Queued)), Failed: v.Failed, Panicked: v.Panicked, Dropped: v.Dropped,
		Submitters: []Waiter{}, Waiters: []Waiter{}, Tasks: []Task{},
		Unlisted: max(0, v.Running-len(v.Tasks)),
	}
	o.Ended = o.Started - min(o.Started, uint64(v.Running))
	if o.Parent != 0 {
		o.ParentTask = v.ParentTask
	}
	if _, file, line := sched.Caller(v.At[:]); file != "" {
		o.Made = place(file, line)
	}
	for _, w := range v.Waits {
		switch w.Reason {
		case sched.ForRoom, sched.ForSemaphore:
			o.Submitters = append(o.Submitters, l.waiter(w))
		case sched.ForItems:
			o.Loops = append(o.Loops, l.waiter(w))
		default:
			o.Waiters = append(o.Waiters, l.waiter(w))
		}
	}
	for _, ws := range [][]Waiter{o.Submitters, o.Waiters, o.Loops} {
		slices.SortStableFunc(ws, func(a, b Waiter) int { return cmp.Compare(b.Age, a.Age) })
	}
	o.State = state(v, &o)
	o.Tasks = append(o.Tasks, l.fold(v)...)
	o.Tasks = append(o.Tasks, l.items(v)...)
	o.Tasks = append(o.Tasks, l.queued(v)...)
	return o
}

func state(v *sched.View, o *Owner) State {
	switch {
	case v.Closed, o.Cancelled != nil && o.Cancelled.AtLeast && v.Running+v.Queued == 0:
		return Closed
	case o.Cancelled != nil:
		return Stopping
	case slices.ContainsFunc(o.Waiters, func(w Waiter) bool { return w.For == AllTasks }):
		return Joining
	case o.Limit == 0:
		return Paused
	}
	return Open
}

func unlimited(n int) int {
	if n == sched.Unlimited {
		return Unlimited
	}
	return n
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", path.Base(file), line) }

// cancelled returns why the context of an owner is done, or nil if it is not done.
func (l *look) cancelled(v *sched.View) *Cancelled {
	if !v.ContextDone {
		return nil
	}
	for p := v; p != nil; p = l.owners[p.Parent] {
		if c := p.Cancelled; !c.Time.IsZero() {
			return &Cancelled{Age: l.age(c.Time), By: cmp.Or(c.By, p.Path), Why: v.ContextCause}
		}
	}
	return &Cancelled{Age: l.age(done.since(v.Number, 0, l.now)), AtLeast: true, Why: v.ContextCause}
}

var reasons = map[sched.Reason]Reason{
	sched.ForRoom: Room, sched.ForSemaphore: Permit, sched.ForTasks: AllTasks, sched.ForSome: SomeTasks, sched.ForItems: Items,
}

func (l *look) waiter(w sched.WaitView) Waiter {
	shown := Waiter{For: reasons[w.Reason], Goroutine: w.Goroutine, Age: l.age(w.Since)}
	if t, ok := l.tasks[w.Goroutine]; ok {
		shown.Path, shown.Task = t.Path, t.Number
	}
	if g, ok := l.stacks.of(w.Goroutine); ok && g.File != "" {
		shown.Place = place(g.File, g.Line)
	}
	return shown
}

// fold returns the named tasks of an owner that run. Tasks with equal paths, states and places
// become one.
func (l *look) fold(v *sched.View) (tasks []Task) {
	type key struct {
		path, state, place string
		parent             uint64
	}
	known := make(map[key]int)
	for i := range v.Tasks {
		task, where := l.task(v, &v.Tasks[i])
		k := key{path: task.Path, state: task.State, place: where}
		if l.parents[task.ID] {
			k.parent = task.ID // so that owners can stand below this task alone
		}
		at, ok := known[k]
		if !ok {
			at = len(tasks)
			known[k] = at
			tasks = append(tasks, task)
		}
		tasks[at].Count++
		tasks[at].Waited = max(tasks[at].Waited, task.Waited)
		tasks[at].Ignored = max(tasks[at].Ignored, task.Ignored)
	}
	return tasks
}

// task returns the Task for t. where is equal for tasks at the same place.
func (l *look) task(v *sched.View, t *sched.TaskView) (task Task, where string) {
	task = Task{ID: t.Number, Path: t.Path, State: "running", Age: l.age(t.Started), Goroutine: t.Goroutine}
	if t.Done {
		task.Ignored = max(1, l.age(l.doneSince(v, t)))
	}
	if g, ok := l.stacks.of(t.Goroutine); ok && !t.Started.After(l.stacks.time) {
		where = g.Site
		task.State, task.Function, task.Stack = ownState(g), g.Function, string(g.Stack)
		task.Waited = time.Duration(g.Waits) * time.Minute
		if g.File != "" {
			task.Place = place(g.File, g.Line)
		}
	}
	if w, ok := l.waits[t.Goroutine]; ok {
		task.WaitsFor, task.Of, task.Waited = reasons[w.Reason], w.owner.Number, l.age(w.Since)
		task.State = "waits for " + what(w)
	}
	return task, where
}

// what returns, in words, what ends the block of a goroutine.
func what(w wait) string {
	name := printable(w.owner.Path)
	switch w.Reason {
	case sched.ForRoom:
		return "room in " + name
	case sched.ForSemaphore:
		return "the semaphore of " + name
	case sched.ForTasks:
		return "the tasks of " + name
	case sched.ForItems:
		return inLoop
	}
	return "tasks of " + name
}

const inLoop = "the items of its loop"

// ownState returns, in words, the state of a goroutine that is not blocked on a named owner.
func ownState(g sched.Goroutine) string {
	switch own := g.Own; {
	case own == "" || g.State == "running" || g.State == "runnable":
		return g.State
	case strings.HasPrefix(own, "core.(*Semaphore)."):
		return "waits for a semaphore"
	case strings.HasPrefix(own, "core.(*Future["):
		return "waits for a result"
	case strings.HasPrefix(own, "pool/internal/loop."), strings.HasPrefix(own, "pool.") && !strings.HasPrefix(own, "pool.(*"):
		return "waits for " + inLoop
	default:
		return "waits in " + own
	}
}

// queued returns the queued tasks whose names are known. Tasks with equal names become one.
func (l *look) queued(v *sched.View) (tasks []Task) {
	type key struct{ path, state string }
	known := make(map[key]int)
	for _, q := range v.Line {
		k := key{q.Path, queued}
		if q.Keyed {
			k.state = keyed
		}
		at, ok := known[k]
		if !ok {
			at = len(tasks)
			known[k] = at
			tasks = append(tasks, Task{Path: k.path, State: k.state})
		}
		tasks[at].Count++
		if !q.Since.IsZero() {
			tasks[at].Age = max(tasks[at].Age, l.age(q.Since))
		}
	}
	return tasks
}

// The states of tasks that have not begun.
const (
	queued = "queued"
	keyed  = "waits for its key"
)

// runs reports whether it is a task that has begun.
func (t *Task) runs() bool { return t.State != queued && t.State != keyed && t.State != item }

// age returns how long ago t was. It returns 0 if one of t and l.now comes from the fake clock of a
// test and the other does not.
func (l *look) age(t time.Time) time.Duration {
	if sched.IsFake(t) != sched.IsFake(l.now) {
		return 0
	}
	return max(0, l.now.Sub(t))
}

// doneSince returns when the context of a task became done. If that is not known, it returns when a
// snapshot first saw it.
func (l *look) doneSince(v *sched.View, t *sched.TaskView) time.Time {
	if !t.Deadline.IsZero() {
		return t.Deadline
	}
	seen := done.since(0, t.Number, l.now)
	for p := v; p != nil; p = l.owners[p.Parent] {
		if c := p.Cancelled; !c.Time.IsZero() && c.Time.Before(seen) && t.Started.Before(c.Time) {
			return c.Time
		}
	}
	return seen
}

// done records when a snapshot first saw that a context is done.
var done seen

// seen records owners and tasks whose contexts are done.
type seen struct {
	mu    sync.Mutex // nothing blocks while it is held
	first map[[2]uint64]time.Time
}

// since returns when a snapshot first saw that the context of an owner or a task is done. If this
// is the first, it records now.
func (s *seen) since(owner, task uint64, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]uint64{owner, task}
	if _, ok := s.first[key]; !ok {
		if s.first == nil {
			s.first = make(map[[2]uint64]time.Time)
		}
		s.first[key] = now
	}
	return s.first[key]
}

// prune deletes owners and tasks that are not in l.
func (s *seen) prune(l *look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.first) == 0 {
		return
	}
	there := make(map[[2]uint64]bool)
	for i := range l.views {
		there[[2]uint64{l.views[i].Number, 0}] = true
		for j := range l.views[i].Tasks {
			there[[2]uint64{0, l.views[i].Tasks[j].Number}] = true
		}
	}
	for key := range s.first {
		if !there[key] {
			delete(s.first, key)
		}
	}
}
