package errgroup

import "sync/atomic"

// A failure is made before its task is started, if what becomes of the task's
// error depends on the task. Otherwise tasks share one, which says only whose they
// are and takes no error.
type failure struct {
	group  atomic.Pointer[Group]
	number uint64     // of the task, in the order of their start, if the group collects
	named  *TaskError // what is to hold the error; nil for a task without a name
	err    error
	below  *failure // the one that came before
}
