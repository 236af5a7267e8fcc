package sched

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"

	"github.com/coterie-go/coterie/core/internal/stack"
)

// This file finds out whose task a goroutine without a context runs: the goroutine reads its own
// stack. Each goroutine that runs tasks has one of the three host functions below near the bottom of
// its stack. The runtime prints their first arguments: the scheduler and the worker. Reading the
// stack takes microseconds. A goroutine counts as one that runs no task if the runtime does not
// print the arguments.

// hostTask calls run, which runs one task of s. bookkeeper is the worker that shared.all has for
// it.
//
//go:noinline
func (s *Scheduler) hostTask(bookkeeper *Worker, run func()) {
	run()
	runtime.KeepAlive(s) // so that the runtime prints the argument
	runtime.KeepAlive(bookkeeper)
}

// hostBackground calls run, which runs a background task of s.
//
//go:noinline
func (s *Scheduler) hostBackground(_ *Worker, run func()) {
	run()
	runtime.KeepAlive(s)
}

// The names of the host functions.
var (
	hostsOfTasks = []string{"hostTasks", "hostTask"}
	hostsOfAll   = append(hostsOfTasks, "hostBackground")
)

// hosts reports whether the caller's goroutine has one of the host functions with these names,
// called on s. It returns the text of the function's second argument: the worker. If the goroutine
// runs a task in place of its submitter, the goroutine of the submitter counts too. If the task has
// a goroutine of its own, the worker is in between. Reading the stacks of others stops the world.
func (s *Scheduler) hosts(functions []string) (worker string, ok bool) {
	var all map[uint64][]byte
	for text := stackText(1<<12, false); ; {
		for _, function := range functions {
			call := fmt.Appendf(nil, "%s%s(%p, ", schedulers, function, s)
			if _, args, ok := bytes.Cut(text, call); ok {
				return string(args[:bytes.IndexAny(args, ",)")]), true
			}
		}
		creator, submitter := stack.Parse(text).Creator()
		if creator != schedulers+"runInline" && !strings.HasSuffix(creator, "sched.(*Worker).isolate") {
			return "", false
		}
		if all == nil {
			all = allStacks(1 << 10)
		}
		text = all[submitter]
	}
}

// schedulers is how the names of the methods of Scheduler begin in stack traces.
const schedulers = "github.com/coterie-go/coterie/core/sched.(*Scheduler)."

// IsWorker reports whether the caller's goroutine runs a task of the scheduler, or runs a task in
// place of one. It takes microseconds.
func (s *Scheduler) IsWorker() bool {
	_, ok := s.hosts(hostsOfTasks)
	return ok
}

func (s *Scheduler) runsCaller() bool {
	_, ok := s.hosts(hostsOfAll)
	return ok
}

// runsCaller works only in owners with IdleAfter, and not for tasks of runInline.
func (set *Set) runsCaller() bool {
	s := set.scheduler()
	worker, ok := s.hosts(hostsOfTasks)
	return ok && inLock(s, func() bool {
		for e := s.shared.all.Front(); e != nil; e = e.Next() {
			if e.Value.set == set && fmt.Sprintf("%p", e.Value) == worker {
				return true
			}
		}
		return false
	})
}

// lookAgain is the Result of a Parker that is woken so that its goroutine reads its own stack.
var lookAgain any = new(byte)
