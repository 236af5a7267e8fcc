// Package errgroup is [golang.org/x/sync/errgroup] on coterie's scheduler: it owns
// goroutines that work on parts of one thing, can fail, and are cancelled together. A program that uses x/sync's
// need only change the import; docs/errgroup-differences.md has the differences.
//
//	g, ctx := errgroup.WithContext(ctx)
//	for _, url := range urls {
//		g.Go(func() error { return fetch(ctx, url) })
//	}
//	return g.Wait()
//
// [Run] does the same within a function body that no task outlives. Where each task
// has a result, [Gather], [All2] and [All3] return them, [Settle] returns the
// errors beside them, [Race] returns the first result and [Quorum] the first few; [Fork]
// starts one task whose result is to come, and [Group.Background] one that serves the others.
//
// # Which error Wait returns
//
//  1. A group fails fast unless told to collect: the first error cancels the
//     group's context, with itself as the cause, and is what Wait returns,
//     unchanged. It is recorded before the context is cancelled, so it is never
//     one that the cancellation brought about.
//  2. With Options.Collect an error cancels nothing, and Wait returns all of them,
//     combined by [go.uber.org/multierr] in the order in which the tasks were
//     started.
//  3. An error that only reports that the group's context is done is not told
//     beside the reason for that. Wait returns it if there is no other.
//  4. If it is the parent that cancelled the context, Wait returns both: what a
//     task failed of, and the parent's reason.
//  5. [Group.Cancel] counts as an error of the group.
//
// An error only reports that the group's context is done if that is done, and the
// error is what the context's Err returns, or is or wraps its [context.Cause]; of a
// joined error, each part. Before the context is done every error is real, also a
// plain context.Canceled.
//
// An error that wraps context.Canceled, as in "fetch a: context canceled", could be
// of any context, and once the group's own is done nothing tells whose it is. Such
// an error is never lost for that: collecting, it is kept; failing fast after the
// parent was cancelled, it takes the place of the parent's reason, and a failure of
// another kind shows before it.
//
// # Panics
//
// Under [core.Propagate], the default, a panic cancels the context at once, and
// Wait raises it when all tasks have ended. A Goexit, as by t.FailNow, does the
// same: it is no success. Under [core.Crash] a panic ends the process from where it
// happened. Under [core.Capture] a panic is an error of its task, a
// *[core.PanicError], and a Goexit is [core.ErrGoexit].
package errgroup
