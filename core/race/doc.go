// Package race hides the toolkit's bookkeeping from the race detector. Only this module uses it.
//
// The race detector takes every atomic operation and every lock for a happens-before edge between
// goroutines. If it saw the toolkit's own bookkeeping, two unordered tasks would look ordered, and
// it would not report a data race between them. So in a build with -race an owner runs its
// bookkeeping in [Do] and [Get], whose edges go in and not out. It makes the edges that it promises
// with a [Point].
//
// The build tag coterie_instrumented switches all of this off, so that tests with -race can find
// data races in the bookkeeping itself.
package race
