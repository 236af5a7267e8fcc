package a

import (
	"context"

	"golang.org/x/sync/semaphore"
)

const limit = 10

var shared = semaphore.NewWeighted(limit) // want `shared can be a core.Semaphore, whose limit can change .*docs/migrate/xsync.md`

func work() {}

func use(ctx context.Context) {
	if err := shared.Acquire(ctx, 3); err != nil {
		return
	}
	defer shared.Release(3)
	sem := semaphore.NewWeighted(2) // want `sem can be a core.Semaphore`
	if sem.TryAcquire(1) {
		sem.Release(1)
	}
	_ = sem.Acquire(ctx, limit/5)
	if sem.Acquire(ctx, 1) == nil {
		work()
	}
}
