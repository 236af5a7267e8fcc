package left

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

var Shared = semaphore.NewWeighted(1) // want `Shared is left a semaphore.Weighted: line 10: code of other packages can use it`

type server struct {
	sem *semaphore.Weighted // want `sem is left a semaphore.Weighted: line 13: it is declared in a way that has no counterpart`
}

func variable(n int64) {
	sem := semaphore.NewWeighted(n) // want `sem is left a semaphore.Weighted: line 17: it is declared in a way`
	sem.Release(1)
}

func weights(ctx context.Context, n int64) {
	sem := semaphore.NewWeighted(4) // want `sem is left a semaphore.Weighted: line 23: Acquire may ask for more than the limit`
	_ = sem.Acquire(ctx, n)
	other := semaphore.NewWeighted(4) // want `other is left a semaphore.Weighted: line 25: TryAcquire may ask for more than the limit`
	_ = other.TryAcquire(5)
}

func cause(ctx context.Context) error {
	sem := semaphore.NewWeighted(4) // want `sem is left a semaphore.Weighted: line 30: the error of Acquire is used, which becomes the context's cause`
	if err := sem.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("busy: %w", err)
	}
	other := semaphore.NewWeighted(4) // want `other is left a semaphore.Weighted: line 34: the error of Acquire is used`
	return other.Acquire(ctx, 1)
}

func passed(f func(*semaphore.Weighted)) {
	sem := semaphore.NewWeighted(4) // want `sem is left a semaphore.Weighted: line 39: it is passed on, copied or assigned`
	f(sem)
}
