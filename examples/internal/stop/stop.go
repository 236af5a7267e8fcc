// Package stop ends a program in order, by a signal or when its time is up, and says so in its
// exit status, as shells do and the command timeout does.
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

// Why the context of a program has ended.
var (
	ErrInterrupted = errors.New("interrupted")
	ErrTerminated  = errors.New("terminated")
	ErrTimeout     = errors.New("timeout")
)

// status is the exit status for each.
var status = map[error]int{ErrInterrupted: 130, ErrTerminated: 143, ErrTimeout: 124}

// Run calls body with a context that ends with the first SIGINT or SIGTERM, or after timeout,
// unless that is 0. It returns 130, 143 or 124 if that has happened, and else what body
// returns. body should print what it has so far. A second signal ends the program at once.
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
				if s == syscall.SIGTERM {
					cancel(ErrTerminated)
				} else {
					cancel(ErrInterrupted)
				}
			}
		})
		result = body(ctx)
		if ended, ok := status[context.Cause(ctx)]; ok {
			result = ended
		}
	})
	return result
}
