package core

import "context"

// A Promise is the writing half of a [Future], for packages that start tasks of their own.
// It must be resolved exactly once.
type Promise[T any] struct{ future *Future[T] }

// NewPromise returns a promise of a new future.
func NewPromise[T any]() Promise[T] { return PromiseOf(new(Future[T])) }

// PromiseOf returns the promise of a zero future, which may be part of a larger value. That
// value stays reachable as long as the future is.
func PromiseOf[T any](f *Future[T]) Promise[T] { return Promise[T]{f} }

// Future returns the reading half.
func (p Promise[T]) Future() *Future[T] { return p.future }

// Help makes Get and GetContext call help before they wait: Get with a nil ctx, GetContext
// with its own. help may run the task that resolves the promise, and may do nothing. Help
// must be called before the future is given away.
func (p Promise[T]) Help(help func(ctx context.Context)) { p.future.help = help }

// Watch makes the process end with the panic of the task if the future is collected before
// a Get has raised it. It is for a future whose panic nothing else raises, and must be
// called before the future is given away. It costs nothing until the task panics. A panic
// whose value leads back to the future prevents the end, because the future is never
// collected then.
func (p Promise[T]) Watch() { p.future.watched = true }

// Owned says by what number the registry of core/sched knows the owner of the task, 0 if it
// does not. It must be called before the future is given away.
func (p Promise[T]) Owned(number uint32) { p.future.owner = number }

// Resolve gives the future its result. It panics if the future has one.
func (p Promise[T]) Resolve(value T, err error) { p.future.resolve(value, err, nil) }

// Run calls f and gives the future the outcome. A panic of f goes on to Run's caller, and so
// does a Goexit. Under the policy Crash a panic does not resolve the future, so that nobody
// goes on before the process has ended.
func (p Promise[T]) Run(policy PanicPolicy, f func() (T, error)) {
	var value T
	var err error
	Call(func() { value, err = f() }, func(panicked *PanicError) {
		var zero T
		if panicked == nil {
			p.Resolve(zero, ErrGoexit)
			return
		}
		if policy == Crash {
			panic(panicked.Value) // above the stack that the runtime then prints
		}
		p.future.resolve(zero, nil, panicked)
		panic(panicked)
	})
	p.Resolve(value, err)
}
