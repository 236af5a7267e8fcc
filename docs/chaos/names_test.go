package chaos_test

import (
	"context"

	"github.com/coterie-go/coterie/group"
)

// Names that users meet in more than one package stand here and nowhere else in
// this test: should one of them move, only this file changes.

type stuckError = group.StuckError

const (
	propagate = group.Propagate
	capture   = group.Capture
)

// left is how many tasks the error says are left.
func left(e *stuckError) int { return e.Running }

// future is what Fork and Submit return.
type future interface {
	Get() (int, error)
	GetContext(ctx context.Context) (int, error)
	Done() <-chan struct{}
}
