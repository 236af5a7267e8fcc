package internal_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/internal/stack"
)

// A task that waits, as a worker of the toolkit runs it.
const waiting = `goroutine 18446744073709551615 [sync.Cond.Wait, 3 minutes, locked to thread]:
sync.runtime_notifyListWait(0xc000012345, 0x1)
	/usr/local/go/src/runtime/sema.go:617 +0x159
sync.(*Cond).Wait(0xc000012345?)
	/usr/local/go/src/sync/cond.go:71 +0x85
github.com/coterie-go/coterie/core.(*waiter).park(0xc0000123a0, 0x0)
	/src/coterie/core/waiter.go:80 +0x3c
github.com/coterie-go/coterie/group.(*Group).Wait(...)
	/src/coterie/group/group.go:140
example.com/app.ingest[...](0xc000012345, {0x1, 0x2})
	/src/app/ingest.go:14 +0x1c
slices.SortFunc[go.shape.[]int, go.shape.int](...)
	/usr/local/go/src/slices/sort.go:31
myapp.Run.func1()
	/src/app/run.go:7 +0x1c
runtime/pprof.Do({0x1?, 0x2?}, {0x3?}, 0xc00001)
	/usr/local/go/src/runtime/pprof/runtime.go:51 +0x9d
github.com/coterie-go/coterie/core.Call(0xc0000?, 0xc0000?)
	/src/coterie/core/panic.go:136 +0x5b
github.com/coterie-go/coterie/core/sched.(*worker[go.shape.struct { example.com/app.x int }]).work(0xc0000)
	/src/coterie/core/sched/worker.go:55 +0x5b
created by github.com/coterie-go/coterie/core/sched.(*Scheduler).spawnWorker in goroutine 7
	/src/coterie/core/sched/worker.go:40 +0x5b
`

const waitingTrimmed = `goroutine 18446744073709551615 [sync.Cond.Wait, 3 minutes, locked to thread]:
example.com/app.ingest[...](0xc000012345, {0x1, 0x2})
	/src/app/ingest.go:14 +0x1c
slices.SortFunc[go.shape.[]int, go.shape.int](...)
	/usr/local/go/src/slices/sort.go:31
myapp.Run.func1()
	/src/app/run.go:7 +0x1c`

// The stack of a deferred function that recovers a panic in a task.
const panicking = `goroutine 21 [running]:
runtime/debug.Stack()
	/usr/local/go/src/runtime/debug/stack.go:26 +0x5e
github.com/coterie-go/coterie/core.NewPanicError({0x1, 0x2})
	/src/coterie/core/panic.go:90 +0x5b
panic({0x51a2c0?, 0x6a7e10?})
	/usr/local/go/src/runtime/panic.go:860 +0x13a
github.com/coterie-go/coterie/pool.(*Pool).Go(0xc0000, 0x0)
	/src/coterie/pool/pool.go:100 +0x25
main.task()
	/src/app/main.go:14 +0x1c
panic({0x51a2c0?, 0x6a7e10?})
	/usr/local/go/src/runtime/panic.go:860 +0x13a
main.task()
	/src/app/main.go:12 +0x1c
github.com/coterie-go/coterie/core.Call(0xc0000?, 0xc0000?)
	/src/coterie/core/panic.go:136 +0x5b
created by github.com/coterie-go/coterie/pool.(*Pool).spawn
	/src/coterie/pool/worker.go:40 +0x5b`

const panickingTrimmed = `goroutine 21 [running]:
panic({0x51a2c0?, 0x6a7e10?})
	/usr/local/go/src/runtime/panic.go:860 +0x13a
main.task()
	/src/app/main.go:14 +0x1c
panic({0x51a2c0?, 0x6a7e10?})
	/usr/local/go/src/runtime/panic.go:860 +0x13a
main.task()
	/src/app/main.go:12 +0x1c`

// A goroutine without frames of the toolkit, too deep for all frames to be printed.
const foreign = `goroutine 1 [chan receive]:
testing.(*T).Run(0xc0000, {0x1?, 0x2?}, 0x3)
	/usr/local/go/src/testing/testing.go:2002 +0x4c5
github.com/coterie-go/coterie/core/sched_test.TestIt(0xc0000)
	/src/coterie/core/sched/it_test.go:7 +0x1
...200 frames elided...
github.com/coterie-go/coterie/examples/server.main()
	/src/coterie/examples/server/main.go:7 +0x1
main.main()
	_testmain.go:182 +0x16d
created by runtime.main
	/usr/local/go/src/runtime/proc.go:283 +0x28b`

// A task that is a method of the toolkit or of the standard library.
const noUsers = `goroutine 9 [semacquire]:
sync.runtime_Semacquire(0xc0000)
	/usr/local/go/src/runtime/sema.go:71 +0x25
sync.(*WaitGroup).Wait(0xc0000)
	/usr/local/go/src/sync/waitgroup.go:118 +0x48
github.com/coterie-go/coterie/core.Call(0xc0000?, 0xc0000?)
	/src/coterie/core/panic.go:136 +0x5b`

// A task that calls the toolkit, which calls a function of the user.
const calledBack = `goroutine 3 [running]:
main.inner()
	/src/app/main.go:14 +0x1c
github.com/coterie-go/coterie/group.Run(0xc0000)
	/src/coterie/group/group.go:60 +0x5b
main.outer()
	/src/app/main.go:12 +0x1c
github.com/coterie-go/coterie/core.Call(0xc0000?, 0xc0000?)
	/src/coterie/core/panic.go:136 +0x5b`

func TestTrace(t *testing.T) {
	for _, c := range []struct {
		name, text, trimmed string
		id                  uint64
		creator             string
		createdIn           uint64
		frames              int
	}{
		{"that waits in the toolkit", waiting, waitingTrimmed, 1<<64 - 1, "github.com/coterie-go/coterie/core/sched.(*Scheduler).spawnWorker", 7, 11},
		{"that panics", panicking, panickingTrimmed, 21, "github.com/coterie-go/coterie/pool.(*Pool).spawn", 0, 9},
		{"without the toolkit", foreign, foreign, 1, "runtime.main", 0, 6},
		{"without a user", noUsers, noUsers[:strings.Index(noUsers, "\ngithub.com")], 9, "", 0, 3},
		{"that calls back a user", calledBack, calledBack[:strings.Index(calledBack, "\ngithub.com/coterie-go/coterie/core")], 3, "", 0, 4},
		{"of one line", "goroutine 5 [running]:", "goroutine 5 [running]:", 5, "", 0, 0},
		{"of nothing", "", "", 0, "", 0, 0},
	} {
		t.Run("a trace "+c.name, func(t *testing.T) {
			trace := stack.Parse([]byte(c.text))
			require.Len(t, trace.Frames, c.frames)
			require.Equal(t, strings.TrimSpace(c.text), string(trace.Append(nil)))
			require.Equal(t, c.id, stack.ID(trace.Header))
			require.Equal(t, c.id, stack.ID([]byte(c.text)))
			creator, in := trace.Creator()
			require.Equal(t, c.creator, creator)
			require.Equal(t, c.createdIn, in)
			require.Equal(t, c.trimmed, string(trace.TrimOwn().Append(nil)))
			require.Equal(t, c.trimmed, string(trace.TrimOwn().TrimOwn().Append(nil)))
			require.Equal(t, strings.TrimSpace(c.text), string(trace.Append(nil)), "trimming has changed it")
		})
	}
}

func TestPlace(t *testing.T) {
	place := func(s string) string { return stack.Parse([]byte(s)).Site() }
	other := strings.NewReplacer("+0x1c", "+0x2d", "0xc000012345", "0x9", "goroutine 184", "goroutine 4", "[chan receive]", "[select]")
	require.Equal(t, place(waiting), place(other.Replace(waiting)))
	require.NotEqual(t, place(waiting), place(strings.Replace(waiting, "ingest.go:14", "ingest.go:15", 1)))
	require.NotEqual(t, place(waiting), place(strings.Replace(waiting, "app.ingest", "app.digest", 1)))
}

func TestHeader(t *testing.T) {
	for header, want := range map[string]struct {
		state  string
		waits  int
		bubble uint64
	}{
		"goroutine 7 [running]:":                                                           {"running", 0, 0},
		"goroutine 7 [chan receive, 12 minutes]:":                                          {"chan receive", 12, 0},
		"goroutine 7 [select (no cases), 3 minutes, locked to thread]:":                    {"select", 3, 0},
		"goroutine 7 [sleep (durable), 1500 minutes, synctest bubble 4]:":                  {"sleep", 1500, 4},
		"goroutine 7 [select, synctest bubble 4]:":                                         {"select", 0, 4},
		"goroutine 7 gp=0xc000004000 m=nil mp=0x123 [semacquire, 2 minutes, locked to x]:": {"semacquire", 2, 0},
	} {
		trace := stack.Parse([]byte(header + "\nmain.main()\n\t/main.go:7 +0x1\n"))
		require.Equal(t, want.state, trace.State(), header)
		require.Equal(t, want.waits, trace.Waits(), header)
		require.Equal(t, want.bubble, trace.Bubble(), header)
	}
}

func TestTop(t *testing.T) {
	for _, c := range []struct {
		name, text, function, file string
		line                       int
	}{
		{"is below the toolkit's frames and the runtime's", waiting, "example.com/app.ingest[...]", "/src/app/ingest.go", 14},
		{"is the innermost of the user's", panicking, "main.task", "/src/app/main.go", 14},
		{"is not there without a user's frame", noUsers, "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			function, file, line := stack.Parse([]byte(c.text)).Top()
			require.Equal(t, c.function, function)
			require.Equal(t, c.file, file)
			require.Equal(t, c.line, line)
		})
	}
}

func TestATraceOfTheToolkitAloneIsEmpty(t *testing.T) {
	text := "goroutine 7 [running]:\n" +
		"github.com/coterie-go/coterie/core/sched.(*Worker).run(0x1)\n\t/x/worker.go:1 +0x1\n" +
		"github.com/coterie-go/coterie/core/sched.(*Scheduler).work(0x1)\n\t/x/worker.go:2 +0x1\n"
	require.Empty(t, stack.Parse([]byte(text)).TrimOwn().Frames)
}
