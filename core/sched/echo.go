package sched

import (
	"context"
	"reflect"

	"github.com/coterie-go/coterie/core"
)

// An echo is an error of a task that says no more than that the task's context, or the
// owner's, is done. The struct is what to tell one by.
type echo struct {
	err     error // the context's Err
	cause   error // its cause, or nil if that is Err
	lenient bool  // what wraps Err is one, too
}

// IsEcho reports whether err, which a task has returned, is an echo of ctx. It is none if
// ctx is not done. What wraps the Err of ctx may have come of another context, and is in
// doubt. Failing fast, an owner keeps an echo and another error, one each, so that
// to call it an echo hides nothing: that is lenient. Collecting, not to call it one
// hides nothing.
func IsEcho(err error, ctx context.Context, lenient bool) bool {
	if ctx.Err() == nil {
		return false
	}
	e := echo{err: ctx.Err(), cause: context.Cause(ctx), lenient: lenient}
	if SameError(e.cause, e.err) {
		e.cause = nil
	}
	return e.is(err, true)
}

// is walks the tree of err. bare is true while nothing was found to wrap it.
func (e *echo) is(err error, bare bool) bool {
	if err == nil {
		return false
	}
	if SameError(err, e.err) {
		return bare || e.lenient
	}
	if SameError(err, e.cause) {
		return true
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		return false // the methods of a typed nil may well panic
	}
	switch x := err.(type) {
	case *core.PanicError:
		return false // whatever it is that it panicked with
	case interface{ Unwrap() []error }:
		return e.areAll(x.Unwrap(), bare)
	}
	if e.says(err) {
		return true
	}
	x, ok := err.(interface{ Unwrap() error })
	return ok && e.is(x.Unwrap(), false)
}

// areAll reports whether there are errors, and all of them are echoes.
func (e *echo) areAll(errs []error, bare bool) bool {
	for _, err := range errs {
		if !e.is(err, bare) {
			return false
		}
	}
	return len(errs) > 0
}

// says reports whether the Is method of err, if it has one, takes it for an echo.
func (e *echo) says(err error) bool {
	x, ok := err.(interface{ Is(error) bool })
	return ok && (e.lenient && x.Is(e.err) || e.cause != nil && x.Is(e.cause))
}

// SameError is == for errors that may not be comparable.
func SameError(err, target error) bool {
	return reflect.ValueOf(target).Comparable() && err == target
}
