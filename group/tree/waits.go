package tree

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core/sched"
)

// This file finds tasks that wait for each other in a circle.
//
// A task that waits for all tasks of an owner is stuck if one of these is stuck. A task that waits
// for room in an owner, or for a result or batch of it, is stuck if all tasks of the owner are
// stuck. A task that waits for a semaphore is stuck if all tasks of the owners that share it are
// stuck. A goroutine that waits in a loop is stuck if those that run items or the input of the loop
// are stuck, and the others wait until there is an item, or room for one. They count as tasks here.
// A task without a known wait, and a task without a name, may go on. The stuck tasks are the
// largest set that these rules allow. From each of them the waits lead into a circle.

// settled is how long each task of a circle must have waited. Their waits look like a circle for an
// instant while tasks lend places.
const settled = time.Second

// stuckTasks returns the goroutines of the named tasks, and of the items, that can never go on.
func (l *look) stuckTasks() map[uint64]bool {
	stuck := make(map[uint64]bool)
	for goroutine, w := range l.waits {
		if _, ok := l.tasks[goroutine]; (ok || l.works[goroutine]) && l.age(w.Since) >= settled {
			stuck[goroutine] = true
		}
	}
	for changed := true; changed; {
		changed = false
		for goroutine := range stuck {
			if l.mayGoOn(l.waits[goroutine], stuck) {
				delete(stuck, goroutine)
				changed = true
			}
		}
	}
	return stuck
}

func (l *look) mayGoOn(w wait, stuck map[uint64]bool) bool {
	if w.Reason == sched.ForTasks {
		return !slices.ContainsFunc(w.owner.Tasks, func(t sched.TaskView) bool { return stuck[t.Goroutine] })
	}
	if w.Reason == sched.ForItems {
		return l.itemsMayGoOn(w, stuck)
	}
	if w.owner.Limit == 0 && w.Reason == sched.ForRoom {
		return true // SetLimit can make room
	}
	running := 0
	for i := range l.views {
		v := &l.views[i]
		shares := v == w.owner || w.Reason == sched.ForSemaphore && v.Semaphore == w.owner.Semaphore
		if !shares {
			continue
		}
		running += v.Running
		if v.Running > len(v.Tasks) || slices.ContainsFunc(v.Tasks, func(t sched.TaskView) bool { return !stuck[t.Goroutine] }) {
			return true
		}
	}
	return w.Reason == sched.ForSemaphore && int64(running) < w.owner.SemaphoreUsed || running == 0
}

// itemsMayGoOn reports whether the loop in which w waits may go on.
func (l *look) itemsMayGoOn(w wait, stuck map[uint64]bool) bool {
	items := 0
	for _, goroutine := range w.Workers {
		if stuck[goroutine] {
			items++
		} else if !l.stacks.isIdle(goroutine) {
			return true
		}
	}
	return items == 0
}

// circles returns each circle among stuck tasks once, in words.
func (l *look) circles() (texts []string) {
	stuck := l.stuckTasks()
	visited := make(map[uint64]bool)
	for i := range l.views {
		for j := range l.views[i].Tasks {
			at := l.views[i].Tasks[j].Goroutine
			var path []uint64
			for stuck[at] && !visited[at] && !slices.Contains(path, at) {
				path = append(path, at)
				at = l.blocker(l.waits[at], stuck)
			}
			for _, goroutine := range path {
				visited[goroutine] = true
			}
			if begin := slices.Index(path, at); begin >= 0 {
				texts = append(texts, l.circle(path[begin:]))
			}
		}
	}
	return texts
}

// blocker returns the goroutine of a stuck task for which w waits, or 0.
func (l *look) blocker(w wait, stuck map[uint64]bool) uint64 {
	if w.Reason == sched.ForItems {
		return w.Workers[slices.IndexFunc(w.Workers, func(goroutine uint64) bool { return stuck[goroutine] })]
	}
	for i := range l.views {
		v := &l.views[i]
		if v != w.owner && (w.Reason != sched.ForSemaphore || v.Semaphore != w.owner.Semaphore) {
			continue
		}
		for _, t := range v.Tasks {
			if stuck[t.Goroutine] {
				return t.Goroutine
			}
		}
	}
	return 0
}

// circle describes a circle: each task waits for the next, and the last for the first.
func (l *look) circle(goroutines []uint64) string {
	var b strings.Builder
	for i, goroutine := range goroutines {
		t, w := l.tasks[goroutine], l.waits[goroutine]
		if i > 0 && l.waits[goroutines[i-1]].Reason == sched.ForItems {
			fmt.Fprintf(&b, ", of which one waits for %s", what(w))
			continue
		}
		if i == 0 {
			fmt.Fprintf(&b, "%s waits in a circle: it waits for %s", printable(t.Path), what(w))
			continue
		}
		if last := l.waits[goroutines[i-1]]; last.owner == t.owner && t.Path == t.owner.Path {
			fmt.Fprintf(&b, ", of which one waits for %s", what(w))
		} else {
			fmt.Fprintf(&b, ", where %s waits for %s", printable(t.Path), what(w))
		}
	}
	return b.String()
}
