package chaos_test

import (
	"fmt"
	"slices"
	"strings"
)

// A tree is data: what a program that uses coterie does, without the program. The
// generator makes it of a seed, the runner follows it, the printer shows it, and
// the shrinker takes parts of it away.

// ownerKind is how an owner is made.
type ownerKind int

const (
	groupNew ownerKind = iota // group.New
	groupRun                  // group.RunWith
	errZero                   // var g errgroup.Group
	errNew                    // errgroup.New
	errRun                    // errgroup.RunWith
	poolNew                   // pool.New
	batchOf                   // Pool.Batch
)

// kinds says what is true of all owners of a kind.
var kinds = [...]struct {
	name   string
	scope  bool // a function that returns when body and tasks have ended
	errs   bool // tasks return errors
	pooled bool // tasks share a fixed number of workers
}{
	groupNew: {name: "group.New"},
	groupRun: {name: "group.RunWith", scope: true},
	errZero:  {name: "errgroup.Group{}", errs: true},
	errNew:   {name: "errgroup.New", errs: true},
	errRun:   {name: "errgroup.RunWith", scope: true, errs: true},
	poolNew:  {name: "pool.New", pooled: true},
	batchOf:  {name: "Pool.Batch", pooled: true},
}

// An owner is a group, an errgroup, a pool or a batch, and all that is done to it
// from outside.
type owner struct {
	id        int
	kind      ownerKind
	name      string
	limit     int // Limit, or the number of workers; 0: none
	permits   int // the limit of its own Semaphore; 0: it has none
	queue     int
	capture   bool
	collect   bool
	maxErrors int
	on        int     // of a batch: the level of its pool
	lanes     [][]*op // run side by side; lane 0 runs in the goroutine that made the owner
	end       ending  // of a scope's body
	finish    finish  // of the others
	patience  int     // of Shutdown, in ticks
	resized   bool    // its limit changes
	twin      *owner  // runs beside it, and shares its Semaphore
	reraise   bool    // what its last Wait raises goes on
}

// finish is how the lane that made an owner ends it.
type finish int

const (
	finishWait     finish = iota // Wait; a pool is closed as well
	finishClose                  // Close, without a Wait before
	finishShutdown               // Shutdown, and then Close
	finishIdle                   // Wait; the pool's workers end because they are idle
)

var finishes = [...]string{"Wait", "Close", "Shutdown", "Wait, idle"}

// ending is how a function ends.
type ending int

const (
	endReturn ending = iota
	endFail          // returns an error
	endEcho          // waits for its context and returns why it is done
	endPanic
	endGoexit
	endPanicInGoexit // panics in a deferred function during a Goexit
	endGoexitInPanic // calls Goexit in a deferred function during a panic
)

var endings = [...]string{
	"return", "fail", "echo", "panic", "Goexit", "panic during Goexit", "Goexit during panic",
}

// A task is a function that an owner is given.
type task struct {
	id  int
	ops []*op
	end ending
}

// opKind is what an op does.
type opKind int

const (
	opSleep    opKind = iota // for d ticks
	opYield                  // runtime.Gosched, n times
	opAwait                  // until the context is done, at most d ticks
	opGate                   // until d ticks after the tree began
	opStart                  // one task, by a verb
	opBulk                   // n tasks that do next to nothing, by a verb
	opRelay                  // n tasks, each of which waits for the next
	opGet                    // the results of what this function has submitted or forked, waiting at most d ticks for each; 0: for ever
	opWait                   // Wait
	opWaitFor                // WaitContext, with a context that ends after d ticks
	opCancel                 // the context of an owner
	opCollect                // the results of what tasks of the pool have submitted for others
	opResize                 // SetLimit, SetWorkers to n
	opPause                  // SetLimit(0), and n again after d ticks
	opAcquire                // n permits of the owner's semaphore, for d ticks
	opShutdown               // Shutdown of a pool by another goroutine, with a patience of d ticks
	opClose                  // Close of a pool by another goroutine
	opSelfWait               // a task waits for its own owner, which panics
	opNil                    // Go(nil), which panics
	opOwner                  // a nested owner, from its beginning to its end
	opLoop                   // For, MapSlice, Each, Map, MapUnordered
	opFan                    // Gather, Race, Quorum
)

var opNames = [...]string{
	"sleep", "yield", "await ctx", "gate", "start", "bulk", "relay", "get", "Wait", "WaitContext", "cancel", "collect", "resize",
	"pause", "acquire", "Shutdown", "Close", "wait for itself", "Go(nil)", "owner", "loop", "fan",
}

// An op is a statement of a function.
type op struct {
	kind  opKind
	up    int // the level that it is about, as an index into the function's levels
	env   int // the level whose context it uses
	n, d  int
	verb  verb
	hand  bool // the result is for somebody outside of the pool
	task  *task
	owner *owner
	loop  *loop
	fan   *fan
}

// loopKind is a loop of package pool.
type loopKind int

const (
	loopFor loopKind = iota
	loopMapSlice
	loopEach
	loopMap
	loopMapUnordered
)

var loopNames = [...]string{"For", "MapSlice", "Each", "Map", "MapUnordered"}

// A loop is a call of one of them.
type loop struct {
	id         int
	kind       loopKind
	workers, n int
	items      []*item // those that do something; the others return
	body       []*op   // of the range loop, for each result
	breakAt    int     // the result after which the body leaves the loop; -1: none
	bodyEnd    ending  // how it leaves the loop then
	pace       int     // how long the input sleeps between items, in ticks
	input      ending  // how the input ends
	feed       bool    // the body decides when the input ends; items only sleep then
}

// An item is what the loop's function does with one of the indexes.
type item struct {
	index int
	task  *task
}

// fanKind is a function of package errgroup that runs others.
type fanKind int

const (
	fanGather fanKind = iota
	fanRace
	fanQuorum
)

var fanNames = [...]string{"Gather", "Race", "Quorum"}

// A fan is a call of one of them.
type fan struct {
	id      int
	kind    fanKind
	quorum  int
	stagger int
	discard bool
	fns     []*task
}

// printer writes a tree for people.
type printer struct {
	strings.Builder
	depth int
}

func (p *printer) line(format string, args ...any) {
	p.WriteString(strings.Repeat("  ", p.depth))
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

func (p *printer) within(f func()) {
	p.depth++
	f()
	p.depth--
}

func (p *printer) ops(ops []*op) {
	for _, o := range ops {
		p.op(o)
	}
}

func (p *printer) op(o *op) {
	switch o.kind {
	case opOwner:
		p.owner(o.owner)
	case opLoop:
		p.loop(o.loop)
	case opFan:
		p.fan(o.fan)
	case opStart:
		p.line("%s on level %d, context of %d, for others %t:", verbs[o.verb].name, o.up, o.env, o.hand)
		p.within(func() { p.task(o.task) })
	case opBulk:
		p.line("%d times %s on level %d, context of %d", o.n, verbs[o.verb].name, o.up, o.env)
	default:
		p.line("%s on level %d, context of %d, n %d, ticks %d", opNames[o.kind], o.up, o.env, o.n, o.d)
	}
}

func (p *printer) task(t *task) {
	p.line("task %d", t.id)
	p.within(func() {
		p.ops(t.ops)
		p.line("%s", endings[t.end])
	})
}

func (p *printer) owner(o *owner) {
	p.line("%s %d: %s", kinds[o.kind].name, o.id, o.settings())
	for i, lane := range o.lanes {
		p.within(func() {
			p.line("lane %d", i)
			p.within(func() { p.ops(lane) })
		})
	}
	if kinds[o.kind].scope {
		p.within(func() { p.line("body: %s", endings[o.end]) })
	} else {
		p.within(func() { p.line("%s, patience %d", finishes[o.finish], o.patience) })
	}
	if o.twin != nil {
		p.within(func() {
			p.line("beside it, with the same semaphore:")
			p.owner(o.twin)
		})
	}
}

// settings shows those that are not zero.
func (o *owner) settings() string {
	var shown []string
	for _, s := range []struct {
		name  string
		value any
		on    bool
	}{
		{"name", o.name, o.name != ""},
		{"limit", o.limit, o.limit != 0},
		{"permits", o.permits, o.permits != 0},
		{"queue", o.queue, o.queue != 0},
		{"capture", o.capture, o.capture},
		{"collect", o.collect, o.collect},
		{"maxErrors", o.maxErrors, o.maxErrors != 0},
		{"on level", o.on, o.kind == batchOf},
		{"reraise", o.reraise, o.reraise},
	} {
		if s.on {
			shown = append(shown, fmt.Sprintf("%s %v", s.name, s.value))
		}
	}
	return strings.Join(shown, ", ")
}

func (p *printer) loop(l *loop) {
	p.line("%s %d: %d workers, %d items, input sleeps %d and ends by %s, fed by the body %t",
		loopNames[l.kind], l.id, l.workers, l.n, l.pace, endings[l.input], l.feed)
	p.within(func() {
		for _, item := range l.items {
			p.line("item %d", item.index)
			p.within(func() { p.task(item.task) })
		}
		if l.kind >= loopMap {
			p.line("body, which leaves after result %d by %s", l.breakAt, endings[l.bodyEnd])
			p.within(func() { p.ops(l.body) })
		}
	})
}

func (p *printer) fan(f *fan) {
	p.line("%s %d: quorum %d, stagger %d, discard %t", fanNames[f.kind], f.id, f.quorum, f.stagger, f.discard)
	p.within(func() {
		for _, fn := range f.fns {
			p.task(fn)
		}
	})
}

// A cut is one way to make a tree smaller. It returns how to undo it.
type cut func() (undo func())

// cuts lists what can be taken away from the ops, the largest parts first.
func cuts(list *[]*op) []cut {
	var all []cut
	collectCuts(list, &all)
	return all
}

func collectCuts(list *[]*op, all *[]cut) {
	for i := range *list {
		*all = append(*all, without(list, i))
	}
	for _, o := range *list {
		if o.task != nil {
			cutTask(o.task, all)
		}
		if o.owner != nil {
			cutOwner(o.owner, all)
		}
		if o.loop != nil {
			cutLoop(o.loop, all)
		}
		if o.fan != nil {
			for _, fn := range o.fan.fns {
				cutTask(fn, all)
			}
		}
		if o.n > 1 && o.kind == opBulk {
			*all = append(*all, setTo(&o.n, o.n/2))
		}
	}
}

func cutTask(t *task, all *[]cut) {
	if t.end != endReturn {
		*all = append(*all, setTo(&t.end, endReturn))
	}
	collectCuts(&t.ops, all)
}

func cutOwner(o *owner, all *[]cut) {
	if o.twin != nil {
		*all = append(*all, setTo(&o.twin, nil))
		cutOwner(o.twin, all)
	}
	if len(o.lanes) > 1 {
		*all = append(*all, setTo(&o.lanes, o.lanes[:len(o.lanes)-1]))
	}
	if o.name != "" {
		*all = append(*all, setTo(&o.name, ""))
	}
	if o.end != endReturn {
		*all = append(*all, setTo(&o.end, endReturn))
	}
	for i := range o.lanes {
		collectCuts(&o.lanes[i], all)
	}
}

func cutLoop(l *loop, all *[]cut) {
	if l.n > 1 {
		*all = append(*all, setTo(&l.n, l.n/2))
	}
	for i := range l.items {
		*all = append(*all, without(&l.items, i))
		cutTask(l.items[i].task, all)
	}
	collectCuts(&l.body, all)
}

// without takes the element at i out of the list. Another cut may have made the
// list shorter meanwhile.
func without[T any](list *[]T, i int) cut {
	return func() func() {
		old := *list
		if i < len(old) {
			*list = slices.Delete(slices.Clone(old), i, i+1)
		}
		return func() { *list = old }
	}
}

func setTo[T any](at *T, value T) cut {
	return func() func() {
		old := *at
		*at = value
		return func() { *at = old }
	}
}
