package sched

import (
	"errors"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the methods that a task calls on its worker, the errors of tasks that do not run,
// and the edge from Go to a task in race builds.

// Run calls the function.
func (f Func) Run(*Worker) { f() }

// A future is a task whose result a core.Future holds.
type future interface {
	// Abort gives the future a panic of the task, or, if p is nil, a Goexit. It follows
	// Owner.Aborted. The future already has a result if an observer panicked, or called Goexit,
	// after the task.
	Abort(p *core.PanicError)
}

// MarkDropped marks the worker's task as one that did not run.
func (w *Worker) MarkDropped() { w.ending = endedDropped }

// MarkHelper marks the worker's task as a helper.
func (w *Worker) MarkHelper() { w.ending = endedHelper }

// Scheduler returns the worker's scheduler.
func (w *Worker) Scheduler() *Scheduler { return w.s }

// MarkVoid marks the worker's task as one that RunClaimed runs.
func (w *Worker) MarkVoid() { w.ending = endedVoid }

// ErrClosed is the error for a task that was not accepted, or was dropped, because its scheduler
// was closed.
var ErrClosed = errors.New("pool: closed")

// ErrReplaced is the error for a task that was replaced before it was accepted. It is also the
// cause with which Replace cancels the contexts of tasks that run.
var ErrReplaced = errors.New("pool: replaced by a later task of its key")

// ErrFull is the error of calls that do not block for room, if there is none.
var ErrFull = errors.New("full")

// carried is a task of a race build with the edge from its Go.
type carried struct {
	Task
	accepted race.Point
}

// carry returns the task that is given to the scheduler for t. In a race build it makes the edge
// from Go.
func carry(t Task) Task {
	if !race.Hidden {
		return t
	}
	c := &carried{Task: t}
	c.accepted.Release()
	return c
}

// uncarry returns the task that was given to carry. In a race build it acquires the edge.
func uncarry(t Task) Task {
	if c, ok := t.(*carried); ok {
		c.accepted.Acquire()
		return c.Task
	}
	return t
}

// bare returns the task that was given to carry, or that a keyEntry stands for. It does not acquire
// the edge.
func bare(t Task) Task {
	switch t := t.(type) {
	case *carried:
		return t.Task
	case *keyEntry:
		if t.task != nil {
			return t.task.task
		}
	}
	return t
}

// A droppedTask is an accepted task that will not run, with its set.
type droppedTask struct {
	task Task
	set  *Set
}
