package errgroup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RaceOptions are the settings of a [Race] and of a [Quorum].
type RaceOptions[T any] struct {
	// Stagger is how long the functions that have been started have the field to
	// themselves. Race starts the next function when that has passed since the last start, or
	// when the function before has failed, whichever is first. Quorum starts as many as it
	// needs at once, and one more for each failure, or when Stagger has passed since the last
	// start. 0 starts all at once; a negative Stagger panics.
	Stagger time.Duration
	// Discard, if not nil, is called exactly once with each success that is not
	// returned, before Race or Quorum returns: say, to close a connection. It is called in
	// the goroutine of the function that lost, by several at once if several did, and
	// its panics are those of that function. It is called in the goroutine of Race or
	// Quorum with successes that would have been returned, if there had not been a failure or
	// a panic.
	Discard func(T)
	// Permanent, if not nil, is called with each error as long as there is no answer. If it
	// reports true, that error is the answer: the other functions are cancelled, and the
	// error is returned, alone and unchanged, when they have ended. Permanent is called as
	// Discard is.
	Permanent func(error) bool
}

var errEmptyRace = errors.New("errgroup: race of no functions")

// Race runs fs, each as a task, and returns the result of the first that succeeds.
// The context of the others is cancelled then, and Race returns when they have
// ended; their errors do not matter, and neither do those of the functions that
// failed before. If all fail, Race returns all their errors, combined in the order
// of fs, or the first that is permanent. A Race of nothing returns an error.
//
// When ctx is done no further function is started; Race returns the reason among
// the errors, unless one succeeds all the same.
//
// A panic or a Goexit of one, also of one that has lost, cancels the others, and
// Race raises it when they have ended.
//
// The functions' context is done when Race returns, so a result must not depend on
// it, as the body of an http.Response does.
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

// Quorum runs fs, each as a task, until n of them have succeeded, and returns their
// results in the order in which they came. As soon as n have succeeded, or so many have
// failed that n no longer can, the context of the others is cancelled, and Quorum returns
// when they have ended. In the second case it returns all errors, combined in the order of
// fs, or the first that is permanent, and no results.
//
// When ctx is done no further function is started; Quorum returns the reason among the
// errors, unless n succeed all the same.
//
// A quorum of 0 is reached at once, and nothing is started; neither is it for an n
// that is more than there are functions, which is an error. A negative n panics.
//
// A panic or a Goexit of one cancels the others, and Quorum raises it when they
// have ended.
//
// The functions' context is done when Quorum returns, so a result must not depend
// on it, as the body of an http.Response does.
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
