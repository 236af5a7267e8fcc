// Package group gives every goroutine an owner. A [Group] starts goroutines and
// waits for them, so that nobody writes Add and Done, and nobody can forget one:
//
//	group.Run(func(g *group.Group) {
//		for _, url := range urls {
//			g.Go(func() { visit(url) })
//		}
//	}) // here every task has ended
//
// # Scopes and groups
//
// [Run] is a scope: it returns when its body and every task have ended, whether
// they return, panic or call runtime.Goexit. Tasks may start tasks. For its callers
// a function that uses a scope is like one that starts no goroutine.
//
// Where tasks are started in one method and waited for in another, an object holds
// a Group instead. Its zero value is ready for use, and it can be used again after
// Wait.
//
// # Starting and waiting
//
// Every owner of coterie has the same five verbs:
//
//   - Go starts a task. It blocks while the owner is at its limit, and never drops
//     the task.
//   - TryGo starts a task now, or reports false.
//   - GoContext waits for room until its context is done. If it returns an error
//     the task never runs; otherwise the task gets a context derived from that one.
//   - Wait returns when every task has ended, and raises what they raised.
//   - WaitContext gives up when its context is done, with a [*core.StuckError] that says
//     which tasks still run. Nothing else changes, and it may be called again.
//
// [Fork] starts a task that has a result, and returns a [core.Future] of it.
// [Group.Background] starts a task that serves the others, and ends when they have ended.
//
// # Panics and Goexit
//
// A panic of a task is raised by Wait, when all tasks have ended, with the stack of
// the goroutine that it came from: that is [core.Propagate]. [core.Crash] ends the process
// where the panic happened, before any Wait returns. [core.Capture] hands the panic to a
// function. A Goexit of a task makes Wait call runtime.Goexit, so that t.FailNow and
// t.Skip in a task end the test that waits. docs/guide/panics.md has the reasons.
//
// # Limits and names
//
// [Options] give a group a limit, of its own or shared with other owners, and a
// name. The tasks of a group with a name, and those of GoNamed, are listed in
// reports and, in a group with a name, labelled in profiles. Other tasks are only
// counted, and cost less.
//
// Package tree shows what named owners and tasks do at one instant: as a page, as text and
// as JSON. [Observe] follows named tasks over time. [Path] is the name for a line in a log.
//
// # Goroutines
//
// A task may block for as long as it likes, as if it had a goroutine of its own. But
// short tasks share goroutines, because starting one is what costs: a thousand of
// them take about a fourteenth of the time of a thousand go statements. [Group.Go] says what
// a goroutine can carry from one task to the next. In builds with -race each task has its
// own, so that races between tasks are reported.
package group
