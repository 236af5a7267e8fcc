// Package stop ends a program in order after a signal or a timeout. The exit status shows which: it
// is that of shells and of the command timeout.
package stop

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coterie-go/coterie/group"
)

// The causes with which Run cancels the context of a program.
var (
	ErrInterrupted = errors.New("interrupted")
	ErrTerminated  = errors.New("terminated")
	ErrTimeout     = errors.New("timeout")
)

// status has the exit status for each cause.
var status = map[error]int{ErrInterrupted: 130, ErrTerminated: 143, ErrTimeout: 124}

// Status returns the exit status of a program that a signal has ended: 130 after an interrupt, 143
// after SIGTERM.
func Status(s os.Signal) int { return status[cause(s)] }

func cause(s os.Signal) error {
	if s == syscall.SIGTERM {
		return ErrTerminated
	}
	return ErrInterrupted
}

// Run calls body with a context that is cancelled at the first SIGINT or SIGTERM, or after timeout,
// unless that is 0. body should then print its results so far, and return. Run returns 130 after
// SIGINT, 143 after SIGTERM, 124 after the timeout, and otherwise the result of body. A second
// signal ends the program at once.
func Run(ctx context.Context, timeout time.Duration, body func(ctx context.Context) int) (result int) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if timeout > 0 {
		var free context.CancelFunc
		ctx, free = context.WithTimeoutCause(ctx, timeout, ErrTimeout)
		defer free()
	}
	group.Run(func(g *group.Group) {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		g.Background(ctx, func(ctx context.Context) {
			defer signal.Stop(signals)
			select {
			case <-ctx.Done():
			case s := <-signals:
				cancel(cause(s))
			}
		})
		result = body(ctx)
		if ended, ok := status[context.Cause(ctx)]; ok {
			result = ended
		}
	})
	return result
}
