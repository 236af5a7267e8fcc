// Package core holds what the rest of coterie stands on: a [WaitGroup] whose
// counter and waiters share one atomic word, a weighted [Semaphore] that is
// first in, first out, and [Call], which runs a function and tells a return, a
// panic and a [runtime.Goexit] apart.
//
// Programs seldom need this package. They start goroutines through
// [github.com/coterie-go/coterie/group], which does the counting for them.
//
// # The race detector
//
// The race detector takes every atomic operation and every lock for an edge
// between goroutines. If the toolkit's own bookkeeping were seen that way, two
// tasks which nothing orders would look ordered, and a data race between them
// would go unreported. In builds with -race the bookkeeping therefore runs with
// the detector's synchronization handling off, as sync.WaitGroup's does, and
// each type states the edges that it promises, and makes those and no others.
package core

// noCopy makes go vet's copylocks check report a copy of the struct that holds
// it. See https://go.dev/issue/8005#issuecomment-190753527.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
