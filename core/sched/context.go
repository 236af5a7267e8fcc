package sched

import (
	"context"
	"iter"
	"runtime/pprof"
	"runtime/trace"
	"sync/atomic"
	"weak"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// A Context is the context of a task, or of an owner: it says whose task it is, and how
// names nest. It is part of a task that has a context.
//
// A task that is started with another's context, as it is, derives from what that one derives
// from. So in a chain of tasks, each of which starts the next, no context is deeper than the
// first, and none keeps those that have ended.
type Context struct {
	context.Context // the one that it derives from
	sched           *Scheduler
	set             *Set
	names           *names
	outer           atomic.Pointer[Context] // the next task outwards; see outward; hidden from the race detector
	ended           atomic.Bool             // the task has ended, or there is none; hidden from the race detector
	isTask          bool
	background      bool    // the task has no place
	lender          *Set    // on whose waiter's place the task runs; nil if it has one of its own
	record          *record // of a task that runs, or that observers see
	goroutine       uint64  // of a task that runs, in an owner that keeps idle workers; before, see queue
}

// names are those that nest in a context, the innermost first. They do not change.
type names struct {
	path  string
	owner *Config // whose name is the last of path; nil if it is no owner's
	outer *names
}

// has reports whether the owner's name is among them.
func (n *names) has(owner *Config) bool {
	for ; n != nil; n = n.outer {
		if n.owner == owner {
			return true
		}
	}
	return false
}

type contextKey struct{}

// IsContextKey reports whether key is the one by which contexts are asked for the task.
func IsContextKey(key any) bool { return key == contextKey{} }

// Value makes the task known to contexts that derive from this one.
func (c *Context) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// taskOf returns the innermost task or owner that ctx derives from, or nil.
func taskOf(ctx context.Context) *Context {
	c, _ := ctx.Value(contextKey{}).(*Context)
	return c
}

// outward returns the innermost task around c that has not ended, or nil.
func (c *Context) outward() *Context {
	race.Disable()
	defer race.Enable()
	o := c.outer.Load()
	if o == nil || !o.ended.Load() {
		return o
	}
	for o != nil && o.ended.Load() {
		o = o.outer.Load()
	}
	c.outer.Store(o) // what has ended is not to be kept
	return o
}

// of returns the innermost task of s, from c on outwards, that has not ended, or nil. A nil
// s stands for any.
func (c *Context) of(s *Scheduler) *Context {
	for ; c != nil; c = c.outward() {
		if c.sched != nil && (s == nil || c.sched == s) && c.runs() {
			return c
		}
	}
	return nil
}

// place returns the innermost task of s, from c on outwards, that has not ended, if it has a
// place, and otherwise nil.
func (c *Context) place(s *Scheduler) *Context {
	if c = c.of(s); c != nil && !c.background {
		return c
	}
	return nil
}

// lends reports whether c is a task of s, or within one, that has not ended and has a place.
func (c *Context) lends(s *Scheduler) bool { return c.place(s) != nil }

// holds reports whether c is a task, or within one, that has not ended and holds a permit
// of sem.
func (c *Context) holds(sem *core.Semaphore) bool {
	for ; c != nil; c = c.outward() {
		if c.sched != nil && c.sched.config().Semaphore == sem && c.runs() {
			return !c.background
		}
	}
	return false
}

func (c *Context) runs() bool {
	if c == nil {
		return false
	}
	race.Disable()
	runs := !c.ended.Load()
	race.Enable()
	return runs
}

func (c *Context) end() {
	race.Disable()
	c.ended.Store(true)
	race.Enable()
}

// Init makes c the context of a task of s and set that is started with ctx. The task has
// the path that the owner has within ctx. A name stands in a path once, however deep tasks of one owner nest.
func (c *Context) Init(ctx context.Context, s *Scheduler, set *Set) {
	config := s.config()
	c.Context, c.sched, c.set, c.names, c.isTask = ctx, s, set, &config.names, true
	c.nestIn(taskOf(ctx), config)
	if config.entry != nil {
		c.queue(now())
	}
	if c.names.path != "" && observed() {
		c.record = newWatched(c.names.path, config)
	}
}

// nestIn sets the context and the names of a task whose context derives from parent, which may
// be nil.
func (c *Context) nestIn(parent *Context, config *Config) {
	if parent != nil {
		c.nest(parent)
		if config.Name != "" && !parent.names.has(config) {
			c.names = &names{joinPath(parent.names.path, config.Name), config, parent.names}
		}
		if c.Context == context.Context(parent) && parent.isTask {
			c.Context = parent.Context
			if c.names == parent.names { // the labels are the same
				return
			}
		}
	}
	if config.Name != "" {
		c.Context = labelled(c.Context, c.names.path)
	}
}

// nest puts c in parent.
func (c *Context) nest(parent *Context) {
	c.names = parent.names
	outer := parent.outward()
	if parent.runs() {
		outer = parent
	}
	if outer != nil {
		race.Disable()
		c.outer.Store(outer)
		race.Enable()
	}
}

// Nest sets Path and Labels, for an owner that is made with ctx: its name nests in that of the
// task or owner that ctx carries. If the program is traced, the owner becomes a task of the
// trace, which the context that Nest returns carries.
func (c *Config) Nest(ctx context.Context) context.Context {
	c.Path = c.Name
	if parent := taskOf(ctx); parent != nil {
		c.Path = joinPath(parent.names.path, c.Name)
		c.names.outer = parent.names
	}
	c.names.path, c.names.owner = c.Path, c
	if c.Name != "" {
		if trace.IsEnabled() {
			c.trace = new(traceTask)
			ctx, c.trace.Task = trace.NewTask(ctx, c.Path)
		}
		c.Labels = labelled(ctx, c.Path)
	}
	return ctx
}

// Join returns the path of a name within the owner's.
func (c *Config) Join(name string) string { return joinPath(c.Path, name) }

// Path returns the path of the task or owner that ctx derives from, or "".
func Path(ctx context.Context) string {
	if c := taskOf(ctx); c != nil {
		return c.names.path
	}
	return ""
}

// Within returns a context derived from ctx in which names nest in the owner's. It carries the path
// as pprof label.
func (s *Scheduler) Within(ctx context.Context) context.Context {
	config := s.config()
	if config.Path == "" {
		return ctx
	}
	c := newNames(ctx, "")
	c.names = &config.names
	if config.Name != "" {
		c.Context = labelled(ctx, config.Path)
	}
	return c
}

// WithName returns a context derived from ctx in which names nest in name, and the path
// that name has there. It carries the path as pprof label. An empty name changes nothing.
func WithName(ctx context.Context, name string) (named context.Context, path string) {
	c := newNames(ctx, name)
	if name == "" {
		return ctx, c.names.path
	}
	c.Context = labelled(ctx, c.names.path)
	return c, c.names.path
}

// newNames returns a context that is no task's, in which names nest in name.
func newNames(ctx context.Context, name string) *Context {
	c := &Context{Context: ctx}
	c.ended.Store(true)
	n := &names{path: name}
	if parent := taskOf(ctx); parent != nil {
		c.nest(parent)
		n.path, n.outer = joinPath(parent.names.path, name), parent.names
	}
	c.names = n
	return c
}

func labelled(ctx context.Context, path string) context.Context {
	return pprof.WithLabels(ctx, pprof.Labels("coterie", path))
}

func joinPath(parent, name string) string {
	if parent == "" || name == "" {
		return parent + name
	}
	return parent + "/" + name
}

// in reports whether c is a task of s and set that runs, or within one. A nil set stands
// for all of s.
func (c *Context) in(s *Scheduler, set *Set) bool {
	for c = c.of(s); c != nil; c = c.outward().of(s) {
		if set == nil || c.set == set {
			return true
		}
	}
	return false
}

// Owners yields the owners of the tasks that ctx derives from and that have not ended, from
// the innermost on.
func Owners(ctx context.Context) iter.Seq[Owner] {
	return func(yield func(Owner) bool) {
		for c := taskOf(ctx).of(nil); c != nil; c = c.outward().of(nil) {
			if c.sched.Owner != nil && !yield(c.sched.Owner) {
				return
			}
		}
	}
}

// Runs reports whether ctx derives from that of a task of s, and of set, if that is not
// nil, that has not ended.
func (s *Scheduler) Runs(ctx context.Context, set *Set) bool { return taskOf(ctx).in(s, set) }

// A Place is the place of a task of a scheduler, which a goroutine that waits may lend.
type Place struct {
	task      weak.Pointer[Context] // whoever keeps a Place does not keep the task
	goroutine uint64                // that asked for it with the task's context
}

// PlaceOf returns the place of the innermost task of s that ctx derives from and that has
// not ended, and whether there is one.
func (s *Scheduler) PlaceOf(ctx context.Context) (Place, bool) {
	c := taskOf(ctx).place(s)
	if c == nil {
		return Place{}, false
	}
	return Place{weak.Make(c), GoroutineID()}, true
}

// IsCallers reports whether the task has not ended and the caller is its goroutine, or the one
// that asked for the place.
func (p Place) IsCallers() bool {
	task := p.task.Value()
	if !task.runs() {
		return false
	}
	id := GoroutineID()
	return id == p.goroutine || id == task.goroutine
}
