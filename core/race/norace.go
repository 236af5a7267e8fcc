//go:build !race || coterie_instrumented

package race

import "sync/atomic"

// Hidden reports whether this build hides bookkeeping from the race detector.
const Hidden = false

// Disable does nothing in this build.
func Disable() {}

// Enable does nothing in this build.
func Enable() {}

// A Point makes the edges that the toolkit promises in a race build. In this build it does nothing.
type Point struct{}

// Release does nothing in this build.
func (p *Point) Release() {}

// Acquire does nothing in this build.
func (p *Point) Acquire() {}

// A Uint64 is an atomic number.
type Uint64 = atomic.Uint64

// A Bool is an atomic bool.
type Bool = atomic.Bool

// A Pointer is an atomic pointer.
type Pointer[T any] = atomic.Pointer[T]

// Close closes c.
func Close[T any](c chan<- T) { close(c) }

// Send sends v to c if that does not block.
func Send[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

// Do calls f.
func Do(f func()) { f() }

// Get calls f.
func Get[T any](f func() T) T { return f() }

// Isolate calls f.
func Isolate(_ *Point, f func()) { f() }

// Copy returns v.
func Copy[T any](v []T) []T { return v }

// Load returns *p.
func Load[T any](p *T) T { return *p }

// Text returns s.
func Text(s string) string { return s }
