package errgroup_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	xsync "golang.org/x/sync/errgroup"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/errgroup"
)

// A peer is what golang.org/x/sync/errgroup and ours have in common.
type peer interface {
	Go(f func() error)
	TryGo(f func() error) bool
	SetLimit(n int)
	Wait() error
}

// A kit makes peers of one kind.
type kit struct {
	name        string
	zero        func() peer
	withContext func(ctx context.Context) (peer, context.Context)
}

var kits = []kit{
	{
		"x/sync",
		func() peer { return new(xsync.Group) },
		func(ctx context.Context) (peer, context.Context) { return xsync.WithContext(ctx) },
	},
	{
		"coterie",
		func() peer { return new(errgroup.Group) },
		func(ctx context.Context) (peer, context.Context) { return errgroup.WithContext(ctx) },
	},
}

// A behaviour is a use of a group, and what happens with theirs and with ours, in words. The
// behaviours make the tables of docs/errgroup-differences.md.
type behaviour struct {
	name   string
	do     func(ctx context.Context, k kit) string
	theirs string
	ours   string // empty if it is the same
	why    string // the reason if it differs
}

// waited returns what Wait does, in words.
func waited(p peer) (what string) {
	what = "Wait calls Goexit"
	exits(func() {
		var err error
		switch v := caught(func() { err = p.Wait() }).(type) {
		case nil:
			what = fmt.Sprint("Wait returns ", err)
		case *core.PanicError:
			what = fmt.Sprint("Wait panics: ", v.Value)
		}
	})
	return what
}

var behaviours = []behaviour{
	{"Wait of a zero group that was given no task", func(_ context.Context, k kit) string {
		return waited(k.zero())
	}, "Wait returns nil", "", ""},
	{"Wait when no task fails", func(ctx context.Context, k kit) string {
		g, _ := k.withContext(ctx)
		g.Go(nothing)
		return waited(g)
	}, "Wait returns nil", "", ""},
	{"Wait when several tasks fail", func(_ context.Context, k kit) string {
		g := k.zero()
		g.Go(sleepThen(2*time.Second, errOther))
		g.Go(sleepThen(time.Second, errBoom))
		return waited(g)
	}, "Wait returns boom", "", ""},
	{"a group is used again after an error, and Wait is called again", func(_ context.Context, k kit) string {
		g := k.zero()
		g.Go(func() error { return errBoom })
		_ = g.Wait()
		g.Go(nothing)
		return waited(g)
	}, "Wait returns boom", "", ""},
	{"two goroutines call Wait, and a task fails", func(_ context.Context, k kit) string {
		g := k.zero()
		g.Go(sleepThen(time.Second, errBoom))
		other := make(chan string)
		go func() { other <- waited(g) }()
		return waited(g) + "; " + <-other
	}, "Wait returns boom; Wait returns boom", "", ""},
	{"a task starts another while Wait blocks, and the other fails", func(_ context.Context, k kit) string {
		g := k.zero()
		g.Go(func() error {
			g.Go(sleepThen(time.Second, errBoom))
			return nil
		})
		return waited(g)
	}, "Wait returns boom", "", ""},
	{"a task returns a typed nil", func(_ context.Context, k kit) string {
		g := k.zero()
		g.Go(func() error { return (*nilError)(nil) })
		if g.Wait() == nil {
			return "is a success"
		}
		return "is an error"
	}, "is an error", "", ""},
	{"the context when a task fails", func(ctx context.Context, k kit) string {
		g, ctx := k.withContext(ctx)
		begin := time.Now()
		g.Go(sleepThen(time.Second, errBoom))
		g.Go(sleepThen(time.Minute, nil))
		<-ctx.Done()
		return fmt.Sprintf("is done after %v, with cause %v", time.Since(begin), context.Cause(ctx))
	}, "is done after 1s, with cause boom", "", ""},
	{"the context when Wait has returned nil", func(ctx context.Context, k kit) string {
		g, ctx := k.withContext(ctx)
		_ = g.Wait()
		return fmt.Sprintf("is done, with cause %v", context.Cause(ctx))
	}, "is done, with cause context canceled", "", ""},
	{"Go when the context is done", func(ctx context.Context, k kit) string {
		g, _ := k.withContext(ctx)
		_ = g.Wait()
		what := "does not run the task"
		g.Go(func() error { what = "runs the task"; return nil })
		_ = g.Wait()
		return what
	}, "runs the task", "", ""},
	{"Go at the limit", func(ctx context.Context, k kit) string {
		g, _ := k.withContext(ctx)
		g.SetLimit(2)
		begin := time.Now()
		for range 3 {
			g.Go(sleepThen(time.Second, nil))
		}
		return fmt.Sprintf("blocks until a task has ended: %v", time.Since(begin))
	}, "blocks until a task has ended: 1s", "", ""},
	{"Go at the limit, and the context ends meanwhile", func(ctx context.Context, k kit) string {
		g, _ := k.withContext(ctx)
		g.SetLimit(1)
		begin := time.Now()
		g.Go(sleepThen(time.Second, errBoom))
		what := "does not run the task"
		g.Go(func() error { what = fmt.Sprint("runs the task after ", time.Since(begin)); return nil })
		_ = g.Wait()
		return what
	}, "runs the task after 1s", "", ""},
	{"TryGo below and at the limit", func(_ context.Context, k kit) string {
		g := k.zero()
		g.SetLimit(1)
		task := sleepThen(time.Second, nil)
		what := fmt.Sprint(g.TryGo(task), ", ", g.TryGo(task))
		_ = g.Wait()
		return fmt.Sprint(what, "; when the task has ended ", g.TryGo(task))
	}, "true, false; when the task has ended true", "", ""},
	{"TryGo after SetLimit(0)", func(_ context.Context, k kit) string {
		g := k.zero()
		g.SetLimit(0)
		return fmt.Sprint(g.TryGo(nothing))
	}, "false", "", ""},
	{"TryGo after SetLimit(-1)", func(_ context.Context, k kit) string {
		g := k.zero()
		g.SetLimit(0)
		g.SetLimit(-1)
		return fmt.Sprint(g.TryGo(nothing))
	}, "true", "", ""},
	{"a task returns the error of another context, which was cancelled", func(ctx context.Context, k kit) string {
		g, _ := k.withContext(ctx)
		g.Go(func() error { return cancelled().Err() })
		return waited(g)
	}, "Wait returns context canceled", "", ""},
	{"the parent is cancelled, and tasks return the context's Err", func(ctx context.Context, k kit) string {
		parent, cancel := context.WithCancelCause(ctx)
		g, ctx := k.withContext(parent)
		g.Go(untilDone(ctx))
		cancel(errStop)
		return waited(g)
	}, "Wait returns context canceled", "", ""},
	{"the parent is cancelled, and all tasks succeed", func(ctx context.Context, k kit) string {
		parent, cancel := context.WithCancelCause(ctx)
		g, ctx := k.withContext(parent)
		g.Go(func() error { <-ctx.Done(); return nil })
		cancel(errStop)
		return waited(g)
	}, "Wait returns nil", "", ""},
	{"the parent is cancelled, a task returns the context's Err, and then another fails", func(ctx context.Context, k kit) string {
		parent, cancel := context.WithCancelCause(ctx)
		g, ctx := k.withContext(parent)
		g.Go(untilDone(ctx))
		g.Go(sleepThen(time.Second, errBoom))
		cancel(errStop)
		return waited(g)
	}, "Wait returns context canceled", "Wait returns boom; context canceled", "the cancellation of the parent does not hide a failure"},
	{"the parent is cancelled, and then a task fails for another reason", func(ctx context.Context, k kit) string {
		parent, cancel := context.WithCancelCause(ctx)
		g, _ := k.withContext(parent)
		g.Go(sleepThen(time.Second, errBoom))
		cancel(errStop)
		return waited(g)
	}, "Wait returns boom", "Wait returns boom; stop", "the cancellation may have caused the failure, so Wait returns both; errors.Is finds each"},
	{"a task panics", func(ctx context.Context, k kit) string {
		g, ctx := k.withContext(ctx)
		var ended atomic.Bool
		g.Go(func() error { <-ctx.Done(); ended.Store(true); return nil })
		g.Go(func() error { panic("oops") })
		return fmt.Sprintf("%s; siblings cancelled and ended: %v", waited(g), ended.Load())
	}, "the process ends: panic: oops", "Wait panics: oops; siblings cancelled and ended: true", "the caller that waits can handle the panic; the policy Crash ends the process, and Capture makes an error of it"},
	{"a task calls Goexit, as t.FailNow does", func(ctx context.Context, k kit) string {
		g, _ := k.withContext(ctx)
		g.Go(goexit)
		return waited(g)
	}, "Wait returns nil", "Wait calls Goexit", "a Goexit is no success; a failed assertion in a task ends the test"},
	{"Go(nil)", func(_ context.Context, k kit) string {
		g := k.zero()
		if v := caught(func() { g.Go(nil) }); v != nil {
			return fmt.Sprint("Go panics: ", v)
		}
		select {} // Wait would sometimes return before the process has ended
	}, "the process ends: panic: runtime error: invalid memory address or nil pointer dereference", "Go panics: errgroup: nil func", "the panic comes in the call that made the mistake"},
	{"SetLimit while tasks run, with a limit set before", func(_ context.Context, k kit) string {
		g := k.zero()
		g.SetLimit(1)
		g.Go(sleepThen(time.Second, nil))
		if v := caught(func() { g.SetLimit(2) }); v != nil {
			return fmt.Sprint("SetLimit panics: ", v)
		}
		return fmt.Sprint("another task starts: ", g.TryGo(nothing), "; ", waited(g))
	}, "SetLimit panics: errgroup: modify limit while 1 goroutines in the group are still active", "another task starts: true; Wait returns nil", "the limit may change at any time"},
	{"SetLimit while tasks run, with no limit set before", func(_ context.Context, k kit) string {
		g := k.zero()
		g.Go(sleepThen(time.Second, nil))
		g.SetLimit(1)
		return fmt.Sprint("another task starts: ", g.TryGo(nothing), "; ", waited(g))
	}, "the program hangs", "another task starts: false; Wait returns nil", "tasks that were started without a limit count"},
	{"SetLimit(1) while Go waits for room", func(_ context.Context, k kit) string {
		g := k.zero()
		g.SetLimit(0)
		time.AfterFunc(time.Second, func() { g.SetLimit(1) })
		begin := time.Now()
		g.Go(nothing)
		return fmt.Sprintf("Go returns after %v; %s", time.Since(begin), waited(g))
	}, "the program hangs", "Go returns after 1s; Wait returns nil", "a caller that waits starts its task under the new limit"},
}

const resultMark = "the result: "

var update = flag.Bool("update", false, "write docs/errgroup-differences.md")

// behave returns the result of a behaviour, which runs in a bubble of its own.
func behave(t *testing.T, row, col int) (result string) {
	synctest.Test(t, func(t *testing.T) {
		result = behaviours[row].do(context.Background(), kits[col])
		// x/sync's Wait may return while a task panics. The bubble's clock stands
		// still until that has ended the process. Other tasks end, too.
		time.Sleep(time.Hour)
	})
	return strings.ReplaceAll(result, "<nil>", "nil")
}

// behaveInChild does the same in a process of its own, which the behaviour may end, or block for ever.
func behaveInChild(t *testing.T, row, col int) string {
	inside, out, err := child.Run(t)
	if inside {
		fmt.Printf("\n%s%s\n", resultMark, behave(t, row, col))
		os.Exit(0)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, resultMark):
			return strings.TrimPrefix(line, resultMark)
		case strings.Contains(line, "deadlock: "):
			return "the program hangs"
		case strings.HasPrefix(line, "panic: "):
			return "the process ends: " + strings.TrimSuffix(line, " [recovered]")
		}
	}
	require.Fail(t, "no result", "%s", out)
	return ""
}

func TestBehaviours(t *testing.T) {
	for row, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			for col, want := range []string{b.theirs, cmp.Or(b.ours, b.theirs)} {
				t.Run(kits[col].name, func(t *testing.T) {
					if strings.HasPrefix(want, "the process ends") || want == "the program hangs" {
						require.Equal(t, want, behaveInChild(t, row, col))
					} else {
						require.Equal(t, want, behave(t, row, col))
					}
				})
			}
		})
	}
}

// differences returns the text of the page.
func differences() string {
	var same, other strings.Builder
	for _, b := range behaviours {
		if b.ours == "" {
			fmt.Fprintf(&same, "| %s | %s |\n", b.name, b.theirs)
		} else {
			fmt.Fprintf(&other, "| %s | %s | %s | %s |\n", b.name, b.theirs, b.ours, b.why)
		}
	}
	return fmt.Sprintf(differencesPage, other.String(), same.String())
}

const differencesPage = `# errgroup: what differs from golang.org/x/sync/errgroup

A program that uses golang.org/x/sync/errgroup needs only to change the import. Coterie's errgroup has the whole API of
x/sync's, and passes its tests. A test, TestBehaviours in package errgroup, runs each row of the two tables with both packages,
and another compares this page with what it saw.

## Different

| what | x/sync | coterie | why |
|---|---|---|---|
%s
Tasks may share a goroutine. If a task calls runtime.LockOSThread, for example, and does not undo it, the next task runs on the
locked thread: [What a goroutine carries from one task to the next](guide/goroutines.md). In builds with -race each task has a
goroutine of its own.

## The same

| what | what happens in both |
|---|---|
%s`

func TestDifferencesPage(t *testing.T) {
	const page = "../docs/errgroup-differences.md"
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(differences()), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, differences(), string(got), "run: go test ./errgroup -run TestDifferencesPage -update")
}
