// Package grouptest helps to test programs that use coterie: NoLeaks finds goroutines that a test
// leaves running, and Patience shows what a test that hangs is doing.
//
//	func TestIngest(t *testing.T) {
//		grouptest.NoLeaks(t)
//		grouptest.Patience(t, 5*time.Second)
//		...
//	}
//
// Call both at the start of the test. Both work within testing/synctest. [docs/guide/testing.md]
// shows how to test code that waits.
//
// [docs/guide/testing.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/testing.md
package grouptest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/tree"
)

const (
	// grace is how long goroutines of a test may take to end after the test.
	grace = time.Second
	// mostGoroutines is the largest number of goroutines for which NoLeaks finds goroutines without
	// a named task.
	mostGoroutines = 10_000
)

// NoLeaks makes t fail if a goroutine or named task that was started after the call has not ended
// one second after the test, including the Cleanup functions that were registered after the call.
// For a named task it reports the path, the place of the Go that started it, and its stack. For any
// other goroutine it reports the stack, which has the function that started it. Idle workers of a
// pool are not reported.
//
// NoLeaks checks the whole process, or, within a testing/synctest bubble, the bubble. So it is not
// for tests that run in parallel with others. It observes all named tasks until the test has ended,
// which costs each some microseconds. It checks only named tasks if there are more than 10000
// goroutines.
func NoLeaks(t testing.TB) {
	t.Helper()
	l := &leaks{bubble: sched.Bubble(), before: sched.AllStacks(mostGoroutines), tasks: make(map[uint64]*task)}
	stop := group.Observe(&group.Observer{Queued: l.queued, Started: l.started, Ended: l.ended})
	t.Cleanup(func() {
		t.Helper()
		found := l.find()
		for pause := time.Millisecond; len(found) > 0 && pause < grace; pause *= 2 {
			time.Sleep(pause)
			found = l.find()
		}
		stop()
		for _, text := range found {
			t.Errorf("grouptest: %s", text)
		}
	})
}

// leaks holds the named tasks that a test has started.
type leaks struct {
	bubble uint64
	before map[uint64][]byte // the goroutines at the call of NoLeaks; nil if there were more than mostGoroutines

	mu    sync.Mutex       // nothing blocks while it is held
	tasks map[uint64]*task // the named tasks that have not ended; guarded by mu
}

// A task is a named task that has not ended.
type task struct {
	number    uint64
	path      string
	place     string // where the Go is that started it
	goroutine uint64 // 0 until it begins
}

func (l *leaks) queued(e group.Event) {
	var calls [32]uintptr
	n := runtime.Callers(2, calls[:])
	t := &task{number: e.Task, path: e.Path, place: "a place that is not known"}
	if _, file, line := sched.Caller(calls[:n]); file != "" {
		t.place = fmt.Sprintf("%s:%d", path.Base(file), line)
	}
	l.mu.Lock()
	l.tasks[e.Task] = t
	l.mu.Unlock()
}

func (l *leaks) started(e group.Event) {
	id := sched.GoroutineID()
	l.mu.Lock()
	l.tasks[e.Task].goroutine = id
	l.mu.Unlock()
}

func (l *leaks) ended(e group.Event) {
	l.mu.Lock()
	delete(l.tasks, e.Task)
	l.mu.Unlock()
}

// find returns a text for each task and goroutine that still runs.
func (l *leaks) find() (found []string) {
	own := sched.GoroutineID()
	stacks := sched.AllStacks(mostGoroutines)
	l.mu.Lock()
	defer l.mu.Unlock()
	var tasks []*task
	for _, t := range l.tasks {
		tasks = append(tasks, t)
	}
	slices.SortFunc(tasks, func(a, b *task) int { return cmp.Compare(a.number, b.number) })
	named := make(map[uint64]bool)
	for _, t := range tasks {
		if t.goroutine == 0 {
			found = append(found, fmt.Sprintf("%s, which %s started, has not begun", sched.Quote(t.path), t.place))
			continue
		}
		named[t.goroutine] = true
		found = append(found, fmt.Sprintf("%s, which %s started, has not ended\n%s", sched.Quote(t.path), t.place, sched.ReadGoroutine(stacks[t.goroutine]).Stack))
	}
	if l.before == nil {
		return found
	}
	var others []uint64
	for id, text := range stacks {
		_, old := l.before[id]
		if id != own && !old && !named[id] && !l.ignores(text) {
			others = append(others, id)
		}
	}
	slices.Sort(others)
	for _, id := range others {
		found = append(found, fmt.Sprintf("a goroutine has not ended\n%s", sched.ReadGoroutine(stacks[id]).Stack))
	}
	return found
}

// ignores reports whether a goroutine does not belong to the test: it is in another bubble, it is a
// worker that waits for a task or for the goroutine of one, or it belongs to the testing package or
// to os/signal.
func (l *leaks) ignores(text []byte) bool {
	if sched.ReadGoroutine(text).Bubble != l.bubble {
		return true
	}
	for _, function := range []string{
		"coterie/core/sched.(*Worker).next(", "coterie/core/sched.(*Worker).isolate(", "\ntesting.(*T).Run(", "\ntesting.runTests(", "\nos/signal.loop(", "\nos/signal.signal_recv(",
	} {
		if bytes.Contains(text, []byte(function)) {
			return true
		}
	}
	return false
}

// Patience writes to out.
var out io.Writer = os.Stderr

// Patience makes t fail if it has not ended after d. Then it also writes the text of group/tree to
// the standard error output: the named tasks that run, for how long, and what they wait for. The
// test runs on. The -timeout of go test ends a test that never ends. Patience panics if d is not
// positive.
func Patience(t testing.TB, d time.Duration) {
	t.Helper()
	if d <= 0 {
		panic(fmt.Sprintf("grouptest: patience must be positive, got %v", d))
	}
	reported := make(chan struct{})
	timer := time.AfterFunc(d, func() {
		defer close(reported)
		fmt.Fprintf(out, "grouptest: %s has not ended after %v\n", t.Name(), d)
		_ = tree.Write(out, tree.Options{}) // an error cannot be reported anywhere
		t.Errorf("grouptest: the test has not ended after %v; the standard error output has what it was doing", d)
	})
	t.Cleanup(func() {
		if !timer.Stop() {
			<-reported
		}
	})
}
