// Package core holds what the owners of goroutines, group, errgroup and pool, share with
// their users. A program seldom needs to import it.
//
// What a user of an owner meets:
//   - [PanicPolicy] says what becomes of a panic in a task. A [PanicError] is the panic, as
//     Wait and Get raise it. [ErrGoexit] stands for a task that called [runtime.Goexit].
//   - A [Future] is the result of a task to come. Fork and Submit make it.
//   - A [StuckError] says which tasks a wait was given up for. [ErrDone] is the cause with
//     which background tasks are cancelled.
//   - A weighted [Semaphore], first in, first out, limits several owners together.
//
// What an owner is made of: a [WaitGroup] whose counter and waiters share one atomic word;
// [Call], which tells a return, a panic and a Goexit apart; and [Promise], the writing half
// of a Future.
//
// # The race detector
//
// Each type states the edges that it promises: what happens before what. In builds with
// -race it makes these edges and no others. If the detector saw the bookkeeping, which is
// full of atomic operations and locks, two tasks that nothing orders would look ordered, and
// a data race between them would go unreported. See core/race.
package core

import "errors"

// ErrDone is the cause with which the context of a background task is cancelled when every
// other task of its owner has ended.
var ErrDone = errors.New("core: every other task has ended")

// noCopy makes go vet's copylocks check report a copy of the struct that holds it. See
// https://go.dev/issue/8005#issuecomment-190753527.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
