package sched

import (
	"context"
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

// registry has a weak.Pointer[Scheduler] for the number of each owner.
var registry sync.Map

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
	race.Do(func() { registry.Store(id, owner) })
	runtime.AddCleanup(s, unregister, id)
}

// registered has the edges from each Register to the calls of Look.
var registered race.Point

// owners is the last number that an owner has been given.
var owners race.Uint64

func unregister(id uint64) {
	race.Do(func() { registry.Delete(id) })
}

// find returns the scheduler of the owner with this number, or nil.
func find(id uint64) *Scheduler {
	return race.Get(func() weak.Pointer[Scheduler] {
		v, _ := registry.Load(id)
		owner, _ := v.(weak.Pointer[Scheduler])
		return owner
	}).Value()
}

// Registered returns the schedulers of the named owners that have not been collected, the
// oldest first.
func Registered() []*Scheduler {
	ids := race.Get(func() (ids []uint64) {
		registry.Range(func(id, _ any) bool {
			ids = append(ids, id.(uint64))
			return true
		})
		slices.Sort(ids)
		return ids
	})
	var schedulers []*Scheduler
	for _, id := range race.Copy(ids) {
		if s := find(id); s != nil {
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
