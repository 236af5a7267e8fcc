package sched

import (
	"fmt"
	"math"
	"strings"
)

// This file holds the settings of a scheduler: those of its Config, which do not change, and the
// numbers of its limiter. shared is made with the second task, or with the first setting.

// SetOwner sets the owner and the settings of a scheduler that has none. In a race build it orders
// no goroutines.
func (s *Scheduler) SetOwner(o Owner, c *Config) {
	s.locked(func() {
		if s.Owner == nil {
			s.Owner, s.Config = o, c
		}
	})
}

// Limit sets how many tasks may run at once, and how many more may be accepted. The owner calls it
// after SetOwner and before the first task.
func (s *Scheduler) Limit(workers, mayWait int) {
	s.locked(func() { s.share().limiter.init(workers, mayWait) })
}

// Unlimited, as a number of workers or of waiting tasks, is no bound.
const Unlimited = math.MaxInt

// Title returns the owner's kind and path for texts: `group "ingest"`, or "a group" without a name.
func (s *Scheduler) Title() string {
	config := s.config()
	noun := strings.TrimPrefix(config.Kind, "err")
	if config.names.path == "" {
		return "a " + noun
	}
	return fmt.Sprintf("%s %q", noun, config.names.path)
}

// share returns s.shared. It makes it if it is nil.
func (s *Scheduler) share() *shared {
	x := s.shared
	if x == nil {
		x = &shared{procs: processors()}
		x.searching = s.countAllLocked()
		x.workers = int(s.busy) // that of the only task
		x.queue.init()
		x.limiter.init(Unlimited, 0)
		s.shared = x
	}
	return x
}

func (c *Config) number() uint64 {
	if c.entry == nil {
		return 0
	}
	return c.entry.id
}
