package errgroup

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/multierr"
)

// failures are the errors of a group. They are kept in atomic variables, because a
// task that waits for a lock makes the engine start one more goroutine. That is
// not hidden from the race detector: a task gets here only when it has failed, so
// what is ordered are the ends of tasks, and nothing that they do before.
type failures struct {
	most int // how many are kept, collecting; 0 means all

	kept  atomic.Pointer[failure] // failing fast, the first; collecting, a stack
	echo  atomic.Pointer[failure] // the first that only reports that the context is done
	depth atomic.Int64            // how many kept holds, or is about to, if most is not 0
	tasks atomic.Uint64           // collecting, how many tasks were started

	mu      sync.Mutex // taken to trim and to join; nothing blocks while it is held
	dropped int        // guarded by mu
	joined  joined     // what result has returned last; guarded by mu
}

// joined is the error of a group, and the state of failures that it was made of.
type joined struct {
	kept, echo *failure
	err        error
}

// setFirst keeps err in p if it is the first there.
func setFirst(p *atomic.Pointer[failure], err error) {
	if p.Load() == nil {
		p.CompareAndSwap(nil, &failure{err: err})
	}
}

// collect keeps f beside the others. If there are too many, it keeps most of them:
// those whose numbers are lowest.
func (fs *failures) collect(f *failure) {
	fs.push(f, f)
	if fs.most > 0 && fs.depth.Add(1) >= int64(2*fs.most) {
		fs.trimSlow()
	}
}

// push puts a chain of failures onto the stack.
func (fs *failures) push(top, bottom *failure) {
	for {
		bottom.below = fs.kept.Load()
		if fs.kept.CompareAndSwap(bottom.below, top) {
			return
		}
	}
}

// trimSlow drops what is too much.
func (fs *failures) trimSlow() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.depth.Load() < int64(2*fs.most) {
		return // somebody else has done it
	}
	best, dropped := fs.best(fs.kept.Swap(nil))
	for i := 1; i < len(best); i++ {
		best[i-1].below = best[i]
	}
	fs.push(best[0], best[len(best)-1])
	fs.depth.Add(int64(-dropped))
	fs.dropped += dropped
}

// result returns the error of a group whose tasks have ended: the same value each
// time, unless more have failed. both tells whether an echo is to be told beside
// other errors.
func (fs *failures) result(both bool) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	top, echo := fs.kept.Load(), fs.echo.Load()
	if fs.joined.err == nil || fs.joined.kept != top || fs.joined.echo != echo {
		fs.joined = joined{top, echo, fs.join(top, echo, both)}
	}
	return fs.joined.err
}

func (fs *failures) join(top, echo *failure, both bool) error {
	if top == nil {
		if echo == nil {
			return nil
		}
		return echo.err
	}
	best, dropped := fs.best(top)
	errs := make([]error, 0, len(best)+2)
	for _, f := range best {
		errs = append(errs, f.err)
	}
	if dropped += fs.dropped; dropped > 0 {
		errs = append(errs, fmt.Errorf("errgroup: %d more errors dropped", dropped))
	}
	if echo != nil && both {
		errs = append(errs, echo.err)
	}
	return multierr.Combine(errs...)
}

// told tells whether err is what result has returned last: a scope's body that
// ends with "return g.Wait()" does not report that anew.
func (fs *failures) told(err error) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.joined.err != nil && same(err, fs.joined.err)
}

// best returns those of a stack that are to be kept, in the order of their numbers,
// and how many are not.
func (fs *failures) best(top *failure) (best []*failure, dropped int) {
	n := 0
	for f := top; f != nil; f = f.below {
		n++
	}
	best = make([]*failure, n)
	for f := top; f != nil; f = f.below { // backwards it is about sorted
		n--
		best[n] = f
	}
	slices.SortFunc(best, func(a, b *failure) int { return cmp.Compare(a.number, b.number) })
	if fs.most > 0 && len(best) > fs.most {
		return best[:fs.most], len(best) - fs.most
	}
	return best, 0
}
