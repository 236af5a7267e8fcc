package errgroup

// named is what a group that fails fast keeps of a task with a name.
type named struct {
	mark  mark
	group *Group
	error *TaskError // that is to hold the task's error
}
