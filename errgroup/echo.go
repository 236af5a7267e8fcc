package errgroup

import (
	"context"
	"reflect"

	"github.com/coterie-go/coterie/core"
)

// An echo is an error that says no more than that the group's context is done.
type echo struct {
	err, cause error // the context's
	wide       bool  // also what wraps err
}

// isEcho tells whether err, which a task has just returned, only reports that ctx,
// the group's context, which is done, is so. An error that wraps the context's Err, which may
// be that of any other, is in doubt; wide tells how to decide. Failing fast, a
// group keeps one echo and one other error, so that it is yes which hides nothing.
// Collecting, it is no.
func isEcho(err error, ctx context.Context, wide bool) bool {
	e := echo{err: ctx.Err(), cause: context.Cause(ctx), wide: wide}
	return e.is(err, true)
}

// is walks the tree of err. bare is true while nothing was found to wrap it.
func (e *echo) is(err error, bare bool) bool {
	if same(err, e.err) {
		return bare || e.wide
	}
	if same(err, e.cause) {
		return true
	}
	if v := reflect.ValueOf(err); err == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return false // the methods of a typed nil may well panic
	}
	switch x := err.(type) {
	case *core.PanicError:
		return false // whatever it is that it panicked with
	case interface{ Unwrap() []error }:
		parts := x.Unwrap()
		for _, part := range parts {
			if !e.is(part, bare) {
				return false
			}
		}
		return len(parts) > 0
	}
	if x, ok := err.(interface{ Is(error) bool }); ok && (e.wide && x.Is(e.err) || e.cause != nil && x.Is(e.cause)) {
		return true
	}
	x, ok := err.(interface{ Unwrap() error })
	return ok && e.is(x.Unwrap(), false)
}

func same(err, target error) bool {
	return reflect.ValueOf(target).Comparable() && err == target
}
