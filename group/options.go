package group

import (
	"context"
	"fmt"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// Options are the settings of a [Group]. The zero Options are those of a zero Group.
// [docs/guide/numbers.md] lists what 0 means in each option and setter, and
// [docs/guide/limits.md] says what a limit does to tasks that start tasks.
//
// [docs/guide/numbers.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/numbers.md
// [docs/guide/limits.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/limits.md
type Options struct {
	// Name stands in stuck reports and task errors. The group's tasks have it as the value of the
	// pprof label "coterie".
	Name string
	// Limit is how many tasks may run at once; 0 means no limit.
	Limit int
	// Semaphore, if not nil, is a limit shared with other owners: each task holds one of its
	// permits.
	Semaphore *core.Semaphore
	// Isolate gives each task a goroutine of its own. It is for code that leaves settings on its
	// goroutine; see [Group.Go]. A task then costs about as much as a go statement.
	Isolate bool
	// Panics selects what happens when a task panics.
	Panics core.PanicPolicy
	// OnPanic gets the panics of tasks under the policy Capture. That policy requires it, and no
	// other allows it. It is called in the goroutine that panicked, perhaps by several goroutines
	// at once. The task has not ended before it returns, and the task's Future has no result. So
	// OnPanic must wait neither for that Future nor for the group. The process ends if OnPanic
	// panics.
	OnPanic func(*core.PanicError)
}

// apply checks the options, and sets them in a new scheduler.
func (o *Options) apply(s *sched.Scheduler) {
	if (o.Panics == core.Capture) != (o.OnPanic != nil) {
		panic("group: OnPanic is required by, and only for, the policy Capture")
	}
	if o.Limit < 0 {
		panic(fmt.Sprintf("group: negative limit, got %d", o.Limit))
	}
	if o.Panics < core.Propagate || o.Panics > core.Capture {
		panic(fmt.Sprintf("group: unknown panic policy, got %d", o.Panics))
	}
	if o.Name != "" || o.Semaphore != nil || o.Isolate || o.Panics != core.Propagate {
		w := &owner{
			Options: *o,
			config:  sched.Config{Kind: "group", Name: o.Name, Semaphore: o.Semaphore, Isolate: o.Isolate},
		}
		w.config.Nest(context.Background())
		s.Owner, s.Config = w, &w.config
	}
	if o.Limit > 0 {
		s.Limit(o.Limit, 0)
	}
	s.Register(context.Background())
}

// An owner is the sched.Owner of a group with options.
type owner struct {
	Options
	config sched.Config
}

func (o *owner) Aborted(s *sched.Scheduler, _ *sched.Set, _ sched.Task, p *core.PanicError) {
	switch {
	case p != nil && o.Panics == core.Crash:
		panic(p.Value)
	case p != nil && o.Panics == core.Capture:
		o.OnPanic(p)
	default:
		s.Fail(p)
	}
}
