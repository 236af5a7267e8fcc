package pool

// Stats are a pool's numbers at one instant.
//
// At any instant Submitted = Completed + Dropped + Queued + the tasks that run;
// at rest, when Wait would return at once, Submitted = Completed + Dropped. Helpers that a loop
// has within a task of the pool are no tasks: only Queued and Busy count them.
type Stats struct {
	// Workers is the number of the pool's goroutines, busy or idle. It grows
	// when a task finds no free worker, and shrinks when a worker has been idle
	// for IdleAfter, when SetWorkers lowers the limit, and by Close.
	Workers int
	// Busy is the number of workers that have a task. A task that runs another
	// one on its own worker while it waits is one.
	Busy int
	// Queued is the number of tasks that have been accepted and wait for a
	// worker.
	Queued int
	// Submitted counts the tasks that were accepted: by Go, a TryGo that
	// reported true, a GoContext and a Submit that returned no error. It is
	// counted when the task enters the queue, or begins if it never does; a task
	// of a Keyed is in the queue when its key is free.
	Submitted uint64
	// Completed counts the tasks that have run and ended, by return, panic or
	// Goexit. A task is counted when its worker looks for the next, which may be
	// an instant after its future has its result.
	Completed uint64
	// Panicked counts those of Completed that ended by a panic.
	Panicked uint64
	// Dropped counts the tasks that were accepted and never ran: because
	// Shutdown gave up, or because the task's context was done when its turn
	// came.
	Dropped uint64
}

// Stats returns the pool's numbers, all of the same instant.
func (p *Pool) Stats() Stats {
	p.begin()
	c := p.scheduler.Counts()
	return Stats{
		Workers: c.Workers, Busy: c.Busy, Queued: c.Queued,
		Submitted: c.Accepted, Completed: c.Completed, Panicked: c.Panicked, Dropped: c.Dropped,
	}
}
