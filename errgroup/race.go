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
	// panic of that function. If Race or Quorum fails or panics, it calls Discard in its own
	// goroutine with the successes that it would have returned.
	Discard func(T)
	// Permanent, if not nil, is called with each error until there is an answer. If it reports
	// true, that error is the answer: the context of the other functions is cancelled, and when
	// they have ended Race or Quorum returns the error, alone and unchanged. Permanent is called in
	// the goroutine of the function that failed, perhaps in several goroutines at once.
	Permanent func(error) bool
}

var errEmptyRace = errors.New("errgroup: race of no functions")

// Race runs fs, each as a task, and returns the result of the first that succeeds. As soon as a
// function succeeds, the context of the others is cancelled, and Race blocks until they have ended.
// It ignores all errors then. If all functions fail, Race returns all their errors, combined in the
// order of fs. If Permanent reports true, it returns only that error. Without functions Race
// returns an error.
//
// When ctx is done, Race starts no further function. It returns the cause among the errors, unless
// a function still succeeds.
//
// If a function panics or calls Goexit, also one that has lost, the context of the others is
// cancelled, and Race raises it when they have ended. Race panics if ctx or a function is nil.
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
// can, the context of the others is cancelled, and Quorum blocks until they have ended. If fewer
// than n succeed, Quorum returns no results, and all errors, combined in the order of fs. If
// Permanent reports true, it returns only that error.
//
// When ctx is done, Quorum starts no further function. It returns the cause among the errors,
// unless n functions still succeed.
//
// If n is 0, Quorum starts nothing and returns nil. If n is more than the number of functions, it
// starts nothing and returns an error. If n is negative, it panics.
//
// If a function panics or calls Goexit, the context of the others is cancelled, and Quorum raises
// it when they have ended. Quorum panics if ctx or a function is nil.
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
