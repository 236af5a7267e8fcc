package core

import "context"

// A Promise is the writing half of a [Future]. It is for packages that start tasks themselves. It
// must be resolved exactly once.
type Promise[T any] struct{ future *Future[T] }

// NewPromise returns the promise of a new future.
func NewPromise[T any]() Promise[T] { return PromiseOf(new(Future[T])) }

// PromiseOf returns the promise of the zero future f. f may be a field of a larger value, which
// then stays reachable as long as f is.
func PromiseOf[T any](f *Future[T]) Promise[T] { return Promise[T]{f} }

// Future returns the promise's future.
func (p Promise[T]) Future() *Future[T] { return p.future }

// Help makes Get and GetContext call help before they block. Get passes a nil ctx, and GetContext
// passes its own. help may run the task that resolves the promise, or do nothing. Help must be
// called before the future is returned to a user.
func (p Promise[T]) Help(help func(ctx context.Context)) { p.future.help = help }

// Watch makes the process end with the panic of the task if the future is garbage-collected before
// a Get has raised the panic. It is for a future whose panic nothing else raises. It must be called
// before the future is returned to a user. It costs nothing until the task panics. If the panic's
// value points back to the future, the future is never collected, and the process does not end.
func (p Promise[T]) Watch() { p.future.watched = true }

// Owned sets the number of the task's owner in the registry of core/sched; 0 means that the owner
// is not there. It must be called before the future is returned to a user.
func (p Promise[T]) Owned(number uint32) { p.future.owner = number }

// Resolve gives the future its result. It panics if the future already has one.
func (p Promise[T]) Resolve(value T, err error) { p.future.resolve(value, err, nil) }

// Abort gives the future the panic of the task, which Get raises. If panicked is nil, the task has
// called [runtime.Goexit], and Get returns [ErrGoexit]. Abort does nothing if the future already
// has a result.
func (p Promise[T]) Abort(panicked *PanicError) {
	var zero T
	if p.future.ready() {
		return
	}
	if panicked == nil {
		p.Resolve(zero, ErrGoexit)
		return
	}
	p.future.resolve(zero, nil, panicked)
}
