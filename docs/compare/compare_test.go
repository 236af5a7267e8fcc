// Package compare_test tries what the README's table of comparison says, with
// every package that the table names.
package compare_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc"
	concpool "github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"
	xerrgroup "golang.org/x/sync/errgroup"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

var (
	ctx       = context.Background()
	errFirst  = errors.New("first")
	errSecond = errors.New("second")
)

// soon is how long an idle pool gets to end its goroutines.
const soon = time.Second

// run starts a task and waits for it, and returns the error of the wait.
var run = map[string]func(task func()) error{
	"coterie": func(task func()) error {
		var g group.Group
		g.Go(task)
		g.Wait()
		return nil
	},
	"sync.WaitGroup": func(task func()) error {
		var g sync.WaitGroup
		g.Go(task)
		g.Wait()
		return nil
	},
	"x/sync errgroup": func(task func()) error {
		var g xerrgroup.Group
		g.Go(func() error { task(); return nil })
		return g.Wait()
	},
	"conc": func(task func()) error {
		var g conc.WaitGroup
		g.Go(task)
		g.Wait()
		return nil
	},
	"ants": func(task func()) error {
		p, err := ants.NewPool(2, ants.WithLogger(discard{}))
		if err != nil {
			return err
		}
		p.Submit(task)
		return p.ReleaseTimeout(time.Second)
	},
	"pond": func(task func()) error {
		return pond.NewPool(2).NewGroup().Submit(task).Wait()
	},
}

type discard struct{}

func (discard) Printf(string, ...any) {}

// behaviours are run, each in a process of its own, by their name and that of the
// package. What they print is what was seen.
var behaviours = map[string]func(name string){
	"panic": func(name string) {
		defer func() {
			if recover() != nil {
				fmt.Print("raised")
			}
		}()
		if err := run[name](func() { panic(errFirst) }); err != nil {
			fmt.Print("returned")
		} else {
			fmt.Print("swallowed")
		}
	},
	"goexit": func(name string) {
		done := make(chan string, 1)
		go func() {
			outcome := "passed on"
			defer func() { done <- outcome }()
			if err := run[name](runtime.Goexit); err != nil {
				outcome = err.Error()
			} else {
				outcome = "unnoticed"
			}
		}()
		fmt.Print(orHangs(done))
	},
	"errors": func(name string) {
		var err error
		switch name {
		case "coterie":
			err = errgroup.RunWith(ctx, errgroup.Options{Collect: true}, func(ctx context.Context, g *errgroup.Group) error {
				g.Go(func() error { return errFirst })
				g.Go(func() error { return errSecond })
				return nil
			})
		case "x/sync errgroup":
			var g xerrgroup.Group
			g.Go(func() error { return errFirst })
			g.Go(func() error { return errSecond })
			err = g.Wait()
		case "conc":
			p := concpool.New().WithErrors()
			p.Go(func() error { return errFirst })
			p.Go(func() error { return errSecond })
			err = p.Wait()
		case "pond":
			err = pond.NewPool(2).NewGroup().SubmitErr(
				func() error { return errFirst }, func() error { return errSecond }).Wait()
		}
		fmt.Print(errors.Is(err, errFirst) && errors.Is(err, errSecond))
	},
	"limit": func(name string) {
		defer func() {
			if recover() != nil {
				fmt.Print("panics")
			}
		}()
		held, release := make(chan bool), make(chan bool)
		hold := func() { held <- true; <-release }
		switch name {
		case "coterie":
			p := pool.New(1, pool.Options{}) //coterie:unwaited the process ends while they run
			p.Go(hold)
			<-held
			p.SetWorkers(2)
			p.Go(hold)
		case "x/sync errgroup":
			var g xerrgroup.Group //coterie:unwaited the process ends while they run
			g.SetLimit(1)
			g.Go(func() error { hold(); return nil })
			<-held
			g.SetLimit(2)
		case "conc":
			p := concpool.New().WithMaxGoroutines(1) //coterie:unwaited the process ends while they run
			p.Go(hold)
			<-held
			p.WithMaxGoroutines(2)
		case "ants":
			p, _ := ants.NewPool(1)
			p.Submit(hold)
			<-held
			p.Tune(2)
			p.Submit(hold)
		case "pond":
			p := pond.NewPool(1)
			p.Go(hold)
			<-held
			p.Resize(2)
			p.Go(hold)
		}
		<-held // the second runs while the first still does
		fmt.Print("yes")
	},
	"nested": func(name string) {
		done := make(chan string, 1)
		go func() {
			switch name {
			case "coterie":
				p := pool.New(1, pool.Options{})
				b := p.Batch(ctx)
				b.GoContext(ctx, func(ctx context.Context) {
					inner := p.Batch(ctx)
					inner.Go(func() {})
					inner.Wait()
				})
				b.Wait()
			case "x/sync errgroup":
				var g xerrgroup.Group
				g.SetLimit(1)
				g.Go(func() error {
					inner := make(chan bool)
					g.Go(func() error { close(inner); return nil }) //coterie:selfwait whether it goes on is the question
					<-inner
					return nil
				})
				g.Wait()
			case "conc":
				p := concpool.New().WithMaxGoroutines(1) //coterie:unwaited its task says when it has ended
				outer := make(chan bool)
				p.Go(func() {
					inner := make(chan bool)
					p.Go(func() { close(inner) }) //coterie:selfwait whether it goes on is the question
					<-inner
					close(outer)
				})
				<-outer
			case "ants":
				p, _ := ants.NewPool(1)
				outer := make(chan bool)
				p.Submit(func() {
					inner := make(chan bool)
					p.Submit(func() { close(inner) })
					<-inner
					close(outer)
				})
				<-outer
			case "pond":
				p := pond.NewPool(1)
				p.NewGroup().Submit(func() { p.NewGroup().Submit(func() {}).Wait() }).Wait()
			}
			done <- "runs them"
		}()
		fmt.Print(orHangs(done))
	},
	"idle": func(name string) {
		before := runtime.NumGoroutine()
		switch name {
		case "coterie":
			p := pool.New(2, pool.Options{IdleAfter: soon / 10})
			p.Go(func() {})
			p.Wait()
		case "ants":
			p, _ := ants.NewPool(2, ants.WithExpiryDuration(soon/10))
			p.Submit(func() {})
		case "pond":
			pond.NewPool(2).Submit(func() {}).Wait()
		}
		time.Sleep(soon)
		fmt.Print(runtime.NumGoroutine() - before)
	},
}

// orHangs waits for far longer than those take that do not hang.
func orHangs(done chan string) string {
	select {
	case outcome := <-done:
		return outcome
	case <-time.After(3 * time.Second):
		return "hangs"
	}
}

func TestMain(m *testing.M) {
	if behaviour, name, ok := strings.Cut(os.Getenv("COMPARE"), ":"); ok {
		behaviours[behaviour](name)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// observe returns what a process printed, or "ends the process".
func observe(t *testing.T, behaviour, name string) string {
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), "COMPARE="+behaviour+":"+name)
	var out, errs bytes.Buffer
	process.Stdout, process.Stderr = &out, &errs
	if err := process.Run(); err != nil {
		require.Equal(t, 2, process.ProcessState.ExitCode(), errs.String())
		require.True(t, strings.HasPrefix(errs.String(), "panic: first"), errs.String())
		return "ends the process"
	}
	return out.String()
}

func TestTable(t *testing.T) {
	table := readTable(t)

	for row, seen := range map[string]struct {
		behaviour string
		means     map[string]string // from what was seen to what the table says
	}{
		"a task panics": {"panic", map[string]string{
			"raised":           "Wait raises it",
			"ends the process": "the process ends",
			"returned":         "Wait returns it as an error",
			"swallowed":        "it is logged, or handed to a function",
		}},
		"a task calls Goexit, as `t.FailNow` does": {"goexit", map[string]string{
			"passed on": "Wait passes it on",
			"unnoticed": "unnoticed",
			"hangs":     "the wait for its group hangs",
		}},
		"errors of all tasks":                {"errors", map[string]string{"true": "yes", "false": "only the first"}},
		"changing the limit while tasks run": {"limit", map[string]string{"yes": "yes", "panics": "panics"}},
		"a task that waits, with its context, for others of its own bounded pool": {"nested", map[string]string{
			"runs them": "lends them its place",
			"hangs":     "deadlock",
		}},
		"goroutines of an idle pool": {"idle", map[string]string{"0": "none", "2": "2"}},
	} {
		require.Contains(t, table, row)
		for name, cell := range table[row] {
			if cell == "–" {
				continue
			}
			t.Run(row+": "+name, func(t *testing.T) {
				t.Parallel()
				got := observe(t, seen.behaviour, name)
				require.Contains(t, seen.means, got)
				require.Equal(t, seen.means[got], strings.TrimSuffix(cell, ", or as you choose"))
			})
		}
	}

	t.Run("the versions are those that are tried here", func(t *testing.T) {
		mod, err := os.ReadFile("go.mod")
		require.NoError(t, err)
		release, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go1."), ".")
		versions := map[string]string{"coterie": "", "sync.WaitGroup": "Go 1." + release}
		for name, path := range map[string]string{
			"x/sync errgroup": "golang.org/x/sync",
			"conc":            "github.com/sourcegraph/conc",
			"ants":            "github.com/panjf2000/ants/v2",
			"pond":            "github.com/alitto/pond/v2",
		} {
			version := regexp.MustCompile(regexp.QuoteMeta(path) + ` v(\S+)`).FindSubmatch(mod)
			require.NotNil(t, version, path)
			versions[name] = string(version[1])
		}
		require.Equal(t, versions, table["version"])
	})
}

// readTable returns the README's table by row and column.
func readTable(t *testing.T) map[string]map[string]string {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	table := make(map[string]map[string]string)
	var header []string
	for line := range strings.Lines(string(readme)) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
		if !ok {
			header = nil
			continue
		}
		cells := strings.Split(strings.TrimSuffix(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if header == nil {
			header = cells
		} else if header[1] == "coterie" {
			row := make(map[string]string)
			for i, name := range header[1:] {
				row[name] = cells[i+1]
			}
			table[cells[0]] = row
		}
	}
	require.NotEmpty(t, table)
	return table
}
