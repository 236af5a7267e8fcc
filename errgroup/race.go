package errgroup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RaceOptions are the settings of a [Race] and of a [Quorum].
type RaceOptions[T any] struct {
	// Stagger is the time between two starts. Race starts the next function when Stagger has passed
	// since the last start, or as soon as the function before fails. Quorum starts n functions at
	// once, and one more for each failure, or when Stagger has passed since the last start. 0
	// starts all functions at once. Race and Quorum panic if Stagger is negative.
	Stagger time.Duration
	// Discard, if not nil, is called exactly once with each success that is not returned, before
	// Race or Quorum returns: for example to close a connection. It is called in the goroutine of
	// the function that lost, perhaps in several goroutines at once. A panic of Discard counts as a
	// panic of that function. Race and Quorum call Discard in their own goroutine with successes
	// that they do not return because they fail or panic.
	Discard func(T)
	// Permanent, if not nil, is called with each error until there is an answer. If it reports
	// true, that error is the answer: the context of the other functions is cancelled, and when
	// they have ended Race or Quorum returns the error itself, unchanged. Permanent is called in
	// the goroutine of the function that failed, perhaps in several goroutines at once.
	Permanent func(error) bool
}

var errEmptyRace = errors.New("errgroup: race of no functions")

// Race runs fs, each as a task, and returns the result of the first that succeeds. As soon as a
// function succeeds, the context of the others is cancelled, and Race blocks until they have ended.
// It ignores all errors then. Race returns all errors, combined in the order of fs, if all
// functions fail. It returns only the permanent error if Permanent reports true. Race returns an
// error if there are no functions.
//
// Race starts no further function when ctx is done. It returns the cause among the errors, unless a
// function still succeeds.
//
// A panic or a Goexit of a function, also of one that has lost, cancels the context of the others.
// Race raises it when they have ended. Race panics if ctx or a function is nil.
//
// The functions' context is done when Race returns, so a result must not depend on it. The body of
// an http.Response does.
func Race[T any](ctx context.Context, opts RaceOptions[T], fs ...func(ctx context.Context) (T, error)) (T, error) {
	var zero T
	c := newContest(ctx, 1, opts, fs)
	if len(fs) == 0 {
		return zero, errEmptyRace
	}
	c.strict = true
	results, err := c.run(fs)
	if err != nil {
		return zero, err
	}
	return results[0], nil
}

// Quorum runs fs, each as a task, until n of them have succeeded, and returns their results in the
// order in which they came. As soon as n have succeeded, or so many have failed that n no longer
// can, the context of the others is cancelled, and Quorum blocks until they have ended. Quorum
// returns no results and all errors, combined in the order of fs, if fewer than n succeed. It
// returns only the permanent error if Permanent reports true.
//
// Quorum starts no further function when ctx is done. It returns the cause among the errors, unless
// n functions still succeed.
//
// Quorum starts nothing and returns nil if n is 0. It starts nothing and returns an error if n is
// more than the number of functions. It panics if n is negative.
//
// A panic or a Goexit of a function cancels the context of the others. Quorum raises it when they
// have ended. Quorum panics if ctx or a function is nil.
//
// The functions' context is done when Quorum returns, so a result must not depend on it. The body
// of an http.Response does.
func Quorum[T any](ctx context.Context, n int, opts RaceOptions[T], fs ...func(ctx context.Context) (T, error)) ([]T, error) {
	if n < 0 {
		panic(fmt.Sprintf("errgroup: negative quorum, got %d", n))
	}
	c := newContest(ctx, n, opts, fs)
	switch {
	case n > len(fs):
		return nil, fmt.Errorf("errgroup: quorum of %d among %d functions", n, len(fs))
	case n == 0:
		return nil, nil
	}
	return c.run(fs)
}
