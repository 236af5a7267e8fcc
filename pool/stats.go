package pool

// Stats holds a pool's numbers at one instant.
//
// At any instant Submitted = Completed + Dropped + Queued + the tasks that run. Submitted =
// Completed + Dropped when no task is left. If a task of the pool runs a loop, the helpers of the
// loop are not tasks: only Queued and Busy count them.
type Stats struct {
	// Workers is the number of the pool's workers, busy or idle. It grows when a task finds no free
	// worker. It shrinks when a worker has been idle for IdleAfter, when SetWorkers lowers the
	// limit, and in Close.
	Workers int
	// Busy is the number of workers that have a task. A worker whose task waits and has lent its
	// place counts once.
	Busy int
	// Queued is the number of accepted tasks that wait for a worker.
	Queued int
	// Submitted counts the accepted tasks: those of Go, of a TryGo that reported true, and of a
	// GoContext or Submit that returned no error. A task is counted when it enters the queue, or
	// when it begins without the queue. A task of a Keyed enters the queue when its key is free.
	Submitted uint64
	// Completed counts the tasks that have run and ended, by return, panic or Goexit. A task is
	// counted when its worker looks for the next task. That may be an instant after its future has
	// its result.
	Completed uint64
	// Panicked counts the tasks among Completed that have panicked.
	Panicked uint64
	// Dropped counts the accepted tasks that never ran, because Shutdown gave up, or because the
	// task's context was done when a worker took it.
	Dropped uint64
}

// Stats returns the pool's numbers at one instant.
func (p *Pool) Stats() Stats {
	p.begin()
	c := p.scheduler.Counts()
	return Stats{
		Workers: c.Workers, Busy: c.Busy, Queued: c.Queued,
		Submitted: c.Accepted, Completed: c.Completed, Panicked: c.Panicked, Dropped: c.Dropped,
	}
}
