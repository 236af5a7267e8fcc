package chaos_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/coterie-go/coterie/core/sched"
)

// A level is a function around the one that runs: the task or the lane of an
// owner, an item of a loop, a function of a Race. The innermost is the last.
type level struct {
	o      *ownerRun // nil: of no owner
	rec    *record   // nil: a lane, which is outside of its owner
	ctx    context.Context
	budget *limiter // where loops with ctx get their workers from; nil: they start their own

	tasks []*record // from whose contexts ctx derives, the innermost last
}

// A frame is a function of the tree that runs.
type frame struct {
	run     *run
	levels  []level
	out     *outcome // how it ends
	futures []*pending
	seq     int // of what it starts
}

// pending is a future whose result has not been asked for.
type pending struct {
	r   *record
	fut future
}

// within returns the frame of a function within the levels.
func (r *run) within(levels []level, inner level) *frame {
	return &frame{run: r, levels: append(slices.Clip(levels), inner), out: new(outcome)}
}

func (f *frame) inner() level { return f.levels[len(f.levels)-1] }

func (f *frame) do(ops []*op) {
	for _, o := range ops {
		actions[o.kind](f, o)
	}
}

// observe makes a call and checks what comes of it. A panic is caught. A Goexit is
// not, and it may be under way beside a panic: then observe does not return, and the
// caller's deferred functions see to the rest.
func (f *frame) observe(call func(), check func(got raised)) raised {
	before := *f.out
	got := f.caught(call, check)
	*f.out = before
	return got
}

func (f *frame) caught(call func(), check func(got raised)) (got raised) {
	returned := false
	defer func() {
		got.value = recover()
		got.goexit = got.value == nil && !returned
		if !returned {
			*f.out = outcome{end: endGoexit}
		}
		check(got)
	}()
	call()
	returned = true
	return got
}

// beside runs a part of the tree in a goroutine of its own. A panic that goes on to
// there has been raised before, and ends there.
func (r *run) beside(levels []level, part func(f *frame)) (done chan struct{}) {
	done = make(chan struct{})
	f := &frame{run: r, levels: levels, out: new(outcome)}
	go func() {
		defer close(done)
		defer func() {
			value := recover()
			if _, ok := keysOf(value); !ok && value != nil {
				r.violation("panic %v\n%s", value, debug.Stack())
			}
		}()
		defer f.settle()
		part(f)
	}()
	return done
}

// finish ends the function.
func (f *frame) finish(end ending, id int) error {
	switch end {
	case endFail:
		*f.out = outcome{end: endFail, err: &fault{id}}
	case endEcho:
		return f.echo()
	case endPanic:
		f.raise(&blast{id})
	case endServe:
		return f.serve()
	case endGoexit:
		*f.out = outcome{end: endGoexit}
		runtime.Goexit()
	case endPanicInGoexit:
		*f.out = outcome{end: endPanicInGoexit, value: &blast{id}}
		defer blowUp(f.out.value)
		runtime.Goexit()
	case endGoexitInPanic:
		*f.out = outcome{end: endGoexitInPanic}
		defer runtime.Goexit()
		blowUp(&blast{id})
	}
	return f.out.err
}

func (f *frame) raise(value any) {
	*f.out = outcome{end: endPanic, value: value}
	blowUp(value)
}

// blowUp is the function that a panic's stack has to show.
//
//go:noinline
func blowUp(value any) { panic(value) }

// echo waits until the function's context is done, and returns why.
func (f *frame) echo() error {
	ctx := f.inner().ctx
	select {
	case <-ctx.Done():
	case <-time.After(f.run.ticks(5)):
		return nil
	}
	*f.out = outcome{end: endEcho, err: context.Cause(ctx)}
	if why, ok := f.out.err.(*reason); ok { // the owner may cancel other contexts with it, later
		f.run.ends.Store(why, int64(never))
	}
	if f.run.ids.Load()%2 == 0 {
		f.out.err = ctx.Err()
	}
	return f.out.err
}

// settle asks for the results that are left.
func (f *frame) settle() {
	for len(f.futures) > 0 {
		p := f.futures[0]
		f.futures = f.futures[1:]
		f.get(p, 0)
	}
}

func (f *frame) sleep(o *op) { time.Sleep(f.run.ticks(o.d)) }

func (f *frame) yield(o *op) {
	for range o.n {
		runtime.Gosched()
	}
}

func (f *frame) await(o *op) {
	select {
	case <-f.inner().ctx.Done():
	case <-time.After(f.run.ticks(o.d)):
	}
}

func (f *frame) gate(o *op) { time.Sleep(time.Until(f.run.origin.Add(f.run.ticks(o.d)))) }

// wait waits for the owner: for d ticks, or as long as it takes if d is negative.
func (f *frame) wait(o *ownerRun, d int) raised {
	w := o.waits("Wait of "+o.label, anyKey)
	var ctx context.Context
	if d >= 0 {
		var cancel context.CancelFunc
		w.deadline = f.run.now() + int64(f.run.ticks(d))
		ctx, cancel, w.cause = f.run.contextFor(d)
		defer cancel()
		w.name = "WaitContext of " + o.label
	}
	goOn := func() {}
	if o.lends() {
		goOn = o.root().lim.lend()
	}
	return f.observe(func() {
		switch {
		case d >= 0:
			w.err = o.door.WaitContext(ctx)
		case o.node.kind == batchOf && sched.GoroutineID() != o.maker:
			// A goroutine that a task has started lends the task's place only with its context.
			w.err = o.door.WaitContext(context.WithoutCancel(o.outer))
		default:
			w.byErr = o.batch != nil
			w.err = o.door.Wait()
		}
	}, func(got raised) {
		goOn()
		w.ends(got)
	})
}

// lanes runs those of the owner, side by side.
func (f *frame) lanes(o *ownerRun, out *outcome) {
	h := f.run.within(o.levels, o.lane())
	h.out = out
	for i, ops := range o.node.lanes {
		if i > 0 {
			done := f.run.beside(h.levels, func(f *frame) { f.do(ops) })
			defer func() { <-done }()
		}
	}
	defer h.settle()
	if len(o.node.lanes) > 0 {
		h.do(o.node.lanes[0])
	}
}

func (o *ownerRun) lane() level { return level{o, nil, o.ctx, o.budget, o.tasks} }
