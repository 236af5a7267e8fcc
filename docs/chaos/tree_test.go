package chaos_test

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
	keyedOf                   // pool.NewKeyed
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
	keyedOf:  {name: "pool.NewKeyed", pooled: true},
}

// An owner is a group, an errgroup, a pool, a batch or a Keyed, and all that is done to it
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
	on        int     // of a batch or a Keyed: the level of its pool
	perKey    int     // of a Keyed
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
	endServe         // waits until its context is done, and reports that: of a background task
)

var endings = [...]string{
	"return", "fail", "echo", "panic", "Goexit", "panic during Goexit", "Goexit during panic", "serve",
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
	opWaitKey                // WaitKey, with a context that ends after d ticks, or, if d is negative, never
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
	"sleep", "yield", "await ctx", "gate", "start", "bulk", "relay", "get", "Wait", "WaitContext", "WaitKey", "cancel", "collect", "resize",
	"pause", "acquire", "Shutdown", "Close", "wait for itself", "Go(nil)", "owner", "loop", "fan",
}

// An op is a statement of a function.
type op struct {
	kind  opKind
	up    int // the level that it is about, as an index into the function's levels
	env   int // the level whose context it uses
	n, d  int
	verb  verb
	key   int  // of what is started on a Keyed, or waited for
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
