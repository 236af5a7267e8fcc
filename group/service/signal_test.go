//go:build unix

package service_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/service"
)

func init() {
	children["well"] = func() int { return supervised(chain(forDone)...) }
	children["deaf"] = func() int { return supervised(chain(forEver)...) }
	children["never ready"] = func() int { return supervised(service.Service{Name: "db", Run: silent}) }
	children["between attempts"] = func() int {
		return supervised(service.Service{Name: "db", Run: job(0, errDown), Restart: service.Restart{
			Max: 1, Backoff: func(int) time.Duration { return time.Hour },
		}})
	}
	children["failed"] = func() int {
		return supervised(
			service.Service{Name: "db", Run: forEver},
			service.Service{Name: "web", After: []string{"db"}, Run: job(0, errDown)})
	}
	children["observer panics"] = func() int {
		told := make(chan struct{})
		services := chain(forEver)
		services[0].Run = func(ctx context.Context, ready func()) error {
			ready()
			<-ctx.Done()
			close(told)
			select {}
		}
		defer func() {
			fmt.Println("raised:", recover())
			<-told
			os.Exit(0)
		}()
		return status(service.Run(context.Background(), service.Options{Signals: []os.Signal{syscall.SIGTERM}, Observe: func(e service.Event) {
			printEvent(e)
			if e.Service == "db" && e.Kind == service.Stopping {
				panic(errDown)
			}
		}}, services...))
	}
	children["uncaught"] = func() int { // no Signals
		return status(service.Run(context.Background(), service.Options{Observe: printEvent}, service.Service{Name: "db", Run: forDone}))
	}
	children["given back"] = func() int {
		fmt.Println(supervised(service.Service{Name: "db", Run: forDone}))
		select {}
	}
	children["two Runs"] = func() int {
		var g group.Group
		for range 2 {
			g.Go(func() { supervised(service.Service{Name: "db", Run: forDone}) })
		}
		g.Wait()
		return 0
	}
	children["late panic"] = func() int {
		ctx, cancel := context.WithCancel(context.Background())
		returned := make(chan struct{})
		err := service.Run(ctx, service.Options{Grace: time.Millisecond}, service.Service{Name: "db", Run: func(context.Context, func()) error {
			cancel()
			<-returned
			panic(errDown)
		}})
		fmt.Println(status(err))
		close(returned)
		select {}
	}
}

func forDone(ctx context.Context, ready func()) error { ready(); <-ctx.Done(); return ctx.Err() }
func forEver(_ context.Context, ready func()) error   { ready(); select {} }
func silent(ctx context.Context, _ func()) error      { <-ctx.Done(); return nil }

// chain returns three services, one after another. mail is the Run of the middle one.
func chain(mail func(context.Context, func()) error) (services []service.Service) {
	return []service.Service{
		{Name: "db", Run: forDone},
		{Name: "mail", After: []string{"db"}, Run: mail},
		{Name: "web", After: []string{"mail"}, Run: forDone},
	}
}

// supervised runs services until a signal comes, and prints what happens.
func supervised(services ...service.Service) int {
	return status(service.Run(context.Background(), service.Options{
		Name: "app", Signals: []os.Signal{syscall.SIGTERM, os.Interrupt}, Observe: printEvent,
	}, services...))
}

func printEvent(e service.Event) { fmt.Println(e.Service, e.Kind) }

// status prints an error and returns what a program would exit with.
func status(err error) int {
	var failure *service.Error
	if err == nil {
		return 0
	}
	if errors.As(err, &failure) {
		fmt.Println("cause:", failure.Cause)
		for _, f := range failure.Failed {
			fmt.Println("failed:", f.Service)
		}
		for _, s := range failure.Stuck {
			fmt.Println("stuck:", s.Owner, "because of", s.Cause, "in forEver:", bytes.Contains(s.Tasks[0].Stack, []byte("forEver")))
		}
	}
	return 3
}

// A reaction is the signal that a child gets when it has printed a line.
type reaction struct {
	line   string
	signal syscall.Signal
}

// watch runs a child, reacts to the lines that it prints, in their order, and returns
// them, with what it wrote to stderr and how it ended.
func watch(t *testing.T, child string, reactions ...reaction) (lines []string, stderr string, state *os.ProcessState) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), childVar+"="+child)
	var diagnostics bytes.Buffer
	command.Stderr = &diagnostics
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		lines = append(lines, scanner.Text())
		if len(reactions) > 0 && reactions[0].line == scanner.Text() {
			require.NoError(t, command.Process.Signal(reactions[0].signal))
			reactions = reactions[1:]
		}
	}
	_ = command.Wait() // the state has it
	require.Empty(t, reactions, "what did not happen")
	return lines, diagnostics.String(), command.ProcessState
}

func TestSignals(t *testing.T) {
	started := []string{"db starting", "db ready", "mail starting", "mail ready", "web starting", "web ready"}

	t.Run("the first stops in order", func(t *testing.T) {
		lines, _, state := watch(t, "well", reaction{"web ready", syscall.SIGTERM})
		require.Zero(t, state.ExitCode())
		require.Equal(t, append(started, "web stopping", "web ended", "mail stopping", "mail ended", "db stopping", "db ended"), lines)
	})

	t.Run("the second returns at once with what is stuck", func(t *testing.T) {
		lines, _, state := watch(t, "deaf", reaction{"web ready", syscall.SIGTERM}, reaction{"mail stopping", syscall.SIGINT})
		require.Equal(t, 3, state.ExitCode(), "exit codes are the program's")
		require.Equal(t, append(started,
			"web stopping", "web ended", "mail stopping", "db stopping", "mail stuck",
			"cause: second signal: interrupt",
			"stuck: app/mail because of second signal: interrupt in forEver: true",
		), lines)
	})

	t.Run("if Observe panics at the second the other contexts end all the same", func(t *testing.T) {
		lines, _, state := watch(t, "observer panics", reaction{"web ready", syscall.SIGTERM}, reaction{"mail stopping", syscall.SIGTERM})
		require.Zero(t, state.ExitCode())
		require.Equal(t, append(started, "web stopping", "web ended", "mail stopping", "db stopping", "raised: down"), lines)
	})

	t.Run("the second may be the same as the first", func(t *testing.T) {
		lines, _, _ := watch(t, "deaf", reaction{"web ready", syscall.SIGTERM}, reaction{"mail stopping", syscall.SIGTERM})
		require.Contains(t, lines, "cause: second signal: terminated")
	})

	t.Run("one while a service gets ready stops it", func(t *testing.T) {
		lines, _, state := watch(t, "never ready", reaction{"db starting", syscall.SIGINT})
		require.Zero(t, state.ExitCode())
		require.Equal(t, []string{"db starting", "db stopping", "db ended"}, lines)
	})

	t.Run("one between two attempts ends the service", func(t *testing.T) {
		lines, _, state := watch(t, "between attempts", reaction{"db restarting", syscall.SIGTERM})
		require.Zero(t, state.ExitCode())
		require.Equal(t, []string{"db starting", "db failed", "db restarting", "db ended"}, lines)
	})

	t.Run("after a failure the second still returns at once", func(t *testing.T) {
		lines, _, state := watch(t, "failed", reaction{"web failed", syscall.SIGTERM}, reaction{"db stopping", syscall.SIGINT})
		require.Equal(t, 3, state.ExitCode())
		which := strings.TrimPrefix(lines[6], "cause: second signal: ") // either may come first
		require.Equal(t, []string{
			"db starting", "db ready", "web starting", "web failed", "db stopping", "db stuck",
			"cause: second signal: " + which, "failed: web",
			"stuck: app/db because of second signal: " + which + " in forEver: true",
		}, lines)
	})

	t.Run("none are caught by default", func(t *testing.T) {
		lines, _, state := watch(t, "uncaught", reaction{"db ready", syscall.SIGTERM})
		require.Equal(t, syscall.SIGTERM, state.Sys().(syscall.WaitStatus).Signal())
		require.Equal(t, []string{"db starting", "db ready"}, lines)
	})

	t.Run("after Run they do what they did before", func(t *testing.T) {
		lines, _, state := watch(t, "given back", reaction{"db ready", syscall.SIGTERM}, reaction{"0", syscall.SIGTERM})
		require.Equal(t, syscall.SIGTERM, state.Sys().(syscall.WaitStatus).Signal())
		require.Equal(t, []string{"db starting", "db ready", "db stopping", "db ended", "0"}, lines)
	})

	t.Run("one stops two Runs that catch it", func(t *testing.T) {
		lines, _, state := watch(t, "two Runs", reaction{"db ready", 0}, reaction{"db ready", syscall.SIGTERM})
		require.Zero(t, state.ExitCode())
		require.Equal(t, 2, strings.Count(strings.Join(lines, "\n"), "db ended"))
	})
}

func TestLatePanic(t *testing.T) {
	t.Run("a panic after Run has returned ends the process, with its stack", func(t *testing.T) {
		lines, stderr, state := watch(t, "late panic")
		require.Equal(t, 2, state.ExitCode())
		require.Contains(t, lines, "3")
		require.Contains(t, stderr, "down")
		require.Contains(t, stderr, "signal_test.go")
	})
}
