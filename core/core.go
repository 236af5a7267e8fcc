// Package core holds the types that the users of group, errgroup and pool meet, and the types from
// which these owners are made. Few programs need to import it.
//
// The types that users meet:
//   - [PanicPolicy] selects what an owner does with a panic of a task. Wait and Get raise the panic
//     as a [PanicError]. [ErrGoexit] is the error of a task that called [runtime.Goexit].
//   - A [Future] holds the result of a task. Fork and Submit make it.
//   - A [StuckError] lists the tasks that had not ended when a wait gave up. [ErrDone] is the cause
//     with which an owner cancels its background tasks.
//   - A weighted [Semaphore], first in, first out, limits several owners together.
//
// The parts of an owner: a [WaitGroup] whose counter and waiters share one atomic word; [Call],
// which distinguishes a return, a panic and a Goexit; and [Promise], the writing half of a Future.
//
// # The race detector
//
// The documentation of each type states the happens-before edges that it promises. In builds with
// -race it makes these edges and no others. The bookkeeping is full of atomic operations and locks.
// If the detector saw it, two unordered tasks would look ordered, and the detector would not report
// a data race between them. See core/race.
//
// [docs/guide/limits.md] shows a Semaphore that several owners share, and [docs/guide/stuck.md]
// what a StuckError reports.
//
// [docs/guide/limits.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/limits.md
// [docs/guide/stuck.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/stuck.md
package core

import "errors"

// ErrDone is the cause with which an owner cancels the contexts of its background tasks when every
// other task has ended.
var ErrDone = errors.New("core: every other task has ended")

// noCopy makes go vet's copylocks check report a copy of the struct that holds it. See
// https://go.dev/issue/8005#issuecomment-190753527.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
