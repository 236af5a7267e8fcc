package chaos_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/coterie-go/coterie/pool"
)

// A level is a function around the one that runs: the task or the lane of an
// owner, an item of a loop, a function of a Race. The innermost is the last.
type level struct {
	o      *ownerRun // nil: of no owner
	rec    *record   // nil: a lane, which is outside of its owner
	ctx    context.Context
	budget *limiter // where loops with ctx get their workers from; nil: they start their own
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

// pace sees to what the simple ops do.
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

// root is the owner that counts for who is inside: of a batch, its pool.
func (o *ownerRun) root() *ownerRun {
	if o.pool != nil {
		return o.pool
	}
	return o
}

// insiders lists the tasks of the owner, or of its pool, that the function is part of.
func (f *frame) insiders(o *ownerRun) []*record {
	var found []*record
	for _, l := range f.levels {
		if l.o != nil && l.rec != nil && l.o.root() == o.root() {
			found = append(found, l.rec)
		}
	}
	return found
}

// newRecord prepares a task for o.
func (f *frame) newRecord(o *ownerRun, v verb, env level, t *task) *record {
	f.seq++
	parents := f.insiders(o)
	r := &record{
		run: f.run, id: int(f.run.ids.Add(1)), task: t, owner: o,
		parents: parents, inside: len(parents) > 0,
		sinks: o.sinksOf(v), future: v == verbFork || v == verbSubmit,
		at: env, called: f.run.now(), submitter: f, seq: f.seq,
	}
	if verbs[v].context {
		r.ctx = env.ctx
	}
	r.run0 = r.script
	o.add(r)
	if o.pool != nil && o.pool != o {
		o.pool.add(r)
	}
	return r
}

func (o *ownerRun) add(r *record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pool == nil || o.pool == o || o == r.owner {
		r.round = o.rounds
	}
	o.records = append(o.records, r)
}

// script is what a task does.
func (r *record) script(ctx context.Context) error {
	r.begin()
	defer r.end()
	if r.task == nil {
		return nil
	}
	f := r.run.within(r.owner.levels, r.owner.levelOf(r, ctx))
	f.out = &r.out
	defer f.settle()
	f.do(r.task.ops)
	return f.finish(r.task.end, r.id)
}

// levelOf returns the level of a task. A task that was started without a context
// has that of whoever made the owner; on a pool it has no place to lend.
func (o *ownerRun) levelOf(r *record, ctx context.Context) level {
	switch {
	case ctx != nil && o.pool != nil:
		return level{o, r, ctx, o.pool.lim}
	case ctx != nil:
		return level{o, r, ctx, r.at.budget}
	case o.pool != nil:
		return level{o, r, o.pool.ctx, o.pool.budget}
	}
	return level{o, r, o.ctx, o.budget}
}

// start starts a task by the op's verb.
func (f *frame) start(p *op, t *task) *record {
	o := f.levels[p.up].o
	r := f.newRecord(o, p.verb, f.levels[p.env], t)
	f.launch(o, r, p)
	return r
}

func (f *frame) launch(o *ownerRun, r *record, p *op) {
	done := r.ctx != nil && r.ctx.Err() != nil
	goOn := func() {}
	if r.inside && p.verb != verbTryGo {
		goOn = o.root().lim.lend()
	}
	var fut future
	var err error
	s := starting{o: o, r: r, d: p.d}
	r.arg = r.id + 1
	f.observe(func() { fut, err = verbs[p.verb].start(s) }, func(got raised) {
		goOn()
		switch {
		case got.goexit:
			f.run.violation("%s of task %d calls Goexit", verbs[p.verb].name, r.id)
		case got.value != nil:
			o.refused(r, got)
		case err != nil:
			o.declined(r, err)
		default:
			f.accepted(r, fut, done)
			f.handOut(o, p)
		}
	})
}

func (f *frame) accepted(r *record, fut future, done bool) {
	if done {
		f.run.violation("task %d was accepted, and its context was done", r.id)
	}
	r.accepted.Store(true)
	if fut != nil {
		f.futures = append(f.futures, &pending{r, fut})
	}
}

// handOut gives the future that came last to those outside of the pool.
func (f *frame) handOut(o *ownerRun, p *op) {
	n := len(f.futures) - 1
	if !p.hand || n < 0 {
		return
	}
	o.mu.Lock()
	o.handed = append(o.handed, f.futures[n])
	o.mu.Unlock()
	f.futures = f.futures[:n]
}

// collect asks for the results that tasks of the pool have handed out.
func (f *frame) collect(o *ownerRun) {
	o.mu.Lock()
	handed := o.handed
	o.handed = nil
	o.mu.Unlock()
	for _, p := range handed {
		f.get(p, 0)
	}
}

// refused checks a verb that panicked: on a closed pool it may.
func (o *ownerRun) refused(r *record, got raised) {
	r.refuse()
	if !o.root().closing.Load() || !isMisuse(got.value) {
		o.run.violation("starting task %d on %s raises %v", r.id, o.label, got)
		return
	}
	o.closedTo(r)
}

// closedTo checks that a closed pool refuses nobody who is inside.
func (o *ownerRun) closedTo(r *record) {
	if features.on(closeWhileSplitting) && r.ctx != nil && r.inside && !o.root().hasDropped() {
		o.run.violation("task %d was refused by %s, which waits for the task that started it", r.id, o.label)
	}
}

// declined checks why a verb did not accept a task.
func (o *ownerRun) declined(r *record, err error) {
	r.refuse()
	switch {
	case err == errFull:
		if o.node.limit == 0 && o.node.permits == 0 && !o.node.resized && o.pool == nil {
			o.run.violation("TryGo of task %d is refused by %s, which has no limit", r.id, o.label)
		}
	case errors.Is(err, pool.ErrClosed) && o.root().closing.Load():
		o.closedTo(r)
	case r.ctx == nil || r.ctx.Err() == nil || err != context.Cause(r.ctx):
		o.run.violation("task %d was refused by %s: %v", r.id, o.label, err)
	}
}

// bulk starts tasks that do next to nothing.
func (f *frame) bulk(p *op) {
	for range p.n {
		f.start(p, nil)
	}
}

// relay starts tasks each of which waits for the next.
func (f *frame) relay(p *op) {
	o := f.levels[p.up].o
	ahead := make(chan struct{})
	close(ahead)
	var links []chan struct{}
	for range p.n {
		links = append(links, make(chan struct{}))
	}
	for i := range p.n {
		r := f.newRecord(o, p.verb, f.levels[p.env], nil)
		r.run0 = func(context.Context) error {
			r.begin()
			defer r.end()
			if i+1 < p.n {
				<-links[i+1]
			}
			close(links[i])
			return nil
		}
		f.launch(o, r, p)
	}
}

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
	if len(f.insiders(p.r.owner)) > 0 {
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

// wait waits for the owner: for d ticks, or as long as it takes if d is negative.
func (f *frame) wait(o *ownerRun, d int) raised {
	w := o.waits("Wait of " + o.label)
	var ctx context.Context
	if d >= 0 {
		var cancel context.CancelFunc
		w.deadline = f.run.now() + int64(f.run.ticks(d))
		ctx, cancel, w.cause = f.run.contextFor(d)
		defer cancel()
		w.name = "WaitContext of " + o.label
	}
	goOn := func() {}
	if o.node.kind == batchOf && len(f.insiders(o)) > 0 {
		goOn = o.root().lim.lend()
	}
	return f.observe(func() {
		if d >= 0 {
			w.err = o.door.WaitContext(ctx)
		} else {
			w.err = o.door.Wait()
		}
	}, func(got raised) {
		goOn()
		w.ends(got)
	})
}

// selfWait makes a task wait for itself, which it is told by a panic.
func (f *frame) selfWait(p *op) {
	o := f.levels[p.up].o
	ctx := f.levels[p.env].ctx
	f.observe(func() { _ = o.door.WaitContext(ctx) }, func(got raised) {
		if !isMisuse(got.value) {
			f.run.violation("a task waits for its own %s: %v", o.label, got)
		}
	})
}

// goNil starts no function, which panics.
func (f *frame) goNil(p *op) {
	o := f.levels[p.up].o
	calls := []func(){
		func() { o.door.Go(nil) },
		func() { o.door.TryGo(nil) },
		func() { _ = o.door.GoContext(f.levels[p.env].ctx, nil) },
	}
	f.observe(calls[p.n%len(calls)], func(got raised) {
		if !isMisuse(got.value) {
			f.run.violation("%s is given no function, and raises %v", o.label, got)
		}
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

func (o *ownerRun) lane() level { return level{o, nil, o.ctx, o.budget} }
