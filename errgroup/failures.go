package errgroup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/multierr"
)

// failures are the errors of a group. Its lock is not hidden from the race
// detector: a task takes it only when it has failed, so that what it orders are
// the ends of tasks, and nothing that they do before.
type failures struct {
	collect bool
	max     int  // how many are kept if collect; 0 means all
	wide    bool // see isEcho

	mu     sync.Mutex // guards what follows; nothing blocks while it is held
	kept   []failure  // only the first, unless collect
	count  int        // how many there were
	echo   error      // the first that only reports that the context is done
	own    bool       // it was the group, not its parent, that cancelled the context
	joined error      // the group's error; nil if that is to be made anew
}

type failure struct {
	number uint64
	err    error
}

// add records an error, before it cancels anything. ctx is the group's context, or
// nil.
func (fs *failures) add(number uint64, err error, echo bool, ctx context.Context) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.joined = nil
	switch {
	case echo && fs.echo == nil:
		fs.echo = err
	case !echo:
		if !fs.own && fs.echo == nil && ctx != nil && ctx.Err() != nil {
			fs.echo = context.Cause(ctx) // both show
		}
		fs.count++
		if !fs.collect && fs.count > 1 {
			return
		}
		fs.kept = append(fs.kept, failure{number, err})
		if fs.max > 0 && len(fs.kept) >= 2*fs.max {
			fs.trim()
		}
	}
}

// trim sorts what is kept by the tasks' start, and drops what is too much.
func (fs *failures) trim() {
	slices.SortFunc(fs.kept, func(a, b failure) int { return cmp.Compare(a.number, b.number) })
	if fs.max > 0 && len(fs.kept) > fs.max {
		clear(fs.kept[fs.max:])
		fs.kept = fs.kept[:fs.max]
	}
}

// cancelling is called before the group cancels its context, which is not done.
func (fs *failures) cancelling() {
	fs.mu.Lock()
	fs.own = true
	fs.mu.Unlock()
}

// result returns the group's error: the same one until another task fails.
func (fs *failures) result() error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.joined == nil {
		fs.joined = fs.join()
	}
	return fs.joined
}

// told tells whether err is what result has returned last: a scope's body that
// ends with "return g.Wait()" does not report it anew.
func (fs *failures) told(err error) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.joined != nil && same(err, fs.joined)
}

func (fs *failures) join() error {
	if fs.count == 0 {
		return fs.echo
	}
	fs.trim()
	errs := make([]error, 0, len(fs.kept)+2)
	for _, f := range fs.kept {
		errs = append(errs, f.err)
	}
	if dropped := fs.count - len(fs.kept); fs.collect && dropped > 0 {
		errs = append(errs, fmt.Errorf("errgroup: %d more errors dropped", dropped))
	}
	if fs.echo != nil && !fs.own {
		errs = append(errs, fs.echo)
	}
	return multierr.Combine(errs...)
}
