// Package pool runs tasks on a bounded number of workers: loops and iterators over data, and tasks
// that are submitted one by one.
//
// # Loops
//
// [For] runs a function for each number of 0..n-1, [MapSlice] for each element of a
// slice, [Each] for each item of a sequence, which may be endless. They block until all calls have
// ended. An error cancels the rest.
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
// A body that leaves the loop, in any way, cancels the calls that run, waits for them and stops the
// input. A loop suits items that take nanoseconds and items that take seconds: it measures how many
// items a worker should take at a time.
//
// Loops chain: [Then] is Map with another loop as its input. [Keep] makes a loop continue after an
// error. [Chunk] makes slices by number or time. [Merge] makes one sequence of several. A body that
// leaves the last loop ends all of them. [docs/guide/pipelines.md] builds pipelines of several
// stages.
//
// # Pools
//
// A [Pool] is for tasks that come from several places, or over a long time. It has a bounded queue.
// A submitter that finds the queue full blocks until there is room. Workers start when there are
// tasks, and end when they have been idle for a while.
//
//	p := pool.New(8, pool.Options{Name: "mail"})
//	p.Go(func() { send(message) })
//
// A pool has the five verbs of every owner: Go, TryGo, GoContext, Wait and WaitContext. See package
// group. Close refuses new tasks, and blocks until the accepted tasks and the workers have ended.
// Shutdown is Close, but when its context is done, it drops the queued tasks and returns an error
// that lists the tasks that run. [docs/guide/shutdown.md] ends a program without losing work.
//
// A [Batch] starts tasks and waits for only these. [Submit] starts a task and returns a future for
// its result. A [Keyed] starts tasks that have a key. It runs the tasks of one key one after
// another, or up to a given number at once; see [docs/guide/keys.md].
//
// # Tasks that wait for tasks
//
// A task may start other tasks on its own pool and wait for them, to any depth. It must do so with
// its own context: while it waits, it lends its place to them. See [Pool] for what that means for
// the number of workers, and [docs/guide/limits.md] for examples.
//
// # Panics and Goexit
//
// The loop, the Wait of a Batch or a Keyed, or the Get of a Submit raises a panic of its task. No
// caller waits for a single task of Pool.Go: its panic goes to Options.OnPanic, or ends the
// process. The pool stays usable after a Goexit, and after a panic that does not end the process.
//
// [docs/guide/keys.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/keys.md
// [docs/guide/limits.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/limits.md
// [docs/guide/pipelines.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/pipelines.md
// [docs/guide/shutdown.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/shutdown.md
package pool
