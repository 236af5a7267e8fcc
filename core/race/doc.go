// Package race keeps the toolkit's bookkeeping out of the race detector's sight. It
// is for this module.
//
// The race detector takes every atomic operation and every lock for an edge between
// goroutines. If it saw the toolkit's own bookkeeping, two tasks that nothing orders
// would look ordered, and a data race between them would go unreported. In a build
// with -race an owner therefore does its bookkeeping within [Do] and [Get], whose
// edges go in and not out, and makes the edges that it promises with a [Point].
//
// The build tag coterie_instrumented switches all of this off, so that the project's
// own tests can race the bookkeeping itself.
package race
