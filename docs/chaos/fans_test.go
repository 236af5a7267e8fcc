package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/coterie-go/coterie/errgroup"
)

// A fanRun is a Gather, a Race or a Quorum that runs.
type fanRun struct {
	f       *frame
	node    *fan
	label   string
	ctx     context.Context
	records []*record

	values []int
	err    error

	mu        sync.Mutex
	discarded map[int]int
}

type fanFunc = func(ctx context.Context) (int, error)

func (f *frame) fan(p *op) {
	x := &fanRun{
		f: f, node: p.fan, label: fmt.Sprintf("%s %d", fanNames[p.fan.kind], p.fan.id), ctx: f.levels[p.env].ctx,
		discarded: make(map[int]int),
	}
	var fs []fanFunc
	for _, t := range p.fan.fns {
		r := &record{run: f.run, id: int(f.run.ids.Add(1)), task: t}
		x.records = append(x.records, r)
		fs = append(fs, func(ctx context.Context) (int, error) { return x.function(ctx, r, p) })
	}
	for _, r := range x.records {
		r.arg = r.id + 1
	}
	f.observe(func() { x.call(fs) }, x.check)
}

func (x *fanRun) function(ctx context.Context, r *record, p *op) (int, error) {
	r.begin()
	defer r.end()
	f := x.f.run.within(x.f.levels, level{nil, nil, ctx, x.f.levels[p.env].budget, x.f.levels[p.env].tasks})
	f.out = &r.out
	defer f.settle()
	f.do(r.task.ops)
	return r.id, f.finish(r.task.end, r.id)
}

func (x *fanRun) call(fs []fanFunc) {
	switch x.node.kind {
	case fanGather:
		x.values, x.err = errgroup.Gather(x.ctx, fs...)
	case fanRace:
		opts := errgroup.RaceOptions[int]{Stagger: x.f.run.ticks(x.node.stagger)}
		if x.node.discard {
			opts.Discard = x.discard
		}
		var v int
		v, x.err = errgroup.Race(x.ctx, opts, fs...)
		if x.err == nil {
			x.values = []int{v}
		}
	case fanQuorum:
		x.values, x.err = errgroup.Quorum(x.ctx, x.node.quorum, errgroup.RaceOptions[int]{}, fs...)
	}
}

func (x *fanRun) discard(v int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.discarded[v]++
}

// succeeded lists the functions that returned a result.
func (x *fanRun) succeeded() []*record {
	return x.ended(func(r *record) bool { return r.out.end == endReturn })
}

func (x *fanRun) ended(f func(r *record) bool) []*record {
	var found []*record
	for _, r := range x.records {
		if r.state.Load() == ended && f(r) {
			found = append(found, r)
		}
	}
	return found
}

// check checks how the call ended.
func (x *fanRun) check(got raised) {
	for _, r := range x.records {
		if r.state.CompareAndSwap(fresh, sealed) {
			continue // it need not have been started
		}
		r.settled(x.label)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	out, exits := x.ended(panicked), x.ended(goexited)
	switch {
	case got.value != nil:
		x.checkPanic(got, out)
	case got.goexit && len(exits) == 0:
		x.f.run.violation("%s calls Goexit, and no function has", x.label)
	case got.goexit && len(out) > 0 && features.on(panicBesideGoexit):
		x.f.run.violation("%s calls Goexit, and functions panicked: %v", x.label, idsOf(out))
	case got.goexit:
	case len(out)+len(exits) > 0:
		x.f.run.violation("%s raises nothing; %d functions panicked, %d called Goexit", x.label, len(out), len(exits))
	case x.err == nil:
		x.checkValues()
	default:
		x.checkError()
	}
	x.checkDiscarded(got)
}

func (x *fanRun) checkPanic(got raised, out []*record) {
	keys, ok := keysOf(got.value)
	if !ok || !hasStack(got.value) {
		x.f.run.violation("%s raises %v", x.label, got)
		return
	}
	for _, r := range out {
		if mine, _ := keysOf(r.out.value); !containsAny(keys, mine) {
			x.f.run.violation("%s does not raise the panic of %d, but %v", x.label, r.id, got)
		}
	}
}

func (x *fanRun) checkValues() {
	var ids []int
	for _, r := range x.succeeded() {
		ids = append(ids, r.id)
	}
	want := map[fanKind]int{fanGather: len(x.records), fanRace: 1, fanQuorum: x.node.quorum}[x.node.kind]
	bad := len(x.values) != want
	for _, v := range x.values {
		bad = bad || !slices.Contains(ids, v)
	}
	if x.node.kind == fanGather {
		bad = bad || !slices.Equal(x.values, ids)
	}
	if bad {
		x.f.run.violation("%s returns %v; successes are %v", x.label, x.values, ids)
	}
	if x.f.run.fake && x.node.kind != fanGather {
		x.checkFirst()
	}
}

// checkFirst checks that no success is older than one that was taken.
func (x *fanRun) checkFirst() {
	for _, r := range x.succeeded() {
		for _, taken := range x.succeeded() {
			if slices.Contains(x.values, taken.id) && !slices.Contains(x.values, r.id) && r.ended < taken.ended {
				x.f.run.violation("%s returns the result of %d, and that of %d came before", x.label, taken.id, r.id)
			}
		}
	}
}

func (x *fanRun) checkError() {
	good, bad := x.succeeded(), x.ended(failed)
	if x.node.kind == fanRace && len(good) > 0 || x.node.kind == fanQuorum && len(good) >= x.node.quorum {
		x.f.run.violation("%s returns %v; successes are %v", x.label, x.err, idsOf(good))
	}
	if x.ctx.Err() != nil {
		return
	}
	if x.node.kind == fanGather {
		if !slices.ContainsFunc(bad, func(r *record) bool { return x.err == r.out.err }) {
			x.f.run.violation("%s returns %v, which no function did", x.label, x.err)
		}
		return
	}
	for _, r := range bad {
		if r.out.end == endFail && !errors.Is(x.err, r.out.err) {
			x.f.run.violation("%s returns %v, without the error of %d", x.label, x.err, r.id)
		}
	}
}

// checkDiscarded checks that Discard got each success that was not returned.
func (x *fanRun) checkDiscarded(got raised) {
	if !x.node.discard || x.node.kind != fanRace {
		return
	}
	for _, r := range x.succeeded() {
		want := 1
		if got.nothing() && slices.Contains(x.values, r.id) {
			want = 0
		}
		if n := x.discarded[r.id]; n != want && (got.nothing() || n > 1) {
			x.f.run.violation("%s: Discard was called %d times with the result of %d, want %d", x.label, n, r.id, want)
		}
	}
}
