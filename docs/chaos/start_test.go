package chaos_test

import (
	"context"
	"errors"
	"slices"

	"github.com/coterie-go/coterie/pool"
)

// root is the owner that counts for who is inside: of a batch, its pool.
func (o *ownerRun) root() *ownerRun {
	if o.pool != nil {
		return o.pool
	}
	return o
}

// placeIn returns the task of the owner, or of its pool, whose place a context may lend that derives
// from those of tasks; nil: there is none.
func (o *ownerRun) placeIn(tasks []*record) *record {
	return innermost(tasks, func(r *record) bool { return r.owner.root() == o.root() })
}

// permitIn returns the task that holds a permit of the owner's semaphore, in the same way.
func (o *ownerRun) permitIn(tasks []*record) *record {
	if o.sem == nil {
		return nil
	}
	return innermost(tasks, func(r *record) bool { return r.owner.sem == o.sem })
}

func innermost(tasks []*record, f func(r *record) bool) *record {
	for _, r := range slices.Backward(tasks) {
		if f(r) && r.state.Load() == begun {
			if r.background {
				return nil
			}
			return r
		}
	}
	return nil
}

// lends reports whether a wait for a batch lends a place.
func (o *ownerRun) lends() bool { return o.within != nil && o.within.state.Load() == begun }

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

// An insideKey leads from a context to the record of the task of an owner, or of its pool, that the
// context derives from. Not each task is found.
type insideKey struct{ root *ownerRun }

// taskOf returns the record of the task of the owner, or of its pool, that ctx is known to derive from and
// that runs, or nil.
func (o *ownerRun) taskOf(ctx context.Context) *record {
	if r, ok := ctx.Value(insideKey{o.root()}).(*record); ok && r.state.Load() == begun {
		return r
	}
	return nil
}

// newRecord prepares a task for o.
func (f *frame) newRecord(o *ownerRun, p *op, t *task) *record {
	v, d, key, env := p.verb, p.d, p.key, f.levels[p.env]
	if v == verbBackground && kinds[o.node.kind].errs { // it gets the group's
		env = o.lane()
		if o.node.kind == errZero {
			env = level{o: o, ctx: context.Background()}
		}
	}
	f.seq++
	parents := f.insiders(o)
	foreground := func(r *record) bool { return !r.background }
	r := &record{
		run: f.run, id: int(f.run.ids.Add(1)), task: t, owner: o,
		parents: parents, inside: slices.ContainsFunc(parents, foreground), background: v == verbBackground,
		sinks: o.sinksOf(v),
		at:    env, called: f.run.now(), submitter: f, seq: f.seq,
	}
	if verbs[v].context {
		r.ctx = env.ctx
		if r.id%2 == 0 { // the others pass the context on as it is
			r.ctx = context.WithValue(r.ctx, insideKey{o.root()}, r)
		}
	}
	if r.life = r.ctx; verbs[v].soon {
		cause := &reason{r.id}
		f.run.ends.Store(cause, r.called+int64(f.run.ticks(d)))
		r.life, r.cleanup = context.WithTimeoutCause(r.ctx, f.run.ticks(d), cause)
		r.ctx = r.life
	}
	if o.keyed != nil {
		r.key, r.replaces = key, v == verbReplace || v == verbReplaceSoon
		f.newInKey(r)
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
	if o == r.owner {
		r.round = o.rounds
	}
	o.records = append(o.records, r)
}

// script is what a task does.
func (r *record) script(ctx context.Context) error {
	r.begin()
	defer r.end()
	if r.owner.keyed != nil {
		defer func() { r.cause = context.Cause(ctx) }()
	}
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
		return level{o, r, ctx, o.pool.lim, append(slices.Clip(r.at.tasks), r)}
	case ctx != nil:
		return level{o, r, ctx, r.at.budget, append(slices.Clip(r.at.tasks), r)}
	case o.pool != nil:
		return level{o, r, o.pool.ctx, o.pool.budget, o.pool.tasks}
	}
	return level{o, r, o.ctx, o.budget, o.tasks}
}

// start starts a task by the op's verb.
func (f *frame) start(p *op, t *task) *record {
	o := f.levels[p.up].o
	r := f.newRecord(o, p, t)
	f.launch(o, r, p)
	return r
}

func (f *frame) launch(o *ownerRun, r *record, p *op) {
	done := r.ctx != nil && r.ctx.Err() != nil
	r.noEffect.Store(done)
	goOn := func() {}
	if r.ctx != nil && o.placeIn(r.at.tasks) != nil || p.verb != verbTryGo && o.lends() {
		goOn = o.root().lim.lend()
	}
	if r.ctx != nil && o.permitIn(r.at.tasks) != nil {
		placeBack, permitBack := goOn, o.sem.lend()
		goOn = func() { placeBack(); permitBack() }
	}
	var fut future
	var err error
	s := starting{o: o, r: r}
	r.arg = r.id + 1
	f.observe(func() { fut, err = verbs[p.verb].start(s) }, func(got raised) {
		goOn()
		r.hasReplaced()
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
	if done && !r.background {
		f.run.violation("task %d was accepted, and its context was done", r.id)
	}
	if at := r.owner.root().closedAt.Load(); f.run.fake && at != 0 && r.called >= at && !r.inside {
		f.run.violation("task %d was accepted from outside by %s, which was closed before", r.id, r.owner.label)
	}
	r.acceptedAt = f.run.now()
	r.accepted.Store(true)
	if r.owner.keyed != nil {
		r.owner.acceptedInKey(r)
	}
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
	if features.on(closeWhileSplitting) && r.ctx != nil && o.taskOf(r.at.ctx) != nil && !o.root().hasDropped() {
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
	case errors.Is(err, pool.ErrReplaced) && o.keyed != nil:
		o.declinedForAnother(r)
	case errors.Is(err, pool.ErrClosed) && o.root().closing.Load():
		r.noEffect.Store(!o.root().mayDropSince(r.called))
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
		r := f.newRecord(o, p, nil)
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

// selfWait makes a task wait for itself, which it is told by a panic.
func (f *frame) selfWait(p *op) {
	o := f.levels[p.up].o
	ctx := f.levels[p.env].ctx
	if p.env != p.up { // the context of an owner in between may come from elsewhere
		if r := o.taskOf(ctx); r == nil || r.owner != o {
			return
		}
	}
	f.observe(func() {
		if o.keyed != nil {
			_ = o.keyed.WaitKey(ctx, f.levels[p.up].rec.key)
		} else {
			_ = o.door.WaitContext(ctx)
		}
	}, func(got raised) {
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
