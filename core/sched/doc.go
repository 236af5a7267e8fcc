// Package sched is the scheduler beneath group, errgroup and pool. Only this module uses it.
//
// # Promise
//
// Each task runs as if it had a goroutine of its own, but no more tasks run at once than the limit
// allows. A task may block for as long as it likes, on whatever it likes. Other workers take the
// tasks behind it, as far as the limit allows. Within that promise the scheduler starts as few
// goroutines as it can: short tasks share a worker, and a lock.
//
// Owners differ in two numbers: how many tasks may run at once, and how many more may be
// accepted. A submitter is a goroutine that starts a task. It blocks while both numbers are
// exhausted.
//
//   - A group without a limit: any number may run.
//   - A group with a limit of n: n may run, and no more are accepted.
//   - A pool: n may run, and q more may be accepted.
//
// # Tasks and workers
//
// Accepted tasks stand in one run queue, first in, first out, in segments. There are three
// exceptions: a task that finds the run queue empty may stand in a field of its own, a task whose
// key is busy waits in the line of its key, and the only task of a group runs without the lock and
// without what follows here; see only.go. A task is unclaimed from acceptance until a worker claims
// it. A worker usually takes a whole segment, and claims its tasks one by one with an
// atomic addition, without the lock. The segment stays in a list. A searching worker may steal from
// it the tasks that are still unclaimed.
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
// A worker counts as searching from the moment another goroutine decides, under the lock, to start
// or wake it. It ends its search when it claims a task, leaves or becomes idle. In a group a worker
// that finds no task leaves. In a pool it becomes idle. A worker exits when its task panics or
// calls runtime.Goexit; other workers steal the rest of its segment. The drawing and the invariant
// do not cover workers on lent places: lend.go has an invariant for them.
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
// can block it before it looks. So each unclaimed task is claimed in the end. While all workers are
// busy, it is claimed when one of their tasks ends.
//
// # Where to read on
//
//	scheduler.go  the structs, and what guards each field; settings.go: the settings of a scheduler
//	lock.go       how mu is locked, and what follows its unlock
//	start.go      how a task is accepted; only.go: a task that is accepted while there is no other
//	wake.go       how an accepted task gets a worker
//	worker.go     a worker from its start to its exit
//	findtask.go   how a worker finds its next task, and how a task ends
//	queue.go      segments, and how they are claimed and stolen
//	room.go       how many tasks may be accepted
//	limit.go      what happens when the limit is reached
//	lend.go       how a task that waits lends its place
//	set.go        wait sets, and how the waits for them end; wait.go: the waits, and how they block
//	failures.go   how a panic travels to the waits
//	deadlock.go   tasks that all wait for room in their own owner
//	own.go        how a goroutine finds the scheduler whose task it runs
//	background.go tasks that serve the other tasks
//	keyed.go      tasks with a key
//	keyqueue.go   the line in which the tasks of one key wait
//	close.go      scopes that end, pools that close
//	idle.go       workers that wait for tasks
//	context.go    the contexts of tasks, and how names nest
//	isolate.go    a goroutine for each task: with Options.Isolate, and in race builds; edges.go: what orders tasks there
//	task.go       what a task calls on its worker; cancelreport.go: errors that are no failures
//	named.go      named tasks; record.go: their records
//	report.go     the counts of tasks, and reports of those that have not ended; stacks.go: stack traces
//	registry.go   the named owners of the process; look.go: a copy of one's state; note.go: goroutines blocked on it
//	watch.go      events of tasks for observers and execution traces; observe.go: the observers
//
// docs/model has the scheduler as a program for a model checker.
package sched
