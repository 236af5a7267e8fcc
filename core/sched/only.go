package sched

// This file holds the states of an only task: a task that is accepted while the scheduler has no
// other, has not had two at once, and has no settings. Go, its worker and Wait use four atomic
// operations for it. With mu these are five locks, and a group of one task takes 1.4 times as long.
//
// The field only holds one of the states below. The first goroutine that locks mu counts an only
// task as busy: from then on mu guards it as it guards all tasks. Invariant:
//
//   - In noTask, starting and running shared is nil, busy is 0 whenever mu is free, and a wait has
//     nothing to raise. In noTask there is no task, and in the others there is one.
//   - In countedStarting the worker of the only task has not begun. It counts as busy, and as
//     searching if shared is not nil: before it runs its task, it wakes a worker for further tasks.
//
// mu guards the steps to countedStarting and counted, and from these to noTask. Only Go takes the
// step from noTask to starting, and only the worker those to running and back to noTask.

// The states of the field only.
const (
	noTask          uint32 = iota
	starting               // the worker of the only task has been started, and has not begun
	running                // the worker runs the task
	countedStarting        // as starting, but mu guards the task
	counted                // mu guards all tasks
)

// countOnlyLocked counts the only task, if there is one.
func (s *Scheduler) countOnlyLocked() {
	if only := s.only.Load(); only == starting || only == running {
		s.countOnlySlowLocked()
	}
}

func (s *Scheduler) countOnlySlowLocked() {
	if s.only.CompareAndSwap(starting, countedStarting) || s.only.CompareAndSwap(running, counted) {
		s.busy++
	}
}

// countAllLocked makes mu guard all tasks, from now on. It returns how many workers count as
// searching.
func (s *Scheduler) countAllLocked() (searching int16) {
	for s.only.Load() < countedStarting && !s.only.CompareAndSwap(noTask, counted) {
		s.countOnlyLocked()
	}
	if s.only.Load() == countedStarting {
		return 1
	}
	return 0
}
