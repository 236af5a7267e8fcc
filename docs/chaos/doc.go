// Package chaos tests coterie as its users meet it: random trees of all owners, and an
// oracle that counts every task. It uses the public API of core, group, errgroup and
// pool, and nothing of their insides.
//
// # What a tree does
//
// A tree is made of a seed. Owners nest in each other at random: groups and scopes
// with and without a limit, a semaphore (which two may share), a name; errgroups that
// fail fast, collect, capture; pools of one to eight workers with small and large
// queues, and batches and Keyeds of them; background tasks; loops (For, MapSlice, Each, Map, MapUnordered); Gather,
// Race and Quorum. Tasks are started by every verb, from one goroutine or several, by
// other tasks, and in owners further out. They return, fail, panic, call Goexit, panic
// during a Goexit and the reverse, sleep, wait for each other, cancel contexts, change
// limits, close pools, give up on waits, break out of loops, and misuse their owner.
//
// Each tree ends if the packages do what their documentation promises: what a task may
// wait for follows rules, which stand at the generator in generate_test.go.
//
// # What is checked
//
//   - An accepted task runs once. Of a pool it may be dropped instead, if its context
//     is done or a Shutdown has given up, and then it never runs. A task that was
//     refused never runs, and was refused for a reason.
//   - When Wait, a scope, a Get, Close or a loop returns, what it waits for has ended.
//     Nothing begins after the end of its owner.
//   - No more tasks run than a limit, a semaphore, a pool or a loop allows. A task that
//     waits for others with its context does not count meanwhile. A paused owner
//     starts none.
//   - One worker, or a limit of one, begins tasks in the order in which they came. So
//     does a key with one task at a time.
//   - In fake time, a task of a group begins at the instant at which it was accepted,
//     and no task of a pool waits, or is dropped for its context, while a worker is free.
//   - A background task begins at once. Its context ends when the last other task has
//     ended and somebody waits, and not before and not later.
//   - A Replace of a key drops those that wait, cancels those that run, and begins when
//     they have ended. A task that starts another of its own key does not wait.
//   - Panics surface where they belong (Wait, Get, the end of a scope or a loop, OnPanic),
//     once, with the stack of their origin, and all of them. So does a Goexit.
//   - Wait returns the first error, or all of them in order. A StuckError comes when
//     the context is done, not before and not later, and only if something is left.
//   - Results of loops and futures are those of their tasks, in order. Discard gets
//     each success that is not returned. Stats counts what happened.
//   - What is written before a task is started is seen in it, and what it writes is
//     seen after a wait: these accesses are plain, and a build with -race checks them.
//   - No goroutine is left. In fake time no tree blocks for ever.
//
// Not checked: labels, names and texts (but for some features), the policy Crash and
// everything else that ends the process, memory, speed, fairness beyond the order with
// one worker, whether races of users are reported, and how many tasks wait for their keys.
//
// What is known to fail, or is promised and not built yet, stands in a table in
// features_test.go and is switched on there, or by a flag, when it is done. Most
// features make trees do more; some make the oracle insist on more.
//
// # How to run it
//
// A plain go test runs some dozens of trees in fake time, in a testing/synctest bubble,
// and as many in real time, with 1, 2 and 8 Ps in turn. It also runs some trees that are made by
// hand, because the generator rarely makes them.
//
//	go test ./docs/chaos -v -chaos.trees 100000            // from seed 1 on
//	go test ./docs/chaos -v -chaos.time 10m -chaos.seed 7  // from seed 7 on, for 10 minutes in each mode
//	go test ./docs/chaos -race -v -chaos.time 10m
//	go test ./docs/chaos -run FakeTime -chaos.seed 40 -chaos.trees 1 -chaos.procs 8 -chaos.repeat 1000
//	go test ./docs/chaos -run FakeTime -chaos.trees 5000 -chaos.features recursion,inputAborts
//	go test ./docs/chaos -v -chaos.trees 3 -chaos.print    // show the trees
//
// A tree that fails is made smaller as long as it fails, and printed. The scheduler is
// not part of the seed: a tree may fail once in many runs, which -chaos.repeat is for.
// If the process dies, the trace shows the tree's seed, in hexadecimal, as the first
// argument of chaos_test.follow.
package chaos
