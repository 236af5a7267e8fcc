package sched

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/coterie-go/coterie/core/race"
)

// This file holds the registry of the named owners, in which package tree finds them. Its pointers
// are weak: an owner that the program no longer holds is collected, and leaves the registry. A
// named owner enters once, before its first task. An owner without a name never enters.

var registry struct {
	mu     sync.Mutex // nothing blocks while it is held
	owners map[uint64]weak.Pointer[Scheduler]
}

// Register enters an owner that has a name in the registry. ctx is the context with which the owner
// was made. The owner calls Register once, after all other settings and before the first task.
func (s *Scheduler) Register(ctx context.Context) {
	config := s.config()
	if config.Name == "" {
		return
	}
	e := &entry{id: owners.Add(1), made: time.Now(), bubble: Bubble()}
	runtime.Callers(2, e.at[:])
	for c := taskOf(ctx); c != nil && e.parent == nil; c = c.outward() {
		if c.sched == nil {
			continue
		}
		if e.parentTask == nil {
			e.parentTask = c.record
		}
		e.parent = c.sched.config().entry
	}
	config.entry = e
	registered.Release()
	owner, id := weak.Make(s), e.id
	race.Do(func() {
		registry.mu.Lock()
		if registry.owners == nil {
			registry.owners = make(map[uint64]weak.Pointer[Scheduler])
		}
		registry.owners[id] = owner
		registry.mu.Unlock()
	})
	runtime.AddCleanup(s, unregister, id)
}

// registered has the edges from each Register to the calls of Look.
var registered race.Point

// owners is the last number that an owner has been given.
var owners race.Uint64

func unregister(id uint64) {
	race.Do(func() {
		registry.mu.Lock()
		delete(registry.owners, id)
		registry.mu.Unlock()
	})
}

// find returns the scheduler of the owner with this number, or nil.
func find(id uint64) *Scheduler {
	return race.Get(func() weak.Pointer[Scheduler] {
		registry.mu.Lock()
		defer registry.mu.Unlock()
		return registry.owners[id]
	}).Value()
}

// Registered returns the schedulers of the named owners that have not been collected, the
// oldest first.
func Registered() []*Scheduler {
	owners := race.Get(func() (owners []weak.Pointer[Scheduler]) {
		registry.mu.Lock()
		defer registry.mu.Unlock()
		for _, id := range slices.Sorted(maps.Keys(registry.owners)) {
			owners = append(owners, registry.owners[id])
		}
		return owners
	})
	var schedulers []*Scheduler
	for _, o := range race.Copy(owners) {
		if s := o.Value(); s != nil {
			schedulers = append(schedulers, s)
		}
	}
	return schedulers
}

// Number returns the number by which the registry knows the owner, or 0.
func (s *Scheduler) Number() uint64 { return s.config().number() }

// Cancelled records that the caller cancels the context of the owner. The first call counts. It
// does nothing for an owner without a name.
func (s *Scheduler) Cancelled(cause error) {
	e := s.config().entry
	if e == nil {
		return
	}
	id, now := GoroutineID(), time.Now()
	s.locked(func() {
		if !e.cancelled.Time.IsZero() {
			return
		}
		e.cancelled = Cancellation{Time: now, Cause: cause}
		if s.shared == nil {
			return
		}
		for t := s.shared.named.Front(); t != nil; t = t.Next() {
			if t.Value.goroutine == id {
				e.cancelled.By = t.Value.path
			}
		}
	})
}
