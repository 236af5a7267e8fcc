package chaos_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A spot is a level as the generator sees it.
type spot struct {
	o     *owner // nil: the root, an item, a function of a Race
	lane  bool   // outside of the owner
	place bool   // a task that was started with a context
	key   int    // of a task with a key

	background bool
	held       []*owner // pools, a worker of which may wait for the function
}

// A generator makes a tree of a seed. It follows the rules of the documentation:
// whatever it makes has to end, with any scheduling. So
//
//   - a task waits for time, for its context, for tasks that it has started, or,
//     where tasks hold up no other, for a task that is started beside it;
//   - inside of an owner with a limit nobody blocks until there is room in it,
//     unless with a context that ends;
//   - inside of a pool tasks are started, and waited for, with the task's context;
//   - what GoContext may run in place for a task of a pool does not wait for that pool;
//   - tasks with a key wait for higher keys only, and start tasks of no lower one, which may run
//     in place.
type generator struct {
	*rand.Rand
	left   int // how many ops there may still be
	ids    int
	levels []spot
}

// generate makes the ops of the root.
func generate(seed uint64) []*op {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0xc0731e)), levels: []spot{{}}}
	g.left = 4 + g.IntN(40)
	if g.one(20) {
		g.left *= 5
	}
	var ops []*op
	for g.left > 0 && len(ops) < 3 {
		if o := g.pick(roots); o != nil {
			ops = append(ops, o)
		}
	}
	return ops
}

func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

func (g *generator) id() int {
	g.ids++
	return g.ids
}

func (g *generator) top() int { return len(g.levels) - 1 }

// within generates in a level.
func (g *generator) within(s spot, f func()) {
	g.levels = append(g.levels, s)
	f()
	g.levels = g.levels[:len(g.levels)-1]
}

// rootAt returns the owner at level i, or its pool.
func (g *generator) rootAt(i int) *owner {
	if o := g.levels[i].o; o == nil || o.kind != batchOf && o.kind != keyedOf {
		return o
	}
	return g.rootAt(g.levels[i].o.on)
}

// insider returns the innermost level that is a task of the owner at level i, or of
// its pool; -1: there is none.
func (g *generator) insider(i int) int {
	for j := g.top(); j >= 0; j-- {
		if s := g.levels[j]; s.o != nil && !s.lane && !s.background && g.rootAt(j) == g.rootAt(i) {
			return j
		}
	}
	return -1
}

// isHeld reports whether a worker of the pool at level i, or of the pool of what is there, may wait for
// the function.
func (g *generator) isHeld(i int) bool {
	return slices.ContainsFunc(g.levels, func(s spot) bool { return slices.Contains(s.held, g.rootAt(i)) })
}

// holding lists the pools that would be held by a function that runs in place here.
func (g *generator) holding() []*owner {
	var held []*owner
	for i, s := range g.levels {
		held = append(held, s.held...)
		if s.o != nil && !s.lane && g.rootAt(i).kind == poolNew {
			held = append(held, g.rootAt(i))
		}
	}
	return held
}

// isIn reports whether the function is in a task of the pool.
func (g *generator) isIn(p *owner) bool {
	for i, s := range g.levels {
		if s.o != nil && !s.lane && g.rootAt(i) == p {
			return true
		}
	}
	return false
}

// keyAt returns the highest key of the Keyed at level i of whose tasks the function is part, and its
// level; 0 and -1: it is part of none.
func (g *generator) keyAt(i int) (key, level int) {
	level = -1
	for j, s := range g.levels {
		if s.o == g.levels[i].o && !s.lane && s.key >= key {
			key, level = s.key, j
		}
	}
	return key, level
}

// find returns a random level of which f is true; -1: there is none.
func (g *generator) find(f func(i int) bool) int {
	var found []int
	for i := range g.levels {
		if g.levels[i].o != nil && f(i) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return -1
	}
	if g.IntN(3) > 0 {
		return found[len(found)-1] // mostly the innermost
	}
	return found[g.IntN(len(found))]
}

func limited(o *owner) bool { return o.limit > 0 || o.permits > 0 || o.resized }

var (
	allVerbs     = []verb{verbGo, verbGo, verbTryGo, verbGoContext, verbGoContext, verbGoSoon, verbGoNamed, verbFork}
	limitedVerbs = []verb{verbTryGo, verbGoSoon}
	crossVerbs   = []verb{verbGo, verbTryGo, verbGoContext, verbGoSoon, verbGoNamed} // without a result to wait for
	poolVerbs    = []verb{verbGo, verbGo, verbTryGo, verbGoContext, verbGoSoon, verbSubmit}
	placeVerbs   = []verb{verbTryGo, verbGoContext, verbGoSoon, verbSubmit}
	keyedVerbs   = []verb{verbKeyed, verbKeyed, verbKeyed, verbKeyedSoon, verbReplace, verbReplaceSoon}
	soonVerbs    = []verb{verbKeyedSoon, verbReplaceSoon} // with a key
	batchVerbs   = []verb{verbGo, verbGo, verbTryGo, verbGoContext, verbGoContext, verbGoSoon}
)

// verbsAt returns the verbs by which a task may be started at level i.
func (g *generator) verbsAt(i int) []verb {
	o, in := g.levels[i].o, g.insider(i)
	switch {
	case o.kind == keyedOf && in >= 0 && !g.levels[in].place:
		return nil
	case o.kind == keyedOf && (g.crosses(i) || g.isHeld(i)):
		return soonVerbs
	case o.kind == keyedOf:
		return keyedVerbs
	case kinds[o.kind].pooled && g.isHeld(i):
		return limitedVerbs
	case g.crosses(i) && (kinds[o.kind].pooled || limited(o)):
		return limitedVerbs
	case g.crosses(i):
		return crossVerbs
	case !kinds[o.kind].pooled && (in < 0 || !limited(o)):
		return allVerbs
	case !kinds[o.kind].pooled && features.on(recursion) && g.levels[in].place:
		return append(slices.Clip(limitedVerbs), verbGoContext)
	case !kinds[o.kind].pooled:
		return limitedVerbs
	case in >= 0 && !g.levels[in].place:
		return []verb{verbTryGo}
	case o.kind == batchOf && (in < 0 || g.insiderBatch(o)):
		return batchVerbs
	case o.kind == batchOf:
		return []verb{verbTryGo, verbGoContext}
	case in >= 0:
		return placeVerbs
	}
	return poolVerbs
}

// crosses reports whether the function is a task of a batch or a Keyed whose pool is further out
// than level i, and the batch is further in. What is at level i may wait for the pool's
// workers, so the task must not wait for that.
func (g *generator) crosses(i int) bool {
	for _, s := range g.levels[i:] {
		if s.o != nil && (s.o.kind == batchOf || s.o.kind == keyedOf) && !s.lane && s.o.on < i {
			return true
		}
	}
	return false
}

// insiderBatch reports whether a batch was made by a task of its pool.
func (g *generator) insiderBatch(o *owner) bool {
	for j := range g.levels {
		if s := g.levels[j]; s.o == o {
			return false
		} else if s.o != nil && !s.lane && g.rootAt(j) == g.rootAt(o.on) {
			return true
		}
	}
	return false
}

// choice is an op that there may be.
type choice struct {
	weight int
	make   func(g *generator) *op // nil: it is not possible here
}

var roots, choices []choice

func init() { // which the choices refer to themselves
	roots = []choice{{5, (*generator).owner}, {2, (*generator).loop}, {1, (*generator).fan}}
	choices = []choice{
		{12, (*generator).start},
		{2, (*generator).bulk},
		{2, (*generator).relay},
		{4, func(g *generator) *op { return &op{kind: opSleep, d: g.IntN(8)} }},
		{2, func(g *generator) *op { return &op{kind: opYield, n: 1 + g.IntN(3)} }},
		{1, func(g *generator) *op { return &op{kind: opAwait, d: 1 + g.IntN(10)} }},
		{1, func(g *generator) *op { return &op{kind: opGate, d: 5 * g.IntN(6)} }},
		{1, func(g *generator) *op { return &op{kind: opGet, d: g.IntN(3)} }},
		{2, (*generator).wait},
		{4, (*generator).waitKey},
		{1, (*generator).cancel},
		{1, (*generator).collect},
		{2, (*generator).resize},
		{1, (*generator).pause},
		{1, (*generator).acquire},
		{1, (*generator).close},
		{1, (*generator).selfWait},
		{1, (*generator).goNil},
		{5, (*generator).owner},
		{3, (*generator).batch},
		{3, (*generator).keyed},
		{3, (*generator).loop},
		{1, (*generator).fan},
	}
}

// pick makes one of them.
func (g *generator) pick(from []choice) *op {
	sum := 0
	for _, c := range from {
		sum += c.weight
	}
	at := g.IntN(sum)
	for _, c := range from {
		if at -= c.weight; at < 0 {
			g.left--
			return c.make(g)
		}
	}
	return nil
}

// ops makes up to most of them.
func (g *generator) ops(most int) []*op {
	var ops []*op
	for range g.IntN(most + 1) {
		if g.left <= 0 {
			break
		}
		if o := g.pick(choices); o != nil {
			ops = append(ops, o)
		}
	}
	return ops
}

func (g *generator) start() *op {
	up := g.find(func(int) bool { return true })
	if up < 0 {
		return nil
	}
	o := g.startOf(opStart, up)
	if o == nil {
		return nil
	}
	o.d = 1 + g.IntN(4)
	if !kinds[g.levels[up].o.kind].pooled && g.one(8) {
		o.verb, o.env = verbBackground, up
	}
	if o.verb == verbSubmit {
		o.env = g.top()
		o.hand = features.on(outsiderWaits) && g.levels[up].o.kind == poolNew && g.insider(up) >= 0 && g.one(2)
	}
	o.task = g.taskOf(up, o.verb, o.key)
	return o
}

// startOf makes the start of a task at level up.
func (g *generator) startOf(kind opKind, up int) *op {
	all := g.verbsAt(up)
	if len(all) == 0 {
		return nil
	}
	o := &op{kind: kind, up: up, env: g.envOf(up), verb: all[g.IntN(len(all))]}
	if g.levels[up].o.kind == keyedOf {
		least, level := g.keyAt(up)
		if o.key = least + g.IntN(numKeys-least); o.key == least && level >= 0 {
			o.env = level // the key's own task
		}
	}
	return o
}

// envOf returns the level whose context a task at level up is started with: that of
// the task of the same owner, if there is one, since what is started may outlive
// what is further in.
func (g *generator) envOf(up int) int {
	if in := g.insider(up); in > up {
		return in
	}
	return up
}

// taskOf makes a task that is started at level up.
func (g *generator) taskOf(up int, v verb, key int) *task {
	t := &task{id: g.id()}
	// The levels further in are not around the task.
	holding := g.holding()
	inner := g.levels
	g.levels = slices.Clone(g.levels[:up])
	o := inner[up].o
	s := spot{o: o, place: verbs[v].context, key: key}
	if s.background = v == verbBackground; s.background {
		s.place = false
	}
	if s.background && o.kind == errZero { // its context comes from nowhere
		s.held = holding
	}
	if s.place {
		for _, from := range inner[up:] {
			s.held = append(s.held, from.held...)
		}
		for _, p := range holding {
			in := g.isIn(p)
			if s.o != p && !in && (s.o.kind != batchOf && s.o.kind != keyedOf || inner[s.o.on].o != p) {
				s.held = append(s.held, p)
			}
		}
	}
	g.within(s, func() { t.ops = g.ops(4) })
	g.levels = inner
	t.end = g.ending(o.kind != errZero || v == verbGoContext)
	if v == verbBackground && g.one(2) {
		t.end = endServe
	}
	if t.end == endPanicInGoexit && o.capture && v == verbFork && !features.on(panicBesideGoexit) {
		t.end = endPanic
	}
	return t
}

// ending makes the end of a function.
func (g *generator) ending(echo bool) ending {
	switch n := g.IntN(40); {
	case n < 26:
		return endReturn
	case n < 31:
		return endFail
	case n < 33 && echo:
		return endEcho
	case n < 36:
		return endPanic
	case n < 38:
		return endGoexit
	case n < 39:
		return endPanicInGoexit
	case n < 40 && g.one(3):
		return endGoexitInPanic
	}
	return endReturn
}

func (g *generator) bulk() *op {
	up := g.find(func(int) bool { return true })
	if up < 0 {
		return nil
	}
	o := g.startOf(opBulk, up)
	if o == nil {
		return nil
	}
	o.n, o.d = 2+g.IntN(12), 1
	if g.one(10) {
		o.n = 50 + g.IntN(300)
	}
	return o
}

// relay is for owners whose tasks hold up no other.
func (g *generator) relay() *op {
	up := g.find(func(i int) bool { return !kinds[g.levels[i].o.kind].pooled && !limited(g.levels[i].o) })
	if up < 0 {
		return nil
	}
	return &op{kind: opRelay, up: up, env: up, verb: verbGo, n: 2 + g.IntN(40)}
}

// outside reports whether the function is in a lane of the owner at level i, and in
// no task of it; a task of its pool may be around a batch.
func (g *generator) outside(i int) bool {
	o := g.levels[i].o
	in := slices.ContainsFunc(g.levels[i:], func(s spot) bool { return s.o == o && !s.lane })
	return !in && !g.crosses(i) && !g.isHeld(i) && (o.kind == batchOf || g.insider(i) < 0)
}

func (g *generator) wait() *op {
	up := g.find(g.outside)
	if up < 0 {
		return nil
	}
	o := g.levels[up].o
	if g.one(2) && o.kind != keyedOf && (o.kind != batchOf || g.insider(up) < 0 || features.on(goexitOnLentPlace)) {
		return &op{kind: opWaitFor, up: up, d: g.IntN(6)}
	}
	return &op{kind: opWait, up: up}
}

// waitKey waits for a key, in a task of the pool only for one above that of any task around.
func (g *generator) waitKey() *op {
	up := g.find(func(i int) bool {
		if g.levels[i].o.kind != keyedOf || g.crosses(i) || g.isHeld(i) {
			return false
		}
		key, level := g.keyAt(i)
		if level >= 0 {
			key++
		}
		in := g.insider(i)
		return key < numKeys && (in < 0 || g.levels[in].place)
	})
	if up < 0 {
		return nil
	}
	key, level := g.keyAt(up)
	if level >= 0 {
		key++
	}
	o := &op{kind: opWaitKey, up: up, env: g.envOf(up), key: key + g.IntN(numKeys-key), d: -1}
	if g.one(2) {
		o.d = g.IntN(6)
	}
	return o
}

func (g *generator) cancel() *op {
	up := g.find(func(int) bool { return true })
	if up < 0 || g.one(2) {
		return nil
	}
	return &op{kind: opCancel, up: up}
}

// collect is for those outside of a pool.
func (g *generator) collect() *op {
	if !features.on(outsiderWaits) {
		return nil
	}
	up := g.find(func(i int) bool { return g.levels[i].o.kind == poolNew && g.outside(i) })
	if up < 0 {
		return nil
	}
	return &op{kind: opCollect, up: up}
}

func (g *generator) resize() *op {
	up := g.find(func(i int) bool { return g.levels[i].o.resized })
	if up < 0 {
		return nil
	}
	o := &op{kind: opResize, up: up, n: 1 + g.IntN(4)}
	if !kinds[g.levels[up].o.kind].pooled && g.one(5) {
		o.n = -1
	}
	return o
}

func (g *generator) pause() *op {
	up := g.find(func(i int) bool { return g.levels[i].o.resized && !kinds[g.levels[i].o.kind].pooled })
	if up < 0 {
		return nil
	}
	return &op{kind: opPause, up: up, n: 1 + g.IntN(4), d: 1 + g.IntN(4)}
}

func (g *generator) acquire() *op {
	up := g.find(func(i int) bool { return g.levels[i].o.permits > 0 })
	if up < 0 {
		return nil
	}
	return &op{kind: opAcquire, up: up, n: 1 + g.IntN(g.levels[up].o.permits), d: 1 + g.IntN(5)}
}

func (g *generator) close() *op {
	up := g.find(func(i int) bool { return g.levels[i].o.kind == poolNew && g.outside(i) })
	if up < 0 || g.one(2) {
		return nil
	}
	if g.one(2) {
		return &op{kind: opClose, up: up}
	}
	return &op{kind: opShutdown, up: up, d: g.IntN(10)}
}

func (g *generator) selfWait() *op {
	up := g.find(func(i int) bool { return g.levels[i].place || g.levels[i].background })
	if up < 0 {
		return nil
	}
	if g.levels[up].o.kind != keyedOf && features.on(selfWaitNested) {
		return &op{kind: opSelfWait, up: up, env: g.top()}
	}
	return &op{kind: opSelfWait, up: up, env: up}
}

func (g *generator) goNil() *op {
	up := g.find(func(i int) bool { return !kinds[g.levels[i].o.kind].pooled })
	if up < 0 || g.IntN(3) > 0 {
		return nil
	}
	return &op{kind: opNil, up: up, env: g.top(), n: g.IntN(3)}
}

// deepest is how many levels there may be.
const deepest = 7

func (g *generator) owner() *op {
	if g.top() >= deepest {
		return nil
	}
	o := &owner{id: g.id(), kind: ownerKind(g.IntN(int(batchOf)))}
	if g.one(3) {
		o.kind = poolNew
	}
	g.settings(o)
	o.end = g.ending(o.kind == errRun)
	o.reraise = g.one(3)
	if o.permits > 0 && g.one(2) {
		o.twin = &owner{id: g.id(), kind: groupNew, permits: o.permits}
		g.lanes(o.twin, 2)
	}
	g.lanes(o, 2)
	return &op{kind: opOwner, owner: o, env: g.top()}
}

// settings gives the owner its options.
func (g *generator) settings(o *owner) {
	if g.one(3) {
		o.name = fmt.Sprintf("o%d", o.id)
	}
	switch {
	case o.kind == errZero:
		o.resized = g.one(4)
		return
	case o.kind == poolNew:
		o.limit = 1 + g.IntN(3)
		if g.one(5) {
			o.limit = 8
		}
		o.queue = []int{1, 1, 2, 3, 8, 64, 200, 1024}[g.IntN(8)]
		if features.on(hugeNumbers) && g.one(3) {
			o.queue = math.MaxInt - g.IntN(2)
		}
		o.finish, o.patience = finish(g.IntN(len(finishes))), g.IntN(8)
	default:
		if g.one(3) {
			o.limit = 1 + g.IntN(4)
		}
		if g.one(6) {
			o.permits = 1 + g.IntN(4)
		}
		o.capture = g.one(4)
	}
	o.resized = g.one(4)
	if o.kind == errNew || o.kind == errRun {
		o.collect = g.one(3)
		if o.collect && g.one(3) {
			o.maxErrors = 1 + g.IntN(3)
		}
	}
}

// lanes gives the owner up to most further lanes besides its first.
func (g *generator) lanes(o *owner, most int) {
	o.lanes = [][]*op{nil}
	g.within(spot{o: o, lane: true}, func() {
		if s := g.start(); s != nil {
			o.lanes[0] = append(o.lanes[0], s)
		}
		o.lanes[0] = append(o.lanes[0], g.ops(6)...)
		if o.kind == poolNew && features.on(outsiderWaits) {
			o.lanes = append(o.lanes, []*op{{kind: opSleep, d: g.IntN(3)}, g.collect(), {kind: opSleep, d: 2}, g.collect()})
		}
		for range most {
			if g.one(4) {
				o.lanes = append(o.lanes, g.ops(3))
			}
		}
	})
}

// batch makes one of a pool that the function is outside of, or that it has a place in.
func (g *generator) batch() *op {
	return g.onPool(&owner{kind: batchOf, reraise: g.one(3)})
}

// keyed makes a Keyed, in the same way.
func (g *generator) keyed() *op {
	return g.onPool(&owner{kind: keyedOf, perKey: max(1, g.IntN(5)-1), reraise: g.one(3)})
}

func (g *generator) onPool(o *owner) *op {
	up := g.find(func(i int) bool {
		in := g.insider(i)
		return g.levels[i].o.kind == poolNew && !g.crosses(i) && !g.isHeld(i) && (in < 0 || g.levels[in].place)
	})
	if up < 0 || g.top() >= deepest {
		return nil
	}
	o.id, o.on = g.id(), up
	g.lanes(o, 1)
	return &op{kind: opOwner, owner: o, env: g.top()}
}

func (g *generator) loop() *op {
	if g.top() >= deepest {
		return nil
	}
	l := &loop{
		id: g.id(), kind: loopKind(g.IntN(len(loopNames))), workers: g.IntN(5), n: 1 + g.IntN(12),
		breakAt: -1, bodyEnd: endReturn,
	}
	if features.on(hugeNumbers) && g.one(3) {
		l.workers = []int{math.MaxInt, math.MaxInt32, math.MaxInt / 2}[g.IntN(3)]
	}
	if g.one(8) {
		l.n = 50 + g.IntN(400)
	}
	g.within(spot{}, func() {
		for range 1 + g.IntN(4) {
			l.items = append(l.items, &item{g.IntN(l.n), &task{id: g.id(), ops: g.ops(3), end: g.itemEnding()}})
		}
	})
	if l.kind >= loopEach {
		l.pace = max(0, g.IntN(6)-4)
		if l.n > 40 {
			l.pace = 0
		}
		l.input = g.inputEnding()
	}
	if l.kind >= loopMap {
		l.body = g.ops(2)
		if g.one(5) {
			l.feed, l.input = true, endReturn
			for _, item := range l.items {
				item.task.ops, item.task.end = []*op{{kind: opSleep, d: g.IntN(4)}}, endReturn
			}
		}
		if g.one(3) && !l.feed {
			l.breakAt = g.IntN(l.n)
			l.bodyEnd = g.inputEnding()
		}
	}
	return &op{kind: opLoop, loop: l, env: g.top()}
}

func (g *generator) itemEnding() ending {
	end := g.ending(true)
	if end == endPanicInGoexit && !features.on(panicBesideGoexit) {
		end = endPanic
	}
	return end
}

func (g *generator) inputEnding() ending {
	switch n := g.IntN(20); {
	case n < 15:
		return endReturn
	case n < 17:
		return endPanic
	case n < 19:
		return endGoexit
	case features.on(inputAborts):
		return []ending{endPanicInGoexit, endGoexitInPanic}[g.IntN(2)]
	}
	return endReturn
}

func (g *generator) fan() *op {
	if g.top() >= deepest {
		return nil
	}
	f := &fan{id: g.id(), kind: fanKind(g.IntN(len(fanNames))), discard: g.one(2)}
	if g.one(2) {
		f.stagger = g.IntN(4)
	}
	g.within(spot{}, func() {
		for range 1 + g.IntN(4) {
			f.fns = append(f.fns, &task{id: g.id(), ops: g.ops(3), end: g.ending(true)})
		}
	})
	f.quorum = 1 + g.IntN(len(f.fns))
	return &op{kind: opFan, fan: f, env: g.top()}
}
