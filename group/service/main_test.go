package service_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/group/service"
)

// A child is a program that a test runs in a process of its own, because signals and
// crashes are part of it. It returns its exit status. childVar is the environment
// variable that names it.
var children = make(map[string]func() int)

const childVar = "COTERIE_SERVICE_CHILD"

// TestMain runs the tests or, in a process that a test has started for it, one of
// the children.
func TestMain(m *testing.M) {
	if child := children[os.Getenv(childVar)]; child != nil {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// A history is what a Run tells, a line for each event: when, which service, what, the
// number of the attempt from the second on, and the first line of the error.
type history struct {
	start time.Time
	lines []string
}

func (h *history) observe(e service.Event) {
	line := fmt.Sprintf("%v %s %v", e.Time.Sub(h.start), e.Service, e.Kind)
	if e.Attempt > 1 {
		line += fmt.Sprintf(" %d", e.Attempt)
	}
	if e.Kind == service.Failed {
		text, _, _ := strings.Cut(e.Err.Error(), "\n")
		line += ": " + text
	}
	h.lines = append(h.lines, line)
}

// observed runs services in a bubble and returns what they told and what Run
// returned. ctx is done after limit, if that is not 0.
func observed(t *testing.T, limit time.Duration, opts service.Options, services ...service.Service) (lines []string, err error) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		h := &history{start: time.Now()}
		opts.Observe = h.observe
		err = service.Run(ctx, opts, services...)
		lines = h.lines
	})
	return lines, err
}

// serve returns a Run that is ready after start and takes stop to end.
func serve(start, stop time.Duration) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		time.Sleep(start)
		ready()
		<-ctx.Done()
		time.Sleep(stop)
		return ctx.Err()
	}
}

// job returns a Run that takes d and returns err.
func job(d time.Duration, err error) func(context.Context, func()) error {
	return func(context.Context, func()) error {
		time.Sleep(d)
		return err
	}
}

// fail returns a Run that is ready at once and returns err after d.
func fail(d time.Duration, err error) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		ready()
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
