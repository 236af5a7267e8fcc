package chaos_test

import (
	"context"
	"errors"

	"github.com/coterie-go/coterie/pool"
)

// getSome asks for the results of the function's futures.
func (f *frame) getSome(p *op) {
	for _, fut := range f.futures {
		f.get(fut, p.d)
	}
}

// get asks for a result, for at most d ticks.
func (f *frame) get(p *pending, d int) {
	ctx, cancel, cause := f.run.contextFor(d)
	defer cancel()
	goOn := func() {}
	if p.r.ctx != nil && p.r.owner.placeIn(p.r.at.tasks) != nil && len(f.insiders(p.r.owner)) > 0 {
		goOn = p.r.owner.root().lim.lend()
	}
	var value int
	var err error
	f.observe(func() {
		if d > 0 {
			value, err = p.fut.GetContext(ctx)
		} else {
			value, err = p.fut.Get()
		}
	}, func(got raised) {
		goOn()
		if d > 0 && err != nil && err == cause {
			return
		}
		p.r.checkResult(value, err, got)
	})
}

// contextFor returns a context that ends after d ticks for a cause of its own; at
// once if d is 0, and never if it is negative.
func (r *run) contextFor(d int) (context.Context, context.CancelFunc, error) {
	cause := &reason{int(r.ids.Add(1))}
	if d == 0 {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		return ctx, func() {}, cause
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), r.ticks(d), cause)
	return ctx, cancel, cause
}

// checkResult checks what a future says.
func (r *record) checkResult(value int, err error, got raised) {
	r.settled("Get")
	if r.state.Load() == sealed {
		if err == nil || !errors.Is(err, pool.ErrClosed) && (r.ctx == nil || !errors.Is(err, context.Cause(r.ctx))) {
			r.run.violation("task %d was dropped, and its future says %d, %v, raises %v", r.id, value, err, got)
		}
		return
	}
	if r.state.Load() == ended && !r.tells(value, err, got) {
		r.run.violation("task %d ended by %s, and its future says %d, %v, raises %v", r.id, endings[r.out.end], value, err, got)
	}
}

// tells reports whether this is what the future of the task has to say.
func (r *record) tells(value int, err error, got raised) bool {
	switch {
	case got.goexit:
		return false
	case r.out.panics() && r.sinks.panics == byError:
		return failure{record: r}.is(err)
	case r.out.panics():
		keys, ok := keysOf(got.value)
		mine, _ := keysOf(r.out.value)
		return ok && containsAny(keys, mine) && hasStack(got.value)
	case r.out.goexits():
		return got.value == nil && failure{record: r}.is(err)
	}
	return got.value == nil && value == r.id && err == r.out.err
}
