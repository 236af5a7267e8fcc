package sched

import (
	"context"
	"reflect"

	"github.com/coterie-go/coterie/core"
)

// This file distinguishes failures of tasks from cancellation reports. A cancellation report is an
// error that reports only that the task's context is done.

// A cancellationReport holds the values that identify the cancellation reports of one context.
type cancellationReport struct {
	err     error // the context's Err
	cause   error // its cause, or nil if the cause is Err
	lenient bool  // an error that wraps Err is a report too
}

// IsCancellationReport reports whether err, which a task has returned, is a cancellation report of
// ctx. It reports false if ctx is not done. An error that wraps ctx.Err() may come from another
// context. It counts as a report if lenient is set. An owner that fails fast is lenient: it keeps
// one report and one other error, so it loses neither. An owner that collects errors is not
// lenient: it keeps such an error with the others.
func IsCancellationReport(err error, ctx context.Context, lenient bool) bool {
	if ctx.Err() == nil {
		return false
	}
	r := cancellationReport{err: ctx.Err(), cause: context.Cause(ctx), lenient: lenient}
	if SameError(r.cause, r.err) {
		r.cause = nil
	}
	return r.is(err, true)
}

// is walks the tree of err. bare is true until is unwraps an error.
func (r *cancellationReport) is(err error, bare bool) bool {
	if err == nil {
		return false
	}
	if SameError(err, r.err) {
		return bare || r.lenient
	}
	if SameError(err, r.cause) {
		return true
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		return false // the methods of a typed nil may panic
	}
	switch x := err.(type) {
	case *core.PanicError:
		return false // also if the value of the panic is a report
	case interface{ Unwrap() []error }:
		return r.areAll(x.Unwrap(), bare)
	}
	if r.says(err) {
		return true
	}
	x, ok := err.(interface{ Unwrap() error })
	return ok && r.is(x.Unwrap(), false)
}

// areAll reports whether errs is not empty and each is a cancellation report.
func (r *cancellationReport) areAll(errs []error, bare bool) bool {
	for _, err := range errs {
		if !r.is(err, bare) {
			return false
		}
	}
	return len(errs) > 0
}

// says reports whether err has an Is method that accepts the context's error or cause.
func (r *cancellationReport) says(err error) bool {
	x, ok := err.(interface{ Is(error) bool })
	return ok && (r.lenient && x.Is(r.err) || r.cause != nil && x.Is(r.cause))
}

// SameError is == for errors that may not be comparable.
func SameError(err, target error) bool {
	return reflect.ValueOf(target).Comparable() && err == target
}
