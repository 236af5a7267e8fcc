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

var (
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("terminated")
	errTimeout     = errors.New("timeout")
)

// Run calls body with a context that ends with the first SIGINT or SIGTERM, or after timeout,
// unless that is 0. It returns 130, 143 or 124 if that has happened, and else what body
// returns. body should print what it has so far. A second signal ends the program at once.
func Run(ctx context.Context, timeout time.Duration, body func(ctx context.Context) int) (status int) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if timeout > 0 {
		var free context.CancelFunc
		ctx, free = context.WithTimeoutCause(ctx, timeout, errTimeout)
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
					cancel(errTerminated)
				} else {
					cancel(errInterrupted)
				}
			}
		})
		status = body(ctx)
		switch context.Cause(ctx) {
		case errInterrupted:
			status = 130
		case errTerminated:
			status = 143
		case errTimeout:
			status = 124
		}
	})
	return status
}
