package sched

import (
	"context"
	"iter"
	"runtime/pprof"
	"runtime/trace"
	"weak"

	"github.com/coterie-go/coterie/core"
)

// This file holds the contexts of tasks, and how names nest. A context that derives from that of a
// task finds the task with Value. So the scheduler knows whose place a caller may lend, and which
// names stand around a new task.

// has reports whether the owner's name is in the list.
func (n *names) has(owner *Config) bool {
	for ; n != nil; n = n.outer {
		if n.owner == owner {
			return true
		}
	}
	return false
}

type contextKey struct{}

// Value returns c for the key of this package, so that contexts that derive from c find the task.
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
	o := c.outer.Load()
	if o == nil || o.runs() {
		return o
	}
	for o != nil && !o.runs() {
		o = o.outer.Load()
	}
	c.outer.Store(o) // so that c does not keep tasks that have ended
	return o
}

// tasks yields the tasks that have not ended, among c and those around it, the innermost first. c
// may be nil.
func (c *Context) tasks() iter.Seq[*Context] {
	return func(yield func(*Context) bool) {
		for ; c != nil; c = c.outward() {
			if c.runs() && !yield(c) {
				return
			}
		}
	}
}

// of returns the innermost task of s among c.tasks, or nil.
func (c *Context) of(s *Scheduler) *Context {
	for task := range c.tasks() {
		if task.sched == s {
			return task
		}
	}
	return nil
}

// placeHolder returns c.of(s), or nil for a background task, which holds no place.
func (c *Context) placeHolder(s *Scheduler) *Context {
	if c = c.of(s); c != nil && !c.background {
		return c
	}
	return nil
}

// holdsPlace reports whether c.placeHolder(s) is not nil: then c can lend a place of s.
func (c *Context) holdsPlace(s *Scheduler) bool { return c.placeHolder(s) != nil }

// holdsPermit reports whether the innermost task among c.tasks whose owner uses sem holds a permit.
// A background task holds none.
func (c *Context) holdsPermit(sem *core.Semaphore) bool {
	for task := range c.tasks() {
		if task.sched.config().Semaphore == sem {
			return !task.background
		}
	}
	return false
}

// Schedulers yields the schedulers of the tasks that have not ended and from whose contexts ctx
// derives, the innermost first.
func Schedulers(ctx context.Context) iter.Seq[*Scheduler] {
	return func(yield func(*Scheduler) bool) {
		for task := range taskOf(ctx).tasks() {
			if !yield(task.sched) {
				return
			}
		}
	}
}

// Runs reports whether ctx derives from the context of a task of s and set that has not ended. Any
// set of s counts if set is nil.
func (s *Scheduler) Runs(ctx context.Context, set *Set) bool {
	for task := range taskOf(ctx).tasks() {
		if task.sched == s && (set == nil || task.set == set) {
			return true
		}
	}
	return false
}

// runs reports whether c is the context of a task that has not ended. c may be nil.
func (c *Context) runs() bool { return c != nil && !c.ended.Load() }

// Init makes c the context of a task of s and set that is started with ctx. The path of the task is
// the path of ctx, followed by the owner's name if the path does not have it yet. If ctx carries no
// names, it is the owner's path. So a name stands in a path once, however deep tasks of one owner
// nest.
func (c *Context) Init(ctx context.Context, s *Scheduler, set *Set) {
	c.Enter(ctx, s)
	c.Attach(ctx, set)
}

// Enter is the part of Init that comes before a task is submitted. A task with a key calls Enter
// then, and Attach when it begins.
func (c *Context) Enter(ctx context.Context, s *Scheduler) {
	config := s.config()
	c.sched, c.names = s, &config.names
	if parent := taskOf(ctx); parent != nil {
		c.nest(parent)
		if config.Name != "" && !parent.names.has(config) {
			c.names = parent.inner(config.Name, config)
		}
	}
	if c.names.path != "" {
		c.record = new(record)
		c.record.init(c.names.path, c, config)
	}
}

// Attach sets the parent, the labels and the set of a task that has called Enter.
func (c *Context) Attach(ctx context.Context, set *Set) {
	c.Context, c.set = ctx, set
	if parent, ok := ctx.(*Context); ok && parent.sched != nil {
		c.Context = parent.Context
		if c.names == parent.names { // the labels are the same
			return
		}
	}
	if c.sched.config().Name != "" {
		c.Context = labelled(c.Context, c.names.path)
	}
}

// nest sets the names of c to those of parent, and outer to the innermost task at or around parent
// that has not ended.
func (c *Context) nest(parent *Context) {
	c.names = parent.names
	outer := parent.outward() // also if parent runs, so that parent does not keep tasks that have ended
	if parent.runs() {
		outer = parent
	}
	if outer != nil {
		c.outer.Store(outer)
	}
}

// Nest sets the path and Labels for an owner that is made with ctx. The owner's name nests in the
// path of ctx. The owner becomes a task of the execution trace if one is being recorded, and the
// returned context carries that task.
func (c *Config) Nest(ctx context.Context) context.Context {
	c.names = *taskOf(ctx).inner(c.Name, c)
	if c.Name != "" {
		if trace.IsEnabled() {
			c.trace = new(traceTask)
			ctx, c.trace.Task = trace.NewTask(ctx, c.names.path)
		}
		c.Labels = labelled(ctx, c.names.path)
	}
	return ctx
}

// PathOf returns the owner's path with name after it.
func (c *Config) PathOf(name string) string { return joinPath(c.names.path, name) }

// Path returns the path of the task or owner that ctx derives from, or "".
func Path(ctx context.Context) string {
	if c := taskOf(ctx); c != nil {
		return c.names.path
	}
	return ""
}

// NestNames returns a context derived from ctx in which names nest in the owner's name.
func (s *Scheduler) NestNames(ctx context.Context) context.Context {
	config := s.config()
	if config.names.path == "" {
		return ctx
	}
	c := withNames(ctx, &config.names)
	if config.Name != "" {
		c.Context = labelled(ctx, config.names.path)
	}
	return c
}

// WithName returns a context derived from ctx in which names nest in name, and the path of that
// context. The context carries the path as its pprof label. WithName returns ctx and its path if
// name is empty.
func WithName(ctx context.Context, name string) (named context.Context, path string) {
	if name == "" {
		return ctx, Path(ctx)
	}
	c := withNames(ctx, taskOf(ctx).inner(name, nil))
	c.Context = labelled(ctx, c.names.path)
	return c, c.names.path
}

// withNames returns a context derived from ctx in which names nest in n. It is not the context of a
// task.
func withNames(ctx context.Context, n *names) *Context {
	c := &Context{Context: ctx}
	c.ended.Store(true)
	if parent := taskOf(ctx); parent != nil {
		c.nest(parent)
	}
	c.names = n
	return c
}

// inner returns the names of c, which may be nil, with name as the innermost. owner is the owner
// with that name, or nil.
func (c *Context) inner(name string, owner *Config) *names {
	if c == nil {
		return &names{path: name, owner: owner}
	}
	return &names{joinPath(c.names.path, name), owner, c.names}
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

// A Place is the place of a task. A goroutine that waits may lend it.
type Place struct {
	task      weak.Pointer[Context] // weak, so that a Place does not keep its task
	goroutine uint64                // number of the goroutine that called PlaceOf
}

// PlaceOf returns the place of the innermost task of s that has not ended and from whose context
// ctx derives. It reports false if there is no such task, or it is a background task.
func (s *Scheduler) PlaceOf(ctx context.Context) (Place, bool) {
	c := taskOf(ctx).placeHolder(s)
	if c == nil {
		return Place{}, false
	}
	return Place{weak.Make(c), GoroutineID()}, true
}

// IsCallers reports whether the task has not ended, and the caller runs in the goroutine of the
// task or in the one that called PlaceOf.
func (p Place) IsCallers() bool {
	task := p.task.Value()
	if !task.runs() {
		return false
	}
	id := GoroutineID()
	return id == p.goroutine || id == task.goroutine
}

func doneOf(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		return nil
	}
	return ctx.Done()
}
