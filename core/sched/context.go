package sched

import (
	"context"
	"iter"
	"runtime/pprof"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// A Context is the context of a task, or of an owner: it says whose task it is, and how
// names nest. It is part of a task that has a context.
type Context struct {
	context.Context // the one that it derives from
	sched           *Scheduler
	set             *Set
	path            string
	ended           atomic.Bool // the task has ended; hidden from the race detector
	record          *record     // of a task that runs
	goroutine       uint64      // of a task that runs, in an owner that keeps idle workers
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

// of returns the innermost task of s, from c on outwards, that has not ended, or nil. A nil
// s stands for any.
func (c *Context) of(s *Scheduler) *Context {
	for ; c != nil; c = taskOf(c.Context) {
		if c.sched != nil && (s == nil || c.sched == s) && c.runs() {
			return c
		}
	}
	return nil
}

// lends reports whether c is a task of s, or within one, that has not ended.
func (c *Context) lends(s *Scheduler) bool { return c.of(s) != nil }

// holds reports whether c is a task, or within one, that has not ended and holds a permit
// of sem.
func (c *Context) holds(sem *core.Semaphore) bool {
	for ; c != nil; c = taskOf(c.Context) {
		if c.sched != nil && c.sched.config().Semaphore == sem && c.runs() {
			return true
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
	c.Context, c.sched, c.set, c.path = ctx, s, set, config.Path
	parent := taskOf(ctx)
	if parent != nil {
		c.path = parent.path
		if config.Name != "" && !parent.within(s) {
			c.path = joinPath(parent.path, config.Name)
		}
	}
	if config.Name != "" {
		c.Context = labelled(ctx, c.path)
	}
}

// within reports whether c is a task of s, or within one.
func (c *Context) within(s *Scheduler) bool {
	for ; c != nil; c = taskOf(c.Context) {
		if c.sched == s {
			return true
		}
	}
	return false
}

// Nest sets Path and Labels, for an owner that is made with ctx: its name nests in that of the
// task or owner that ctx carries.
func (c *Config) Nest(ctx context.Context) {
	c.Path = c.Name
	if parent := taskOf(ctx); parent != nil {
		c.Path = joinPath(parent.path, c.Name)
	}
	if c.Name != "" {
		c.Labels = labelled(ctx, c.Path)
	}
}

// Join returns the path of a name within the owner's.
func (c *Config) Join(name string) string { return joinPath(c.Path, name) }

// Path returns the path of the task or owner that ctx derives from, or "".
func Path(ctx context.Context) string {
	if c := taskOf(ctx); c != nil {
		return c.path
	}
	return ""
}

// Within returns a context derived from ctx in which names nest in the owner's.
func (s *Scheduler) Within(ctx context.Context) context.Context {
	config := s.config()
	if config.Path == "" {
		return ctx
	}
	c := &Context{Context: ctx, sched: s, path: config.Path}
	c.ended.Store(true) // it is no task's
	return c
}

// WithName returns a context derived from ctx in which names nest in name, and the path
// that name has there. It carries the path as pprof label. An empty name changes nothing.
func WithName(ctx context.Context, name string) (named context.Context, path string) {
	c := &Context{Context: ctx, path: name}
	if parent := taskOf(ctx); parent != nil {
		c.path = joinPath(parent.path, name)
	}
	if name == "" {
		return ctx, c.path
	}
	c.Context = labelled(ctx, c.path)
	return c, c.path
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
	for c = c.of(s); c != nil; c = taskOf(c.Context).of(s) {
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
		for c := taskOf(ctx).of(nil); c != nil; c = taskOf(c.Context).of(nil) {
			if c.sched.Owner != nil && !yield(c.sched.Owner) {
				return
			}
		}
	}
}

// Within reports whether ctx derives from that of a task of s, and of set, if that is not
// nil, that has not ended.
func (s *Scheduler) Runs(ctx context.Context, set *Set) bool { return taskOf(ctx).in(s, set) }

// A Place is the place of a task of a scheduler, which a goroutine that waits may lend.
type Place struct {
	task      *Context
	goroutine uint64 // that asked for it with the task's context
}

// PlaceOf returns the place of the innermost task of s that ctx derives from and that has
// not ended, and whether there is one.
func (s *Scheduler) PlaceOf(ctx context.Context) (Place, bool) {
	c := taskOf(ctx).of(s)
	if c == nil {
		return Place{}, false
	}
	return Place{c, GoroutineID()}, true
}

// IsCallers reports whether the task has not ended and the caller is its goroutine, or the one
// that asked for the place.
func (p Place) IsCallers() bool {
	if !p.task.runs() {
		return false
	}
	id := GoroutineID()
	return id == p.goroutine || id == p.task.goroutine
}
