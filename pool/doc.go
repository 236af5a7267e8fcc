// Package pool runs tasks on a bounded number of workers: loops and iterators over
// data, and tasks that come one by one.
//
// # Loops
//
// [For] runs a function for each number of 0..n-1, [MapSlice] for each element of a
// slice, [Each] for each item of a sequence, which may be endless. They return when
// all calls have ended. An error cancels the rest.
//
//	err := pool.For(ctx, 0, len(rows), func(ctx context.Context, i int) error {
//		return check(ctx, rows[i])
//	})
//
// [Map] yields results in the order of its input, [MapUnordered] as they finish:
//
//	for page, err := range pool.Map(ctx, 8, urls, fetch) {
//		if err != nil {
//			return err
//		}
//		print(page)
//	}
//
// Leaving the loop in any way cancels the calls that run, waits for them and stops
// the input. Items that take nanoseconds and items that take seconds are both
// served: how many go together is measured.
//
// Loops chain: [Then] is Map whose input is another loop, [Keep] goes on after an error,
// [Chunk] makes slices by number or time, [Merge] makes one sequence of several. Leaving the
// last loop ends all of them.
//
// # Pools
//
// A [Pool] is for tasks that come from several places, or over a long time. It has a
// bounded queue; whoever starts a task while that is full waits in line. Workers are
// started when there is work and end when they have been idle for a while.
//
//	p := pool.New(8, pool.Options{Name: "mail"})
//	p.Go(func() { send(message) })
//
// A pool has the five verbs of every owner, which package group tells of. Close
// refuses new tasks, runs those that were accepted and joins the workers; Shutdown
// does so until its context is done, and then drops what waits and says who is stuck.
//
// Who wants to wait for some of the tasks starts them through a [Batch]. [Submit]
// starts one task and returns a future of its result. A [Keyed] starts tasks that have a
// key, and runs those of one key one after another, or so many at once.
//
// # Tasks that wait for tasks
//
// A task may start others on its own pool and wait for them, to any depth, if it
// does so with the context that it was given: while it waits, it lends its place to them.
// See [Pool] for what that means for the number of workers.
//
// # Panics and Goexit
//
// A panic in a loop, a Batch or a Submit is raised where somebody waits. For a task of
// Pool.Go nobody does: its panic ends the process, or is handed to Options.OnPanic.
// The pool's worker survives a panic that is handed on, and a Goexit.
package pool
