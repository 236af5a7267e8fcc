// Package errgroup is [golang.org/x/sync/errgroup] on coterie's scheduler. Its groups own
// goroutines that work on parts of one job, can fail, and are cancelled together. A program that
// uses x/sync's errgroup needs only to change the import. [docs/errgroup-differences.md] lists the
// differences.
//
//	g, ctx := errgroup.WithContext(ctx)
//	for _, url := range urls {
//		g.Go(func() error { return fetch(ctx, url) })
//	}
//	return g.Wait()
//
// [Run] does the same for a function body, and returns when all tasks have ended. [Gather], [All2]
// and [All3] return the results of all tasks. [Settle] returns all results and errors. [Race]
// returns the first result, and [Quorum] the first few. [Fork] starts a task and returns a future
// for its result. [Group.Background] starts a task that serves the other tasks.
//
// # Which error Wait returns
//
//  1. A group fails fast, unless Options.Collect is set: the first error cancels the
//     group's context, with the error as the cause, and Wait returns that error,
//     unchanged. It is recorded before the context is cancelled, so it is never
//     an effect of the cancellation.
//  2. With Options.Collect an error cancels nothing, and Wait returns all errors,
//     combined by [go.uber.org/multierr] in the order in which the tasks were
//     started.
//  3. A cancellation report is an error that only reports that the group's context is done.
//     Unless the parent context was done first, Wait returns it only if there is no
//     other error.
//  4. If the parent context is done first and a task then fails for another reason,
//     Wait returns both: the error of the task, and the parent's cause.
//  5. The cause that is given to [Group.Cancel] is an error of the group.
//
// An error is a cancellation report if the group's context is done, and the error is equal to the
// context's Err, or is or wraps its [context.Cause]. A joined error is one if each of its parts is.
// Before the context is done no error is a cancellation report, not even a plain context.Canceled.
//
// An error that wraps context.Canceled, such as "fetch a: context canceled", could come from any
// context. Once the group's context is done, the group cannot know from which. It does not lose
// such an error. With Options.Collect, Wait returns it with the others. Without, if the parent was
// cancelled, Wait returns it in place of the parent's cause, after an error of another kind if
// there is one.
//
// # Panics
//
// Under [core.Propagate], the default, a panic cancels the context at once, and Wait raises the
// panic when all tasks have ended. A Goexit, as by t.FailNow, also cancels the context at once, and
// Wait calls Goexit. Under [core.Crash] a panic ends the process with its own stack. Under
// [core.Capture] the error of a task that panics is a *[core.PanicError], and the error of a task
// that calls Goexit is [core.ErrGoexit].
//
// [docs/guide/errors.md] shows how to keep partial results, and how to add the name of a task to
// its error.
//
// [docs/errgroup-differences.md]: https://github.com/coterie-go/coterie/blob/main/docs/errgroup-differences.md
// [docs/guide/errors.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/errors.md
package errgroup
