//go:build race && !coterie_instrumented

package race

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Hidden reports whether this build hides bookkeeping from the race detector.
const Hidden = true

// Disable makes the race detector ignore the synchronization of the caller's goroutine until
// Enable. Calls nest.
func Disable() { runtime.RaceDisable() }

// Enable undoes one Disable.
func Enable() { runtime.RaceEnable() }

// A Point makes the edges that the toolkit promises: each call of Release happens before each later
// return of Acquire.
type Point struct{ _ byte }

// Release makes the code before it happen before the code after each later Acquire. It adds to
// earlier calls of Release.
func (p *Point) Release() { runtime.RaceReleaseMerge(unsafe.Pointer(p)) }

// Acquire orders the code after it after every earlier Release.
func (p *Point) Acquire() { runtime.RaceAcquire(unsafe.Pointer(p)) }

// hidden calls f. The race detector ignores the synchronization in f.
func hidden[T any](f func() T) T {
	Disable()
	v := f()
	Enable()
	return v
}

// A Uint64 is an atomic number whose operations order no two goroutines.
type Uint64 struct{ v atomic.Uint64 }

// Load returns the number.
func (u *Uint64) Load() uint64 { return hidden(u.v.Load) }

// Store sets the number to v.
func (u *Uint64) Store(v uint64) { hidden(func() uint64 { return u.v.Swap(v) }) }

// Add adds delta and returns the sum.
func (u *Uint64) Add(delta uint64) uint64 { return hidden(func() uint64 { return u.v.Add(delta) }) }

// And clears the bits that are not in mask, and returns the old number.
func (u *Uint64) And(mask uint64) uint64 { return hidden(func() uint64 { return u.v.And(mask) }) }

// Or sets the bits of mask, and returns the old number.
func (u *Uint64) Or(mask uint64) uint64 { return hidden(func() uint64 { return u.v.Or(mask) }) }

// CompareAndSwap sets the number to v if it is old, and reports whether it was.
func (u *Uint64) CompareAndSwap(old, v uint64) bool {
	return hidden(func() bool { return u.v.CompareAndSwap(old, v) })
}

// A Bool is an atomic bool whose operations order no two goroutines.
type Bool struct{ v atomic.Bool }

// Load returns the bool.
func (b *Bool) Load() bool { return hidden(b.v.Load) }

// Store sets the bool to v.
func (b *Bool) Store(v bool) { hidden(func() bool { return b.v.Swap(v) }) }

// A Pointer is an atomic pointer whose operations order no two goroutines.
type Pointer[T any] struct{ v atomic.Pointer[T] }

// Load returns the pointer.
func (p *Pointer[T]) Load() *T { return hidden(p.v.Load) }

// Store sets the pointer to v.
func (p *Pointer[T]) Store(v *T) { p.Swap(v) }

// Swap sets the pointer to v and returns the old one.
func (p *Pointer[T]) Swap(v *T) *T { return hidden(func() *T { return p.v.Swap(v) }) }

// CompareAndSwap sets the pointer to v if it is old, and reports whether it was.
func (p *Pointer[T]) CompareAndSwap(old, v *T) bool {
	return hidden(func() bool { return p.v.CompareAndSwap(old, v) })
}

// Close closes c. The close does not happen before a receive from c.
func Close[T any](c chan<- T) {
	Disable()
	close(c)
	Enable()
}

// Send sends v to c if that does not block. The send does not happen before the receive.
func Send[T any](c chan<- T, v T) {
	Disable()
	select {
	case c <- v:
	default:
	}
	Enable()
}

// Do calls f in a goroutine of its own, and returns when f has returned. The call of Do happens
// before f. The end of f does not happen before the return of Do. So f may use plain variables and
// locks, and orders no two callers. f must not panic or call runtime.Goexit.
func Do(f func()) {
	Get(func() struct{} { f(); return struct{}{} })
}

// Get is Do for a function with a result. There is no edge from f to the caller: the caller must
// not read memory through pointers in the result if other goroutines write it.
func Get[T any](f func() T) T {
	result := make(chan T)
	go func() {
		v := f()
		Disable()
		result <- v
		Enable()
	}()
	return hidden(func() T { return <-result })
}

// Isolate calls f in a goroutine of its own, and returns when f has ended, also by runtime.Goexit.
// The call of Isolate happens before f. The end of f happens before each later return of
// end.Acquire, but not before the return of Isolate. So a goroutine that runs one task after
// another does not order them.
func Isolate(end *Point, f func()) {
	ended := make(chan struct{})
	go func() {
		defer func() {
			end.Release()
			Close(ended)
		}()
		f()
	}()
	hidden(func() struct{} { return <-ended })
}

// Copy returns a copy of v. The race detector does not see that Copy reads v.
//
//go:norace
func Copy[T any](v []T) []T {
	c := make([]T, len(v))
	for i := len(v) - 1; i >= 0; i-- { // the detector would see the builtin copy
		c[i] = v[i]
	}
	return c
}

// Load returns *p. The race detector does not see that Load reads it.
//
//go:norace
func Load[T any](p *T) T { return *p }

// Text returns a copy of s. The race detector does not see that Text reads s.
//
//go:norace
func Text(s string) string {
	b := make([]byte, len(s))
	for i := range len(s) { // the detector would see the builtin copy
		b[i] = s[i]
	}
	return string(b)
}
