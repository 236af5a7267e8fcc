package errgroup

import (
	"context"
	"reflect"
)

// An Outcome is what a function of [Settle] has returned.
type Outcome[T any] struct {
	Value T     // also beside an error
	Err   error // nil if it succeeded
}

// Settle runs all of fs at once, each as a task, and returns what each has returned, in the
// order of fs, when every one has ended. An error cancels nothing.
//
// If ctx is done, functions that have not been started by then are not, and their Err is
// [context.Cause] of ctx. A panic or a Goexit of one cancels the others, and Settle raises it
// when they have ended. The functions' context is done when Settle returns.
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

// Errors returns the errors that err consists of, in order: the parts of a joined error,
// those of a joined error among them, and so on, or else err itself. It returns nil if err is
// nil. An error is joined if it has a method Unwrap() []error, as those have that Wait,
// [errors.Join] and a fmt.Errorf with several %w return.
//
// What wraps a joined error, as a [TaskError] may, is one error.
func Errors(err error) []error { return appendErrors(nil, err) }

func appendErrors(to []error, err error) []error {
	if err == nil {
		return to
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if v := reflect.ValueOf(err); !ok || v.Kind() == reflect.Pointer && v.IsNil() {
		return append(to, err) // the methods of a typed nil may well panic
	}
	parts := joined.Unwrap()
	if len(parts) == 0 {
		return append(to, err)
	}
	for _, part := range parts {
		to = appendErrors(to, part)
	}
	return to
}
