package errgroup

// A TaskError is the error of a named task.
type TaskError struct {
	Path string // the task's name after those of the groups around it: "ingest/fetch"
	Err  error  // what the task returned
}

// Error returns the path, a colon, and the text of Err.
func (e *TaskError) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *TaskError) Unwrap() error { return e.Err }
