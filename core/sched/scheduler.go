package sched

import (
	"context"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// A Scheduler runs tasks on as many workers as its owner allows. The zero value has no limit: it
// starts workers as tasks block.
type Scheduler struct {
	ended race.Point // from the end of each task to the waits that cover it
	order race.Point // from each task to the next, if the limit is 1
	enter race.Point // from goroutines that lock mu hidden to the bookkeeping; see enterDirect

	mu sync.Mutex // guards what follows; nothing blocks while it is held

	busy      int32 // workers that have a task, each on a place of its own
	searching int16 // workers that look for a task; each is counted before it is started or woken
	begun     bool  // a task was accepted while shared was nil
	first     Task  // an unclaimed task of the scheduler's own set, or nil; older than all tasks in queue

	waiters *park.Parker // waiters for all tasks, linked by Next
	shared  *shared      // nil until it is needed; then it stays

	// Owner has the settings, and decides what a panic or Goexit of a task does. It is written
	// before the first task. If it is nil, Wait raises the panics and Goexits of the tasks.
	Owner Owner
}

// shared holds the fields that a scheduler of a single plain task does not need.
type shared struct {
	queue   runQueue
	limiter limiter
	work    func() // calls Scheduler.work; kept, so that a go statement allocates nothing
	procs   int16  // GOMAXPROCS when the scheduler began

	semaphore *core.Semaphore    // of the Config
	lent      int32              // tasks that run on a lent place
	all       list.List[*Worker] // workers whose goroutine number is known; with IdleAfter: all but those of runInline

	accepted, dropped, panicked uint64 // numbers of tasks; accepted and dropped count helpers too
	helpers                     uint64 // the helpers among accepted
	helping                     int    // helpers that have not ended
	void                        int    // entries of the run queue whose task RunClaimed runs

	lines  list.List[*keyQueue] // the keys whose line is not empty
	posted int                  // tasks in the run queue that came from the line of a key; they take no room

	idle    *Worker // the stack of parked workers, linked by below; the last to park is on top
	workers int     // goroutines that have been started and have not left
	timer   *time.Timer
	gone    *park.Parker // waiters for the end of all workers

	failures    failures
	named       namedTasks
	backgrounds backgrounds
	alarm       *alarm // nil until a submitter has parked
}

// Unlimited, as a number of workers or of waiting tasks, is no bound.
const Unlimited = math.MaxInt

// Config holds the settings of a scheduler. They do not change after the first task is accepted.
type Config struct {
	Kind      string          // of the owner, for texts: "group", "pool"
	Name      string          // of the owner; may be empty
	Path      string          // the names of the owners around it, and Name, with slashes between
	Labels    context.Context // holds the pprof labels of the tasks; nil without a name
	Base      context.Context // holds the labels of a worker between tasks; nil: a worker has those of the goroutine that started it
	Semaphore *core.Semaphore // each task with a place of its own holds a permit of it; may be nil
	IdleAfter time.Duration   // how long a worker stays idle before it leaves; 0: it leaves at once
	Isolate   bool            // each task has a goroutine of its own

	names names      // the parts of Path
	entry *entry     // in the registry; nil without a name
	trace *traceTask // nil, unless an execution trace was being recorded when the owner was made
}

var zeroConfig = Config{Kind: "group"}

func (s *Scheduler) config() *Config {
	if s.Owner == nil {
		return &zeroConfig
	}
	return s.Owner.Config()
}

// semaphoreLocked returns the semaphore of the Config, or nil.
func (s *Scheduler) semaphoreLocked() *core.Semaphore {
	if s.shared == nil {
		return s.config().Semaphore
	}
	return s.shared.semaphore
}

// SetOwner sets the owner of a scheduler that has none.
func (s *Scheduler) SetOwner(o Owner) {
	s.lock()
	if s.Owner == nil {
		s.Owner = o
	}
	s.mu.Unlock()
}

// Limit sets how many tasks may run at once, and how many more may be accepted. The owner calls it
// after SetOwner and before the first task.
func (s *Scheduler) Limit(workers, waiting int) { s.share().limiter.init(workers, waiting) }

// share returns s.shared. It makes it if it is nil.
func (s *Scheduler) share() *shared {
	x := s.shared
	if x == nil {
		x = &shared{procs: processors(), semaphore: s.config().Semaphore}
		if s.begun {
			x.accepted = 1 // the first task
		}
		x.queue.init()
		x.limiter.init(Unlimited, 0)
		x.work = func() { s.work() }
		s.shared = x
	}
	return x
}

// lock locks mu. It tries several times before it parks. No goroutine holds mu for long, but a
// parked goroutine may have to wait until a task ends before it has a processor. Between two tries
// it leaves mu alone, for twice as long each time. A goroutine that tries without a pause slows
// down the goroutine that holds mu: that made tasks of a busy pool 2 to 3 times as expensive.
func (s *Scheduler) lock() {
	if !s.mu.TryLock() {
		s.lockSlow()
	}
	s.enter.Acquire()
}

func (s *Scheduler) lockSlow() {
	for spins := 64; spins <= 2048; spins *= 2 {
		for range spins { // some hundred nanoseconds in all
		}
		if s.mu.TryLock() {
			return
		}
	}
	s.mu.Lock()
}

// Go accepts a task of the given set; nil is the scheduler's own set. It blocks until there is
// room. It reports false if the scheduler is closed, also if that happens while Go blocks.
func (s *Scheduler) Go(set *Set, t Task) bool {
	if race.Hidden {
		return s.goHidden(set, t)
	}
	if !s.mu.TryLock() { // this is lock, written out: a call costs 1 ns
		s.lockSlow()
	}
	if !s.acceptFastLocked(set, t) {
		return s.goSlow(set, t)
	}
	s.mu.Unlock()
	return true
}

// acceptFastLocked accepts a task and reports true if the run queue has a place for it, the budget
// is not spent, and no worker must be woken.
func (s *Scheduler) acceptFastLocked(set *Set, t Task) bool {
	x := s.shared
	if x == nil || x.limiter.budget <= 0 || !x.queue.fits(set) || !s.attended(set) {
		return false
	}
	x.queue.pushFast(t)
	x.limiter.budget--
	x.accepted++
	return true
}

// attended reports whether one more task of set needs no further worker.
func (s *Scheduler) attended(set *Set) bool {
	if set != nil && set.lenders > 0 {
		return false
	}
	return s.searching >= s.shared.limiter.spread || s.fullLocked()
}

// fullLocked reports whether the number of workers has reached its limit.
func (s *Scheduler) fullLocked() bool { return s.busy+int32(s.searching) >= s.shared.limiter.workers }

func processors() int16 { return int16(min(runtime.GOMAXPROCS(0), math.MaxInt16)) }
