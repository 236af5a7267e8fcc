package pool

import (
	"context"
	"iter"
	"runtime"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// Map calls f for each item of seq, up to workers of them at once, and yields the
// results in the order of seq, each as soon as it and those before it are there.
// workers < 1 stands for GOMAXPROCS.
//
// Leaving the range loop in any way cancels the context that f is given, stops
// seq, and goes on when every call has ended. An error from f is yielded after
// the results of the items before it, and ends the sequence; so does, once,
// [context.Cause] of ctx when that is done. A panic of f or of seq is raised in
// the range loop as a *[core.PanicError], and a Goexit of either ends the
// goroutine that runs the loop. Each range over the sequence runs seq anew.
func Map[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapSeq(ctx, workers, seq, f, true)
}

// MapUnordered is [Map] that yields the results as the calls finish.
func MapUnordered[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapSeq(ctx, workers, seq, f, false)
}

func mapSeq[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error), ordered bool) iter.Seq2[R, error] {
	workers = checkLoop(ctx, workers)
	if seq == nil {
		panic("pool: nil seq")
	}
	if f == nil {
		panic("pool: nil func")
	}
	type result struct {
		value R
		crewOutcome
	}
	return func(yield func(R, error) bool) {
		var zero R
		if ctx.Err() != nil {
			yield(zero, context.Cause(ctx))
			return
		}
		l := newCrew(ctx)
		defer func() {
			l.cancel(nil)
			l.crew.Wait()
		}()
		room := make(chan struct{}, workers) // held by each item from its pull until it has ended
		finished := make(chan result, workers)
		order := make(chan chan result, workers)
		read := func() {
			defer close(order)
			core.Call(func() {
				for v := range seq {
					select {
					case room <- struct{}{}:
					case <-l.ctx.Done():
						return
					}
					at := finished
					if ordered {
						at = make(chan result, 1)
					}
					select {
					case order <- at:
					case <-l.ctx.Done():
						return
					}
					l.crew.Go(func() {
						var r result
						defer func() {
							select {
							case at <- r:
							case <-l.ctx.Done():
							}
							<-room
						}()
						core.Call(func() { r.value, r.err = f(l.ctx, v) }, r.abort)
					})
				}
			}, func(p *core.PanicError) {
				at := make(chan result, 1)
				at <- result{crewOutcome: crewOutcome{panicked: p, goexit: p == nil}}
				select {
				case order <- at:
				case <-l.ctx.Done():
				}
			})
		}
		l.crew.Go(read)
		for {
			var r result
			var at chan result
			var more bool
			select {
			case at, more = <-order:
			case <-ctx.Done():
			}
			if more {
				select {
				case r = <-at:
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil {
				r = result{crewOutcome: crewOutcome{err: context.Cause(ctx)}}
			} else if !more {
				return
			}
			if !r.ok() {
				l.cancel(r.err)
				l.crew.Wait()
				yield(r.value, r.raise())
				return
			}
			if !yield(r.value, nil) {
				return
			}
		}
	}
}

type crewOutcome struct {
	err      error
	panicked *core.PanicError
	goexit   bool
}

func (o crewOutcome) ok() bool { return o.err == nil && o.panicked == nil && !o.goexit }

func (o crewOutcome) raise() error {
	if o.panicked != nil {
		panic(o.panicked)
	}
	if o.goexit {
		runtime.Goexit()
	}
	return o.err
}
func (o *crewOutcome) abort(p *core.PanicError) { o.panicked, o.goexit = p, p == nil }

type crewLoop struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	crew   group.Group
}

func newCrew(ctx context.Context) *crewLoop {
	l := &crewLoop{}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}
