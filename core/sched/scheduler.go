package sched

import (
	"context"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the structs of a scheduler, and what guards each field. The other files hold the
// mechanisms.

// A Scheduler runs tasks on as many workers as its owner allows. The zero value has no limit: it
// starts workers as tasks block.
type Scheduler struct {
	ended race.Point // from the end of each task to the waits that cover it
	order race.Point // from each task to the next, if the limit is 1
	enter race.Point // from submitHidden and noteBlocked to the bookkeeping

	mu sync.Mutex // guards what follows; nothing blocks while it is held

	busy int32         // workers that have a task, each on a place of its own
	only atomic.Uint32 // the state of an only task; not guarded by mu; see only.go

	waiters list.List[*park.Parker] // waiters for all tasks
	wake    *park.Parker            // goroutines that unlock wakes, linked by Next; nil whenever mu is free
	shared  *shared                 // nil until it is needed; then it stays

	// Owner decides what a panic or Goexit of a task does, and Config holds the settings. Both are
	// written before the first task. If they are nil, Wait raises the panics and Goexits of the
	// tasks, and the settings are those of a zero group.
	Owner  Owner
	Config *Config
}

// shared holds the fields that a scheduler of an only task does not need.
type shared struct {
	queue     runQueue
	searching int16 // workers that look for a task; each is counted before it is started or woken
	begun     int32 // tasks that workers have found since a task was last counted as ended

	todo    todo
	limiter limiter
	procs   int16 // GOMAXPROCS when shared was made

	lent int32              // tasks that run on a lent place
	all  list.List[*Worker] // with IdleAfter: the workers, except those of runInline

	accepted, dropped, panicked uint64 // numbers of tasks; accepted and dropped count helpers too
	helpers                     uint64 // the helpers among accepted
	helping                     int    // helpers that have not ended
	void                        int    // entries of the run queue whose task RunClaimed runs

	lines     list.List[*keyQueue] // the keys whose line is not empty
	fromLines int                  // tasks in the run queue that came from the line of a key; they take no room

	idle    *Worker                 // the stack of parked workers, linked by below; the last to park is on top
	workers int                     // goroutines that have been started and have not left
	timer   *time.Timer             // the timer that was set last; nil if it has expired
	bubble  uint64                  // the testing/synctest bubble of the timer; see Bubble
	gone    list.List[*park.Parker] // waiters for the end of all workers

	failures    *failures          // of the scheduler's own set; nil until a task fails
	named       list.List[*record] // the tasks with a name that run, the oldest first
	backgrounds backgrounds
	alarm       *alarm // nil until a submitter has parked
}

// Config holds the settings of a scheduler. They do not change after the first task is accepted.
type Config struct {
	Kind      string          // of the owner, for texts: "group", "pool"
	Name      string          // of the owner; may be empty
	Labels    context.Context // holds the pprof labels of the tasks; nil without a name
	Base      context.Context // holds the labels of a worker between tasks; nil: a worker has those of the goroutine that started it
	Semaphore *core.Semaphore // each task with a place of its own holds a permit of it; may be nil
	IdleAfter time.Duration   // how long a worker stays idle before it leaves; 0: it leaves at once
	Isolate   bool            // each task has a goroutine of its own

	names names      // the names of the owners around it, and Name
	entry *entry     // in the registry; nil without a name
	trace *traceTask // nil, unless an execution trace was being recorded when the owner was made
}

func (s *Scheduler) config() *Config {
	if c := race.Load(&s.Config); c != nil {
		return c
	}
	return &zeroConfig
}

var zeroConfig = Config{Kind: "group"}

// names is a linked list of the names in which a context nests, the innermost first. It does not
// change.
type names struct {
	path  string  // the names with slashes between, the innermost last
	owner *Config // the owner whose name ends path; nil if no owner has that name
	outer *names
}

// A Task is what a scheduler runs. It is an interface, so that a function is a Task without an
// allocation.
type Task interface {
	// Run does the work. It may block, panic and call runtime.Goexit.
	Run(w *Worker)
}

// Func is a task without a name or a context.
type Func func()

// An Owner decides what a panic or Goexit of a task does.
type Owner interface {
	// The scheduler calls Aborted when t, a task of set, panics with p, or calls runtime.Goexit:
	// then p is nil. t is the task that was given to WithPath or InOwner if it has a name. Aborted
	// runs in the goroutine of t, on top of the stack that panicked. The task has not ended while
	// Aborted runs. The process ends if Aborted panics.
	Aborted(s *Scheduler, set *Set, t Task, p *core.PanicError)
}

// A Worker is a goroutine that runs tasks one after another. Only that goroutine uses the fields
// that are not marked as guarded by mu.
type Worker struct {
	s      *Scheduler
	config *Config // of s
	task   Task
	set    *Set     // of the task
	seg    *segment // the taken segment from which it claims; nil if there is none
	busy   bool     // it has a task, or its last task is not yet counted as ended; otherwise it searches
	lent   bool     // it runs on a lent place
	only   bool     // it was started by goOnly, and runs its first task
	ending ending   // how the task ended
	start  func()   // calls work; also set while the Worker is not in use, so that a go statement allocates nothing

	lentTo *Set         // it runs tasks of this set only; nil: of all sets
	host   *Context     // the task on whose place runInline runs the worker's task; nil if there is none
	caller *park.Parker // of the goroutine that blocks in runInline until this worker leaves; nil if there is none

	goroutine  uint64   // its number in stack traces; 0 until it is needed
	busyStreak int      // how often it has found a task since it parked, up to longStreak
	record     *record  // of its task, from begin until the task has returned; nil if it has none
	context    *Context // likewise
	err        error    // for observers: what its task is about to return

	parker  *park.Parker       // while it is idle
	link    list.Elem[*Worker] // in shared.all
	below   *Worker            // in the stack of idle workers; guarded by mu
	since   time.Time          // when it became idle; guarded by mu
	bubble  uint64             // the testing/synctest bubble in which it is idle; guarded by mu
	expired bool               // it was woken to leave, and is not counted as searching; guarded by mu

	hidden *Worker // does the bookkeeping for this worker; nil: the worker does it itself; see isolate and visitHidden

	// In race builds.

	ordered bool // its task begins after the tasks that have ended, because the limit is 1
	direct  bool // see startDirect
}

// An ending is how a task ended. It selects the count that changes.
type ending uint8

const (
	endedWell ending = iota // by return or Goexit
	endedPanicked
	endedDropped // it did not run
	endedVoid    // RunClaimed ran it, not this worker
	endedHelper  // it was a helper, and returned, panicked or called Goexit
)

// A verdict is what a worker does next, after it has looked for a task.
type verdict uint8

const (
	leave    verdict = iota // end the goroutine
	parkIdle                // park; the worker is on the stack of idle workers
	again                   // yield, then look again
	begin                   // run the task that was claimed
)

// A todo lists what unlock does after it has released mu, besides waking goroutines. It is empty
// whenever mu is free.
type todo struct {
	spawn      int32                     // workers to start
	submitters bool                      // it wakes submitters; the worker yields to them
	start      *direct                   // the caller's task, which the caller starts itself in a race build; see startDirect
	lends      []*Set                    // for each, a worker to start on the lent place of one of its waiters
	cancel     []context.CancelCauseFunc // cancel functions of background tasks
}

// A direct task is a task of a race build that its submitter starts in a goroutine of its own. Only
// owners whose accepted tasks begin at once have direct tasks. They need the fewest goroutines:
// with more than three for each task the race detector forgets earlier accesses.
type direct struct {
	task    Task
	set     *Set
	ordered bool
}

// A Set is a wait set: tasks of a scheduler that have a wait of their own. A nil *Set is the
// scheduler's own set. Only Scheduler.Wait waits for its tasks, and that waits for all tasks.
//
// The scheduler's mu guards the fields, except those that do not change.
type Set struct {
	ended race.Point // from the end of each task to the waits that cover it

	sched  *Scheduler // does not change
	parent *Context   // the task for which the set was made; nil if there is none; does not change
	maker  uint64     // number of the goroutine that made the set, if parent is not nil; does not change

	failures *failures // nil until a task fails
	round    uint64    // how often a task was accepted while the set had no other
	dropped  bool      // Drop has dropped tasks of the set
	busy     int       // workers that have a task of the set, or a segment
	segments int       // segments that hold tasks of the set
	lenders  int       // listed waiters that lend their places
	lent     int       // workers that run on those places
	passed   int       // workers among those of lent whose task has lent the place to another task, or is blocked in a Replace
	waiters  list.List[*park.Parker]
	reclaims list.List[*park.Parker] // waiters that want their place back

	key *keyQueue // of the key whose tasks these are; nil if they have none; does not change
}

// scheduler returns set.sched. It uses race.Load because the bookkeeping makes the sets of keys
// hidden from the race detector.
func (set *Set) scheduler() *Scheduler { return race.Load(&set.sched) }

func (set *Set) addSegments(n int) {
	if set != nil {
		set.segments += n
	}
}

// parentTask returns set.parent, or nil if set is nil. Tasks of the set may run on that task's
// place.
func (set *Set) parentTask() *Context {
	if set == nil {
		return nil
	}
	return race.Load(&set.parent)
}

func (set *Set) emptyLocked() bool {
	return set.busy == 0 && set.segments == 0 && (set.key == nil || set.key.waits == 0)
}

// queueOfKey returns set.key, or nil if set is nil.
func (set *Set) queueOfKey() *keyQueue {
	if set == nil {
		return nil
	}
	return race.Load(&set.key)
}

// A Context is the context of a task or of an owner. It holds the scheduler of the task, and the
// names around it. A task that has a context embeds it.
//
// If a task is started with the unchanged context of another task, its Context derives from the
// parent of that context. So if each task of a chain starts the next, no context is deeper than the
// first, and no context keeps tasks that have ended.
type Context struct {
	context.Context            // its parent
	sched           *Scheduler // nil for an owner
	set             *Set
	names           *names
	outer           race.Pointer[Context] // the next task around it; see outward
	ended           race.Bool             // the task has ended, or this is not the context of a task
	background      bool                  // the task has no place
	passes          int32                 // how often it lends its place now, or is blocked in a Replace; small, so that it fits here; guarded by mu
	lentTo          *Set                  // the set whose waiter lent its place to the task; nil if there is none
	host            *Context              // the task that is blocked until this one has ended, which runs on its place; nil if there is none
	record          *record               // nil for a task without a name
	goroutine       uint64                // number of the goroutine of a task that runs, in an owner with IdleAfter
}

// A runQueue holds the unclaimed tasks, first in, first out, in segments. The scheduler's mu guards
// it, except for the tasks of taken segments.
//
// A worker takes a whole segment when it can, and claims its tasks one by one without
// mu. The segment stays in the list of taken segments while it has an unclaimed task, so that
// another worker can steal from it if a task blocks.
type runQueue struct {
	first  Task // a task of the scheduler's own set that was added to an empty queue, or nil
	queued list.List[*segment]
	last   *segment // the segment to which push adds; a full one if there is none
	n      int      // tasks that are not in taken segments

	taken  list.List[*segment] // in the order in which they were taken; those without an unclaimed task may be missing
	number uint32              // how many segments were taken; wraps
}

// A segment is a part of the run queue: consecutive tasks of one wait set.
//
// When a worker takes a segment, the field end becomes final. From then on a worker claims the task
// at the index that claimed has before the worker adds 1.
type segment struct {
	tasks   [segmentLen]Task
	set     *Set // whose tasks these are; nil: the scheduler's own set
	claimed atomic.Uint32
	end     uint32 // index of the next free slot

	link     list.Elem[*segment]
	head     uint32 // index of the first unclaimed task, until a worker takes the segment
	number   uint32 // its position in the order in which segments were taken
	attached int    // workers that claim from it
}

// segmentLen makes a segment 512 bytes: larger objects cost twice as much to allocate.
const segmentLen = 28

// A limiter counts how many further tasks a scheduler may accept. It lists the blocked submitters
// in the order in which they came. room.go and limit.go have its invariants. The scheduler's
// mu guards it.
type limiter struct {
	limit         int32 // tasks that may run at once
	mostWorkers   int32 // the most workers: limit, or any number if mayWait is 0, because then an accepted task must begin
	reserved      int32 // places that submitters have reserved for themselves; see submitter
	yielding      int16 // submitters that yield before they park
	searchers     int16 // how many workers should search while tasks are unclaimed
	budget        int32 // how many tasks may be accepted before the room is computed again
	closed        bool  // only tasks that have not ended may submit tasks
	closedToTasks bool  // no task is accepted any more
	mayWait       int64 // tasks that may wait besides those that may run
	wakeAt        int64 // blocked submitters are admitted when the room is at least this

	submitters list.List[*submitter]
	acquirers  list.List[*submitter] // with a reserved place; they wait for a permit, and cannot give up
}

// A submitter is a goroutine that is blocked until there is room. It first yields, so that tasks
// run: a yield costs less than parking and a wake-up. While it yields it stands for a searching
// worker in the invariant. When it returns, it wakes a worker if one is needed.
type submitter struct {
	task     Task
	set      *Set
	reserves bool // it wants a reserved place, and keeps its task
	patient  bool // it cannot give up
	state    submitterState
	parker   *park.Parker  // nil while it yields, while it reads its own stack, and for an acquirer; see deadlock.go
	stop     chan struct{} // closed, it ends the Acquire of an acquirer
	runs     knowledge     // see deadlock.go
	tasks    int32         // how many tasks the deadlock has; written when state becomes deadlocked
	link     list.Elem[*submitter]
}

type submitterState uint8

const (
	blocked    submitterState = iota
	admitted                  // the task was accepted
	hasPlace                  // a place is reserved
	started                   // the task is counted as running, and the submitter starts it, in a race build; see startDirect
	refused                   // the scheduler was closed
	replaced                  // another task replaces those of its key
	deadlocked                // the submitter panics
)

// knowledge is what the scheduler knows of a submitter's goroutine.
type knowledge uint8

const (
	unparked knowledge = iota
	mayGiveUp
	unknown  // it cannot give up; this holds for the values below too
	asked    // it will read its stack
	outsider // it runs no task of the scheduler
	insider  // it runs a task of the scheduler
)

// An alarm holds the timer of a scheduler and what it needs. The scheduler's mu guards it.
type alarm struct {
	timer   *time.Timer // the timer that counts; nil if there is none
	at      time.Time   // when that timer was set
	calm    int         // how many blocked submitters in a row had no need to park
	parks   uint32      // how often a submitter has parked; wraps
	seen    uint32      // the value of parks when the timer was set
	patient int32       // submitters that have parked and cannot give up
	asking  int         // submitters that were asked and have not yet answered
}

// keys holds the part of Keyed that does not depend on the type of the key. The scheduler's mu
// guards the fields that change.
type keys struct {
	ended   race.Point // from the end of each task to the waits for all keys
	sched   *Scheduler
	perKey  int
	mayWait int // tasks that may wait for their keys

	all       list.List[*keyQueue]    // the keys that are not forgotten
	live      int                     // keys that have tasks
	waiting   int                     // tasks that were accepted while their key was busy, and that no worker has claimed
	blocked   list.List[*KeyTask]     // tasks whose submitters are blocked until waiting is less than mayWait
	waiters   list.List[*park.Parker] // waiters for all keys
	collected failures                // what waits for single keys took, for the waiters for all keys
}

// A keyQueue holds the tasks of one key.
type keyQueue struct {
	Set
	order race.Point // from each task to the next, if perKey is 1
	keys  *keys
	self  interface{ forget() }

	active   list.List[*keyEntry] // entries in the run queue, or whose task runs
	actives  int                  // the length of active
	line     list.List[*KeyTask]
	waits    int                  // accepted tasks in line
	fromLine int                  // tasks in the run queue that came from the line
	entering int                  // submitters that are blocked until there is room in the run queue
	live     bool                 // the key has tasks
	link     list.Elem[*keyQueue] // in keys.all
	lineLink list.Elem[*keyQueue] // in shared.lines
}

// A KeyTask is the part of a task with a key that this package uses.
type KeyTask struct {
	own         keyEntry // its entry in the run queue, unless it uses the entry of the task that it replaces
	task        Replaceable
	key         *keyQueue           // of its key; guarded by mu
	link        list.Elem[*KeyTask] // in keyQueue.line
	blockedLink list.Elem[*KeyTask] // in keys.blocked
	parker      *park.Parker        // of its submitter; nil unless the submitter is blocked
	retry       *park.Parker        // its submitter waits for room in the run queue, and blocks with this if the key is busy then
	refused     error               // what its submitter returns; nil if the task was accepted
	exclusive   bool                // set by Replace: it becomes active only when no other task of the key is active
	from        race.Point          // from its submitter to the task
}

// A Replaceable is a task with a key. It embeds a Context.
type Replaceable interface {
	recorded() *record
	Task
	// Replaced cancels the context of the task, which has begun and may have ended.
	Replaced()
}

// A keyEntry stands for a task with a key in the run queue.
type keyEntry struct {
	body race.Pointer[KeyTask] // the task that it will run; nil when the task has begun or was dropped
	task *KeyTask              // the task that it runs or will run; nil when the task was dropped; guarded by mu
	link list.Elem[*keyEntry]  // in keyQueue.active
}

// backgrounds holds the background tasks that have not ended. The scheduler's mu guards it.
type backgrounds struct {
	n      int                    // background tasks that have not ended
	active list.List[*background] // those among them whose context has not been cancelled
}

type background struct {
	Worker
	cancel context.CancelCauseFunc
	link   list.Elem[*background]
}

// An entry holds what package tree shows of a named owner and the scheduler does not need. The
// owner holds it, and the registry does not, because it points to the task in which the owner was
// made.
type entry struct {
	id         uint64
	made       time.Time
	bubble     uint64      // the testing/synctest bubble in which the owner was made; see Bubble
	at         [12]uintptr // the program counters of the callers of Register
	parent     *entry      // of the owner around it; nil if there is none
	parentTask *record     // the named task in which it was made; nil if there is none

	failed race.Uint64 // number of tasks that returned an error

	cancelled Cancellation     // guarded by the scheduler's mu
	notes     list.List[*note] // goroutines that are blocked on the owner; guarded by the scheduler's mu
}

// A Cancellation describes how an owner cancelled its own context.
type Cancellation struct {
	Time  time.Time // zero if the owner did not cancel it
	By    string    // the path of the task that caused it; "" if not known
	Cause error
}

// A note describes a goroutine that is blocked on an owner.
type note struct {
	s         *Scheduler
	reason    Reason
	since     time.Time
	goroutine uint64
	workers   []uint64     // of a loop: the goroutines that run its items or its input; guarded by the scheduler's mu
	waiting   atomic.Int64 // of a loop: since when its caller has been blocked, as a moment; 0 while it is not
	link      list.Elem[*note]
}

// A Reason says what ends the block of a goroutine.
type Reason uint8

const (
	ForRoom      Reason = iota // there is room in the owner
	ForSemaphore               // the owner's semaphore has a permit
	ForTasks                   // all tasks of the owner have ended
	ForSome                    // some tasks of the owner have ended: those of a set, or the task of a Future
	ForItems                   // items of a loop within the owner have ended
)

// A traceTask is the task of an execution trace that stands for an owner. It ends when a wait first
// finds that no task of the owner is left.
type traceTask struct {
	*trace.Task
	ended race.Uint64
}

// A record describes a task with a name.
type record struct {
	path      string
	context   *Context    // of a task that has one; otherwise nil
	queued    moment      // when the task was queued; 0 in an owner without a name; guarded by the scheduler's mu once the task is submitted
	started   moment      // when it began to run
	goroutine uint64      // the number of its goroutine
	number    race.Uint64 // of the task in events and snapshots; 0 until the first call of id
	watch     *watch      // nil, unless observers see the task or it is a region of an execution trace

	link list.Elem[*record] // in shared.named
}

// A moment is a point in time: nanoseconds since the program began, or, on the clock of a
// testing/synctest bubble, Unix nanoseconds. It takes a third of the memory of a time.Time. 0 means
// no time.
type moment int64
