package left

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

var Shared = semaphore.NewWeighted(1) // want `Shared stays a semaphore.Weighted: line 10: code of other packages can use it`

type server struct {
	sem *semaphore.Weighted // want `sem stays a semaphore.Weighted: line 13: this form of declaration cannot be rewritten`
}

func variable(n int64) {
	sem := semaphore.NewWeighted(n) // want `sem stays a semaphore.Weighted: line 17: this form of declaration`
	sem.Release(1)
}

func weights(ctx context.Context, n int64) {
	sem := semaphore.NewWeighted(4) // want `sem stays a semaphore.Weighted: line 23: Acquire may ask for more than the limit`
	_ = sem.Acquire(ctx, n)
	other := semaphore.NewWeighted(4) // want `other stays a semaphore.Weighted: line 25: TryAcquire may ask for more than the limit`
	_ = other.TryAcquire(5)
}

func cause(ctx context.Context) error {
	sem := semaphore.NewWeighted(4) // want `sem stays a semaphore.Weighted: line 30: the error of Acquire is used, and a core.Semaphore returns context.Cause\(ctx\) instead of ctx.Err\(\)`
	if err := sem.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("busy: %w", err)
	}
	other := semaphore.NewWeighted(4) // want `other stays a semaphore.Weighted: line 34: the error of Acquire is used`
	return other.Acquire(ctx, 1)
}

func passed(f func(*semaphore.Weighted)) {
	sem := semaphore.NewWeighted(4) // want `sem stays a semaphore.Weighted: line 39: it is passed on, copied or assigned`
	f(sem)
}
