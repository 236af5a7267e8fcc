// Package sched is the scheduler beneath group, errgroup and pool. It is for this module.
//
// # Promise
//
// Each task runs as if it had a goroutine of its own, but no more tasks run at once than the limit allows.
// A task may block for as long as it likes, on whatever it likes. The tasks behind it do not
// wait for it: other workers take them, as far as the limit allows. Within that promise the
// scheduler starts as few goroutines as it can: short tasks share a worker, and a lock.
//
// Owners differ in two numbers: how many tasks may run at once, and how many more may be
// accepted. A submitter is whoever starts a task; it blocks while there is room for neither.
//
//   - A group without a limit: any number may run.
//   - A group with a limit of n: n may run, and no more are accepted.
//   - A pool: n may run, and q more may be accepted.
//
// # Tasks and workers
//
// Accepted tasks stand in one run queue, first in, first out, in segments; a first task alone
// has a place of its own in the Scheduler, and a task whose key is busy waits in the line of its key. A task is
// unclaimed from acceptance until a worker claims it. A worker usually takes a whole segment,
// and claims its tasks one by one with an atomic addition, without the lock. The segment stays in a list.
// A worker that looks for work may steal from there what another worker has not come to.
//
//	          spawn, wake                 claims a task
//	(none) ───────────────▶ searching ───────────────────▶ busy ──┐
//	  ▲                      │  ▲   ▲                        │    │ claims the next
//	  │ leaves               │  │   └────────────────────────┘    │ of its segment
//	  │                      │  │        its task has ended  ▲    │
//	  └──────────────────────┤  │ wake                       └────┘
//	  ▲                      ▼  │
//	  └──────────────────── idle
//	    after IdleAfter
//
// A worker counts as searching from the moment somebody decides to start or wake it, until it
// has looked for a task. In a group a worker that finds none leaves; only in a pool does it stay, idle. A worker
// whose task calls runtime.Goexit, or panics, exits; what is left of its segment is for the others.
// A worker on a lent place is outside of the drawing and of the invariant; lend.go has its own.
//
// # Invariant
//
// Whenever the lock is free, at least one of these holds:
//
//   - No task is unclaimed.
//   - A worker is searching.
//   - All workers that there may be are busy.
//   - A submitter yields.
//
// Code that adds a task or ends a search restores this before it unlocks: it adds one to the
// count of searching workers, and wakes or starts that worker once the lock is free. A yielding
// submitter always comes back, and restores it then. Claiming without the lock only makes unclaimed
// tasks fewer, so it cannot break the invariant. A searching worker runs no user code, so nothing
// can block it before it looks. So each unclaimed task is claimed sooner or later, if all workers are busy as soon as
// one of their tasks ends.
//
// # Where to read on
//
//	scheduler.go  what a scheduler is, and the short way of a task into it
//	start.go      how tasks are accepted and workers woken
//	worker.go     how a worker finds its next task, from next on, and how a task ends
//	queue.go      segments, and how they are claimed and stolen
//	limiter.go    what happens when the limit is reached
//	lend.go       how a nested wait lends its place
//	wait.go       how waits end
//	failures.go   how a panic travels to them
//	deadlock.go   tasks that all wait for room in their own owner
//	own.go        whose task a goroutine runs
//	background.go tasks that serve the others
//	keyed.go      tasks with a key
//	keyqueue.go   the line in which they wait for it
//	close.go      scopes that end, pools that close
//	idle.go       workers that wait for work
//	context.go    the contexts of tasks, and how names nest
//	named.go      reports of who runs; record.go: the list of them; stacks.go: where they stand
//	isolate.go    a goroutine for each task, where it is asked for and in race builds
//	task.go       what owners give the scheduler; echo.go: which of their errors say nothing new
//	registry.go   the named owners of the process; look.go: what is seen of one; note.go: who is blocked
//	observe.go    how observers are told
//
// docs/model has the scheduler as a program for a model checker.
package sched
