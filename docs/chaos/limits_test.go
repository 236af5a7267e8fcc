package chaos_test

import (
	"sync"
	"sync/atomic"
)

// A limiter counts what runs under one limit: of a group, of a semaphore, of a
// pool or of a loop. A task that waits for others of its own pool with its context
// lends its place, and is not counted meanwhile.
type limiter struct {
	run   *run
	name  string
	loops atomic.Bool // loops got workers here

	mu            sync.Mutex
	limit         int
	loose         int   // the highest limit of this instant
	high          int   // the highest since no more ran than the limit
	changed       int64 // when the limit was changed last
	running, lent int
	free          []span // when fewer ran than the limit; the last may not have ended
}

// A span is from one instant to another.
type span struct{ from, to int64 }

const never = 1 << 62

const noLimit = 1 << 30

func newLimiter(r *run, name string, limit int) *limiter {
	return &limiter{
		run: r, name: name, limit: limit, loose: limit, high: limit, changed: -1,
		free: []span{{r.now(), never}},
	}
}

// noteLocked notes whether fewer run than the limit. Spans of one instant are forgotten.
func (l *limiter) noteLocked(now int64) {
	n := len(l.free) - 1
	switch open := n >= 0 && l.free[n].to == never; {
	case l.running < l.limit && !open:
		l.free = append(l.free, span{now, never})
	case l.running >= l.limit && open && l.free[n].from == now:
		l.free = l.free[:n]
	case l.running >= l.limit && open:
		l.free[n].to = now
	}
}

// wasFree reports whether there was a place for a further task at some time from one instant until another.
// It does not know where loops had their helpers.
func (l *limiter) wasFree(from, to int64) bool {
	if !l.run.fake || l.loops.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.free {
		if max(from, s.from) < min(to, s.to) {
			return true
		}
	}
	return false
}

// bound is how many may run when one more starts. A start that was granted before
// the limit was lowered may show at the same instant, but not later.
func (l *limiter) bound(now int64) int {
	switch {
	case !l.run.fake:
		return l.high
	case l.lent > 0:
		return l.high // on a place that is lent one may start in any case
	case now == l.changed:
		return l.loose
	}
	return l.limit
}

func (l *limiter) enter(n int, who string, id int) {
	if l == nil {
		return
	}
	now := l.run.now()
	l.mu.Lock()
	l.running += n
	l.noteLocked(now)
	active, bound := l.running-l.lent, l.bound(now)
	l.mu.Unlock()
	if active > bound {
		l.run.violation("%d run in %s, whose limit is %d, as %s %d begins", active, l.name, bound, who, id)
	}
}

func (l *limiter) leave(n int) {
	if l == nil {
		return
	}
	now := l.run.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running -= n
	l.noteLocked(now)
	if l.run.fake && l.running <= l.limit && now != l.changed {
		l.high = l.limit
	}
}

// set notes a new limit.
func (l *limiter) set(n int) {
	now := l.run.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now != l.changed {
		l.loose = l.limit
	}
	l.loose, l.high = max(l.loose, n), max(l.high, n)
	l.limit, l.changed = n, now
	l.noteLocked(now)
}

// lend notes that a task waits with its context, and returns how to note that it
// goes on.
func (l *limiter) lend() (goOn func()) {
	if l == nil {
		return func() {}
	}
	l.lending(1)
	return func() { l.lending(-1) }
}

func (l *limiter) lending(n int) {
	l.mu.Lock()
	l.lent += n
	l.mu.Unlock()
}

// An order checks that tasks begin in the order in which they were started.
type order struct {
	mu     sync.Mutex
	called int64          // when the task that began last was started
	seqs   map[*frame]int // of each submitter, the last that began
	shared int            // by the tasks, without synchronization
}

func (o *order) begins(r *record) {
	if o == nil || r.inside {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.run.fake && r.called < o.called {
		r.run.violation("task %d begins after one that was started later", r.id)
	}
	if r.seq < o.seqs[r.submitter] {
		r.run.violation("task %d begins after one that the same function started later", r.id)
	}
	o.called, o.seqs[r.submitter] = max(o.called, r.called), r.seq
}
