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

// A Scheduler runs tasks on as many workers as its owner allows. The zero value allows
// as many as tasks block, and lets any number of tasks wait.
type Scheduler struct {
	ended race.Point // from the end of each task to the waits that cover it
	order race.Point // from each task to the next, where one runs at a time
	enter race.Point // from goroutines that take mu unseen to the bookkeeping; see enterDirect

	mu sync.Mutex // guards what follows; nothing blocks while it is held

	busy      int32 // workers that have a task, each on a place of its own
	searching int16 // workers that look for a task: from when they are counted, which is before they start
	begun     bool  // there has been a task
	first     Task  // the oldest unclaimed task of the scheduler's own set, or nil; older than the run queue

	waiters *park.Parker // who wait for all tasks
	shared  *shared      // nil until it is needed; then it stays

	// Owner decides what becomes of tasks of the scheduler's own set that do not return.
	// It is written before the first task. Without an owner Wait raises what they raised.
	Owner Owner
}

// shared is what a scheduler needs from its second task on.
type shared struct {
	queue   runQueue
	limiter limiter
	work    func() // the life of a worker; one value, so that a go statement allocates nothing
	procs   int16  // GOMAXPROCS when the scheduler began

	semaphore *core.Semaphore    // of the Config
	lent      int32              // tasks that run on a lent place
	all       list.List[*Worker] // of an owner that keeps idle workers

	accepted, dropped, panicked uint64 // tasks, and helpers but in panicked
	helpers                     uint64 // of accepted
	helping                     int    // helpers that have not ended
	void                        int    // entries of the run queue whose task was claimed by other means

	lines  list.List[*keyQueue] // of keys for which tasks wait
	posted int                  // tasks in the run queue that have waited for their key; they need no room

	idle    *Worker      // parked workers, the one that parked last first, linked by below
	workers int          // goroutines that have been started and have not left
	timer   *time.Timer  // that was set last; nil when it has expired
	bubble  uint64       // of testing/synctest, to which the timer belongs; see Bubble
	gone    *park.Parker // who wait until there is no worker

	failures    failures
	named       namedTasks
	backgrounds backgrounds
	alarm       *alarm // nil until a submitter has parked
}

// Unlimited, as a number of workers or of waiting tasks, is no bound.
const Unlimited = math.MaxInt

// Config are the settings of a scheduler. They do not change once it has a task.
type Config struct {
	Kind      string          // of the owner, for texts: "group", "pool"
	Name      string          // of the owner; may be empty
	Path      string          // the name within those of the owners around it
	Labels    context.Context // holds the pprof labels of the tasks; nil without a name
	Base      context.Context // holds the labels of a worker between tasks; nil: those of whoever started it
	Semaphore *core.Semaphore // nil, or of which each task holds a permit
	IdleAfter time.Duration   // how long a worker without a task stays
	Isolate   bool            // a goroutine of its own for each task

	names names      // as Path says
	entry *entry     // in the registry; nil without a name
	trace *traceTask // nil unless the owner was made while the program was traced
}

var zeroConfig = Config{Kind: "group"}

func (s *Scheduler) config() *Config {
	if s.Owner == nil {
		return &zeroConfig
	}
	return s.Owner.Config()
}

// semaphoreLocked returns the Config's.
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

// Limit bounds how many tasks may run at once, and how many more may be accepted. It
// is called before the first task, when the owner is set.
func (s *Scheduler) Limit(workers, waiting int) { s.share().limiter.init(workers, waiting) }

// share returns what is shared, which it makes first if there is none.
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

// lock locks mu. It tries some times before it parks: nobody holds mu for long, but a goroutine
// that has parked may have to wait for a processor until a task ends. Between two tries it
// leaves mu alone, for twice as long each time. Whoever looks all the time slows down the
// goroutine that holds mu: that made tasks of a busy pool 2 to 3 times as expensive.
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

// Go accepts a task of the given set, nil for the scheduler's own, which never gives up. It blocks while there is no
// room. It reports false if the scheduler is closed.
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

// acceptFastLocked accepts a task if that needs nothing further.
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

// attended reports whether no further worker is to be woken for one more task of set.
func (s *Scheduler) attended(set *Set) bool {
	if set != nil && set.lenders > 0 {
		return false
	}
	return s.searching >= s.shared.limiter.spread || s.fullLocked()
}

// fullLocked reports whether there are as many workers as there may be.
func (s *Scheduler) fullLocked() bool { return s.busy+int32(s.searching) >= s.shared.limiter.workers }

func processors() int16 { return int16(min(runtime.GOMAXPROCS(0), math.MaxInt16)) }
