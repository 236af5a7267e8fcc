package errgroup

import (
	"context"
	"reflect"
)

// An Outcome holds the results of one function of [Settle].
type Outcome[T any] struct {
	Value T     // also set beside an error
	Err   error // nil if it succeeded
}

// Settle runs all of fs at once, each as a task. It blocks until all have ended, and returns their
// results and errors in the order of fs. An error cancels nothing.
//
// Settle starts no further function when ctx is done: their Err is [context.Cause] of ctx. A
// panic or a Goexit of a function cancels the context of the others. Settle raises it when they
// have ended. The functions' context is done when Settle returns. Settle panics if ctx or a
// function is nil.
func Settle[T any](ctx context.Context, fs ...func(ctx context.Context) (T, error)) []Outcome[T] {
	checkFuncs(fs)
	g, ctx := WithContext(ctx)
	outcomes := make([]Outcome[T], len(fs))
	for i, f := range fs {
		o := &outcomes[i]
		if ctx.Err() != nil {
			o.Err = context.Cause(ctx)
			continue
		}
		g.Go(func() error {
			o.Value, o.Err = f(ctx)
			return nil
		})
	}
	_ = g.Wait() // no task returns an error
	return outcomes
}

// Errors returns the parts of err, in order. If err is a joined error, these are the parts of its
// parts, and so on. If not, err is the only part. Errors returns nil if err is nil. A joined error
// has a method Unwrap() []error: Wait, [errors.Join] and fmt.Errorf with several %w return such
// errors.
//
// An error that wraps a joined error, as a [TaskError] may, is one part.
func Errors(err error) []error { return appendErrors(nil, err) }

func appendErrors(to []error, err error) []error {
	if err == nil {
		return to
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if v := reflect.ValueOf(err); !ok || v.Kind() == reflect.Pointer && v.IsNil() {
		return append(to, err) // the methods of a typed nil may panic
	}
	before := len(to)
	for _, part := range joined.Unwrap() {
		to = appendErrors(to, part)
	}
	if len(to) == before { // it has no parts, or all are nil
		return append(to, err)
	}
	return to
}
