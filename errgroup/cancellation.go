package errgroup

import (
	"context"
	"reflect"

	"github.com/coterie-go/coterie/core"
)

// A cancellation report is an error that only reports that the group's context is done. A
// cancellation holds the values that identify one.
type cancellation struct {
	err     error // the context's Err
	cause   error // its cause, or nil if that is Err
	lenient bool  // an error that wraps Err is one too
}

// isCancellation reports whether err, which a task has returned, is a cancellation report for ctx,
// which is done. An error that wraps the Err of ctx may come from another context. If lenient is
// set, it counts as a cancellation report. A group that fails fast is lenient: it keeps one
// cancellation report and one other error, so it loses neither. A group with Collect is not: it
// keeps such an error with the others.
func isCancellation(err error, ctx context.Context, lenient bool) bool {
	c := cancellation{err: ctx.Err(), cause: context.Cause(ctx), lenient: lenient}
	if same(c.cause, c.err) {
		c.cause = nil
	}
	return c.is(err, true)
}

// is walks the tree of err. bare is true until is unwraps an error.
func (c *cancellation) is(err error, bare bool) bool {
	if err == nil {
		return false
	}
	if same(err, c.err) {
		return bare || c.lenient
	}
	if same(err, c.cause) {
		return true
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		return false // the methods of a typed nil may well panic
	}
	switch x := err.(type) {
	case *core.PanicError:
		return false // also if the value of the panic is one
	case interface{ Unwrap() []error }:
		return c.areAll(x.Unwrap(), bare)
	}
	if c.says(err) {
		return true
	}
	x, ok := err.(interface{ Unwrap() error })
	return ok && c.is(x.Unwrap(), false)
}

// areAll reports whether errs is not empty and each is a cancellation report.
func (c *cancellation) areAll(errs []error, bare bool) bool {
	for _, err := range errs {
		if !c.is(err, bare) {
			return false
		}
	}
	return len(errs) > 0
}

// says reports whether err has a method Is that identifies it as a cancellation report.
func (c *cancellation) says(err error) bool {
	x, ok := err.(interface{ Is(error) bool })
	return ok && (c.lenient && x.Is(c.err) || c.cause != nil && x.Is(c.cause))
}

// same is == for errors that may not be comparable.
func same(err, target error) bool {
	return reflect.ValueOf(target).Comparable() && err == target
}
