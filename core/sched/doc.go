// Package sched is the scheduler beneath group, errgroup and pool. It is for this module.
//
// # Promise
//
// Each task runs as if it had a goroutine of its own, within the number of workers. A task
// may block for as long as it likes, on whatever it likes, and holds up no other. Within
// that promise the scheduler starts as few goroutines as it can: short tasks share a worker,
// and a lock.
//
// Owners differ in two numbers: how many tasks may run at once, and how many more may be
// accepted. A group without a limit has no bound on the first, a group with a limit lets none
// wait, and a pool has both.
//
// # Tasks and workers
//
// Accepted tasks stand in one run queue, first in, first out, in segments. A task is
// unclaimed from acceptance until a worker claims it. A worker takes a whole segment if it
// can, and claims its tasks one by one with an atomic addition, without the lock. The segment
// stays in sight of the other workers: one that finds a task blocked steals what is behind it.
// See queue.go.
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
// A worker is searching from when it is counted, which is before it starts, until it has
// looked for a task. Only a pool has idle workers. A worker whose task calls runtime.Goexit,
// or panics, exits; what is left of its segment is for the others.
//
// # Invariant
//
// Whenever the lock is free,
//
//	no task is unclaimed, or a worker is searching, or all workers that there may be are
//	busy, or a submitter yields.
//
// Whatever makes tasks more or searching workers fewer restores it before it lets the lock
// go, by counting a further worker, which it wakes or starts once the lock is free. A submitter
// that yields runs no code but the scheduler's, and restores it when it is back. To claim a
// task without the lock makes tasks fewer and changes nothing else. A searching worker
// always comes to look, because it too runs no code but the scheduler's. So an unclaimed task
// is claimed.
//
// # Where to read on
//
//	scheduler.go  what a scheduler is, and the short way of a task into it
//	start.go      how tasks are accepted and workers woken
//	worker.go     how a worker finds its next task, and how a task ends
//	queue.go      segments, and how they are claimed and stolen
//	limiter.go    what happens when the limit is reached
//	lend.go       how a nested wait lends its place
//	wait.go       how waits end; failures.go: how a panic travels to them
//	close.go      scopes that end, pools that close
//	idle.go       workers that wait for work
//	context.go    the contexts of tasks, and how names nest; named.go: reports of who runs
//	record.go     the named tasks that run; registry.go: the named owners
//	note.go       who is blocked on a named owner
//	observe.go    observers of named tasks, and traces
//	look.go       what package tree sees of an owner
//	isolate.go    a goroutine for each task, where it is asked for and in race builds
//
// docs/model has the scheduler as a program for a model checker.
package sched
