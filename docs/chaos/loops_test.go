package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/pool"
)

// A loopRun is a loop of the tree that runs.
type loopRun struct {
	f       *frame
	node    *loop
	label   string
	ctx     context.Context
	budget  *limiter // whose workers it shares; its own if it is not nested
	calls   *limiter // of its function
	nested  bool
	tasks   []*record // from whose contexts ctx derives
	records []record
	byIndex map[int]*task

	mu       sync.Mutex
	failedAt int64 // when an item failed first; -1: none has
	failed   int   // which

	fed     int      // items that the body has let the input yield
	todo    chan int // these; nil: the input needs nobody
	inInput atomic.Bool
	input   outcome
	yields  []int   // the results, in the order in which the body got them
	err     error   // how a loop ended
	left    bool    // the body has left the loop
	results []int   // of MapSlice
	inBody  outcome // how the body ended
}

func (f *frame) loop(p *op) {
	env, node := f.levels[p.env], p.loop
	l := &loopRun{
		f: f, node: node, label: fmt.Sprintf("%s %d", loopNames[node.kind], node.id), ctx: env.ctx,
		records: make([]record, node.n), byIndex: make(map[int]*task),
		budget: env.budget, nested: env.budget != nil, tasks: env.tasks, failedAt: -1,
	}
	if l.nested && node.kind >= loopEach && !features.on(nestedStreamCancel) || node.feed {
		l.ctx = context.WithoutCancel(l.ctx)
	}
	if node.feed && (!l.nested || features.on(bodyFeedsInput)) {
		l.todo = make(chan int, node.n)
		l.feed()
		l.feed()
	}
	workers := node.workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	l.calls = newLimiter(f.run, l.label, workers)
	if !l.nested {
		l.budget = newLimiter(f.run, "all of "+l.label, workers)
	}
	for _, item := range node.items {
		l.byIndex[item.index] = item.task
	}
	first := int(f.run.ids.Add(int64(node.n))) - node.n + 1
	for i := range l.records {
		r := &l.records[i]
		r.run, r.id, r.task = f.run, first+i, l.byIndex[i]
	}
	goOn := func() {}
	if l.nested {
		l.budget.loops.Store(true)
		goOn = l.budget.lend()
	}
	for i := range l.records {
		l.records[i].arg = l.records[i].id + 1
	}
	f.observe(func() { l.call() }, func(got raised) {
		goOn()
		l.check(got)
	})
}

// call makes the call.
func (l *loopRun) call() {
	w, n := l.node.workers, l.node.n
	switch l.node.kind {
	case loopFor:
		l.err = pool.For(l.ctx, w, n, func(ctx context.Context, i int) error {
			_, err := l.item(ctx, i)
			return err
		})
	case loopMapSlice:
		in := make([]int, n)
		for i := range in {
			in[i] = i
		}
		l.results, l.err = pool.MapSlice(l.ctx, w, in, l.item)
	case loopEach:
		l.err = pool.Each(l.ctx, w, l.seq(), func(ctx context.Context, i int) error {
			_, err := l.item(ctx, i)
			return err
		})
	case loopMap:
		l.range2(pool.Map(l.ctx, w, l.seq(), l.item))
	case loopMapUnordered:
		l.range2(pool.MapUnordered(l.ctx, w, l.seq(), l.item))
	}
}

// item is the loop's function.
func (l *loopRun) item(ctx context.Context, i int) (int, error) {
	r := &l.records[i]
	r.begin()
	if l.f.run.fake {
		l.checkLate(i)
	}
	l.calls.enter(1, "item", i)
	l.budget.enter(1, "item", i)
	defer r.end() // what it writes last must not be followed by synchronization
	defer l.noteFailure(r, i)
	defer l.calls.leave(1)
	defer l.budget.leave(1)
	if r.task == nil {
		return r.id, nil
	}
	f := l.f.run.within(l.f.levels, level{nil, nil, ctx, l.budget, l.tasks})
	f.out = &r.out
	defer f.settle()
	f.do(r.task.ops)
	return r.id, f.finish(r.task.end, r.id)
}

// noteFailure notes the first failure of an item.
func (l *loopRun) noteFailure(r *record, i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failed := r.out.panics() || r.out.goexits() || r.out.end == endFail
	if now := l.f.run.now(); failed && (l.failedAt < 0 || now == l.failedAt && i < l.failed) {
		l.failedAt, l.failed = now, i
	}
}

// checkLate checks that no item begins when one has failed; Map still needs those
// before it.
func (l *loopRun) checkLate(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failedAt >= 0 && l.f.run.now() > l.failedAt && (l.node.kind != loopMap || i > l.failed) {
		l.f.run.violation("item %d of %s begins, and item %d has failed", i, l.label, l.failed)
	}
}

// seq is the loop's input.
func (l *loopRun) seq() iter.Seq[int] {
	return func(yield func(int) bool) {
		l.inInput.Store(true)
		defer l.inInput.Store(false)
		for i := range l.node.n {
			if l.node.pace > 0 {
				time.Sleep(l.f.run.ticks(l.node.pace))
			}
			if l.todo != nil {
				<-l.todo
			}
			if !yield(i) {
				return
			}
		}
		h := &frame{run: l.f.run, levels: l.f.levels, out: &l.input}
		_ = h.finish(l.node.input, int(l.f.run.ids.Add(1)))
	}
}

// feed lets the input yield one more item, or end.
func (l *loopRun) feed() {
	if l.todo != nil && l.fed < l.node.n {
		l.todo <- l.fed
		l.fed++
	}
}

// range2 is the range loop over the results.
func (l *loopRun) range2(results iter.Seq2[int, error]) {
	h := &frame{run: l.f.run, levels: l.f.levels, out: &l.inBody}
	defer h.settle()
	for v, err := range results {
		if err != nil {
			l.err = err
			continue
		}
		if l.err != nil {
			l.f.run.violation("%s yields after the error %v", l.label, l.err)
		}
		l.yields = append(l.yields, v)
		l.feed()
		l.bodyOf(h)
		if len(l.yields)-1 == l.node.breakAt {
			l.left = true
			if l.node.bodyEnd == endReturn {
				break
			}
			_ = h.finish(l.node.bodyEnd, int(l.f.run.ids.Add(1)))
		}
	}
}

// bodyOf runs the body once. The caller's place stays lent meanwhile, as Map documents: one item may
// run on it beside the body. So the oracle cannot count the body as a task that runs: that
// would forbid what is allowed.
func (l *loopRun) bodyOf(h *frame) {
	if len(l.yields) > 1 {
		return
	}
	goesOn := false
	defer func() {
		if !goesOn && l.todo != nil {
			close(l.todo) // so that the input can end
		}
	}()
	h.do(l.node.body)
	goesOn = true
}

// check checks how the loop ended.
func (l *loopRun) check(got raised) {
	for i := range l.records {
		r := &l.records[i]
		switch r.state.Load() {
		case fresh:
			if !r.state.CompareAndSwap(fresh, sealed) {
				l.f.run.violation("item %d of %s begins after its end", i, l.label)
			}
		default:
			r.settled(l.label)
		}
	}
	if l.inInput.Load() {
		l.f.run.violation("%s has ended, and its input has not", l.label)
	}
	l.checkYields()
	switch {
	case got.value != nil:
		l.checkPanic(got)
	case got.goexit:
		l.checkGoexit()
	default:
		l.checkReturn()
	}
	if l.inBody.goexits() {
		*l.f.out = outcome{end: endGoexit}
	}
}

// ran lists the items that have run and of which f is true.
func (l *loopRun) ran(f func(r *record) bool) []*record {
	var found []*record
	for i := range l.records {
		if r := &l.records[i]; r.state.Load() == ended && f(r) {
			found = append(found, r)
		}
	}
	return found
}

func panicked(r *record) bool { return r.out.panics() }
func goexited(r *record) bool { return r.out.goexits() }
func failed(r *record) bool   { return r.out.err != nil }

// checkYields checks the values that the body, or MapSlice's caller, got.
func (l *loopRun) checkYields() {
	seen := make(map[int]bool)
	for at, v := range l.yields {
		i := v - l.records[0].id
		switch {
		case i < 0 || i >= len(l.records) || l.records[i].state.Load() != ended || l.records[i].out.end != endReturn && l.records[i].out.err != nil:
			l.f.run.violation("%s yields %d, which is no result", l.label, v)
		case seen[v]:
			l.f.run.violation("%s yields %d twice", l.label, v)
		case l.node.kind == loopMap && i != at:
			l.f.run.violation("%s yields the result of item %d in the place of %d", l.label, i, at)
		}
		seen[v] = true
	}
	for i, v := range l.results {
		r := &l.records[i]
		if ok := r.state.Load() == ended && r.out.end == endReturn && r.out.err == nil; ok && v != r.id || !ok && v != 0 {
			l.f.run.violation("%s returns %d in the place of %d, want %d", l.label, v, i, r.id)
		}
	}
}

func (l *loopRun) checkPanic(got raised) {
	keys, ok := keysOf(got.value)
	ofInput := l.nested && (&record{out: l.input}).raisesAny(keys) && !features.on(inputStack)
	if !ok || !ofInput && !hasStack(got.value) {
		l.f.run.violation("%s raises %v", l.label, got)
		return
	}
	known := append(l.ran(panicked), &record{out: l.input}, &record{out: l.inBody})
	for _, key := range keys {
		if !slices.ContainsFunc(known, func(r *record) bool { return r.raises(key) }) {
			l.f.run.violation("%s raises %v, which nothing of it raised", l.label, key)
		}
	}
}

func (l *loopRun) checkGoexit() {
	exits := l.ran(func(r *record) bool { return r.out.goexits() || r.out.end == endPanicInGoexit })
	if len(exits) == 0 && !l.input.goexits() && !l.inBody.goexits() {
		l.f.run.violation("%s calls Goexit, and nothing of it has", l.label)
	}
	if len(l.ran(panicked)) > 0 && !l.inBody.goexits() && features.on(panicBesideGoexit) {
		l.f.run.violation("%s calls Goexit, and items panicked", l.label)
	}
}

// checkReturn checks a loop that raised nothing.
func (l *loopRun) checkReturn() {
	bad, out, exits := l.ran(failed), l.ran(panicked), l.ran(goexited)
	stopped := l.left || l.err != nil && l.node.kind >= loopMap
	if len(out)+len(exits) > 0 && !stopped {
		l.f.run.violation("%s raises nothing; of its items %d panicked and %d called Goexit", l.label, len(out), len(exits))
	}
	switch done := l.ctx.Err() != nil; {
	case l.err == nil && l.left:
	case l.err == nil && (l.input.panics() || l.input.goexits()):
		l.f.run.violation("%s raises nothing, and its input did", l.label)
	case l.err == nil && len(l.ran(func(*record) bool { return true })) < l.node.n:
		l.f.run.violation("%s has run %d of %d items, and returns no error", l.label, len(l.ran(func(*record) bool { return true })), l.node.n)
	case l.err == nil && len(bad) > 0 || l.err == nil && l.node.kind >= loopMap && len(l.yields) != l.node.n:
		l.f.run.violation("%s returns no error; failed %v, results %d of %d", l.label, idsOf(bad), len(l.yields), l.node.n)
	case l.err == nil:
	case done && (l.err == context.Cause(l.ctx) || errors.Is(l.err, l.ctx.Err())):
	default:
		l.checkError(bad)
	}
}

// checkError checks that the error is that of an item: the first.
func (l *loopRun) checkError(bad []*record) {
	first := int64(1 << 62)
	var mine *record
	for _, r := range bad {
		if r.out.end == endFail {
			first = min(first, r.ended)
		}
		if r.out.err == l.err && (mine == nil || r.ended < mine.ended) {
			mine = r
		}
	}
	switch {
	case mine == nil:
		l.f.run.violation("%s returns %v, which no item did", l.label, l.err)
	case l.f.run.fake && l.ctx.Err() == nil && l.node.kind != loopMap && mine.ended > first:
		l.f.run.violation("%s returns %v, which is not the first error", l.label, l.err)
	}
}
