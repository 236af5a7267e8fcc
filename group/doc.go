// Package group gives every goroutine an owner. A [Group] starts goroutines and waits for them.
// Callers write no Add and no Done, so they cannot forget them:
//
//	group.Run(func(g *group.Group) {
//		for _, url := range urls {
//			g.Go(func() { visit(url) })
//		}
//	}) // here every task has ended
//
// # Scopes and groups
//
// [Run] is a scope: it returns when its body and every task have ended, whether they return, panic
// or call runtime.Goexit. Tasks may start tasks. To its callers, a function that uses a scope looks
// like a function that starts no goroutine.
//
// If one method starts tasks and another waits for them, their object holds a Group instead. The
// zero Group is ready for use. A Group can be used again after Wait.
//
// # Starting and waiting
//
// Every owner of coterie has the same five verbs:
//
//   - Go starts a task. It blocks while the owner is at its limit. It never drops the task.
//   - TryGo starts a task now, or reports false.
//   - GoContext starts a task, and passes it a context derived from its own. It blocks until there
//     is room. If its context is done first, it returns an error, and the task never runs.
//   - Wait blocks until every task has ended, and raises their panics and Goexits.
//   - WaitContext is Wait, but returns a [*core.StuckError] if its context is done first. The error
//     lists the tasks that still run. The tasks run on, and WaitContext may be called again.
//
// [Fork] starts a task that has a result, and returns a [core.Future] for it. [Group.Background]
// starts a task that serves the other tasks, and cancels its context when they have ended.
//
// # Panics and Goexit
//
// The panic policy selects what happens when a task panics. With [core.Propagate], the default,
// Wait raises the panic when all tasks have ended, with the stack of the goroutine that panicked.
// [core.Crash] ends the process at the panic, before any Wait returns. [core.Capture] passes the
// panic to a function. Wait calls runtime.Goexit if a task does, so that t.FailNow and t.Skip in a
// task end the test that waits. [docs/guide/panics.md] gives the reasons.
//
// # Limits and names
//
// [Options] give a group a limit, a semaphore that it shares with other owners, and a name. Reports
// list the tasks of a group with a name, and those of GoNamed. In profiles, the tasks of a group
// with a name have a label. Other tasks are only counted, and cost less.
//
// Package tree shows what named owners and tasks do at one instant: as a page, as text and
// as JSON. [Observe] follows named tasks over time. [Path] returns the path of a task, for a line
// in a log.
//
// # Goroutines
//
// A task may block for as long as it likes, as if it had a goroutine of its own. But short tasks
// share goroutines, because starting a goroutine costs more than they do: a thousand short tasks
// take a tenth to a twentieth of the time of a thousand go statements. [Group.Go] lists what a
// goroutine can carry from one task to the next. In builds with -race each task has a goroutine of
// its own, so that races between tasks are reported.
//
// [docs/guide] has a page for each need, with programs.
//
// [docs/guide]: https://github.com/coterie-go/coterie/blob/main/docs/guide/README.md
// [docs/guide/panics.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/panics.md
package group
