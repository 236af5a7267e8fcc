package sched

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// This file holds how a goroutine without a context finds out whose task it runs: it reads its own
// stack. Each goroutine that runs tasks has one of the two host functions below near the bottom of
// its stack. The runtime prints their first argument: the scheduler. To read the stack takes
// microseconds. hosts reports false if the runtime does not print the argument.

// hostTasks calls run, which runs tasks of s.
//
//go:noinline
func (s *Scheduler) hostTasks(w *Worker, run func(w *Worker)) {
	run(w)
	runtime.KeepAlive(s) // so that the runtime prints the argument
}

// hostBackground calls run, which runs a background task of s.
//
//go:noinline
func (s *Scheduler) hostBackground(w *Worker, run func(w *Worker)) {
	run(w)
	runtime.KeepAlive(s)
}

// The names of the host functions.
const (
	hostsTasks       = "hostTasks"
	hostsBackgrounds = "hostBackground"
)

// hosts reports whether the stack of the caller's goroutine has one of the host functions with
// these names, called on s.
func (s *Scheduler) hosts(functions ...string) bool {
	of := fmt.Sprintf("(%p", s)
	for _, f := range ownStack().Frames {
		line, _, _ := strings.Cut(string(f), "\n")
		name, ok := strings.CutPrefix(line, "github.com/coterie-go/coterie/core/sched.(*Scheduler).")
		if !ok {
			continue
		}
		name, args, _ := strings.Cut(name, "(")
		first, _, _ := strings.Cut("("+strings.TrimSuffix(args, ")"), ",")
		if first == of && slices.Contains(functions, name) {
			return true
		}
	}
	return false
}

// runsCaller reports whether the caller's goroutine runs a task of the set. It works only in owners
// with IdleAfter. It takes microseconds, and stops the world if each task has a goroutine of its
// own.
func (set *Set) runsCaller() bool {
	ids := Ancestors(func(creator string) bool { return strings.Contains(creator, "sched.(*Worker).isolate") })
	s := set.scheduler()
	return peek(s, func() bool {
		for e := s.shared.all.Front(); e != nil; e = e.Next() {
			if e.Value.set == set && slices.Contains(ids, e.Value.goroutine) {
				return true
			}
		}
		return false
	})
}

// lookAgain is the Result of a Parker that is woken so that its goroutine reads its own stack.
var lookAgain any = new(byte)
