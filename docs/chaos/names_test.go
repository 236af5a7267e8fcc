package chaos_test

import (
	"context"

	"github.com/coterie-go/coterie/core"
)

// Names that users meet in more than one package stand here and nowhere else in
// this test: should one of them move, only this file changes.

type stuckError = core.StuckError

const (
	propagate = core.Propagate
	capture   = core.Capture
)

// left is how many tasks the error says are left.
func left(e *stuckError) int { return e.Running + e.Queued }

// future is what Fork and Submit return.
type future interface {
	Get() (int, error)
	GetContext(ctx context.Context) (int, error)
	Done() <-chan struct{}
}
