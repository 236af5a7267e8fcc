package group

import "github.com/coterie-go/coterie/core"

// A Promise is the writing half of a [Future], for packages that start tasks of
// their own. It is to be resolved exactly once.
type Promise[T any] struct{ future *Future[T] }

// NewPromise returns a promise of a new future.
func NewPromise[T any]() Promise[T] { return PromiseOf(new(Future[T])) }

// PromiseOf returns the promise of a zero future, which may be part of something
// larger: that stays reachable as long as the future is.
func PromiseOf[T any](f *Future[T]) Promise[T] { return Promise[T]{f} }

// Future returns the reading half.
func (p Promise[T]) Future() *Future[T] { return p.future }

// Resolve gives the future its result.
func (p Promise[T]) Resolve(value T, err error) { p.future.resolve(value, err, nil) }

// Help makes Get and GetContext call help before they wait. help may run the task
// that resolves the promise, for want of somebody else to do so, and may do nothing.
// Help is to be called before the future is given away.
func (p Promise[T]) Help(help func()) { p.future.help = help }

// Run calls f and gives the future whatever comes of that. A panic of f goes on
// to Run's caller, and so does a Goexit. Under the policy Crash a panic does not
// resolve the future, so that nobody goes on before the process has ended.
func (p Promise[T]) Run(policy PanicPolicy, f func() (T, error)) {
	var value T
	var err error
	core.Call(func() { value, err = f() }, func(panicked *core.PanicError) {
		var zero T
		if panicked == nil {
			p.Resolve(zero, core.ErrGoexit)
			return
		}
		if policy != Crash {
			p.future.resolve(zero, nil, panicked)
		}
		panic(panicked)
	})
	p.Resolve(value, err)
}
