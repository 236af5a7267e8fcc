// Package copied makes mistakes that go vet must report.
package copied

import "github.com/coterie-go/coterie/core"

type service struct {
	tasks   core.WaitGroup
	permits core.Semaphore
}

func passWaitGroup(wg core.WaitGroup) { wg.Wait() }

func assignWaitGroup(s *service) {
	tasks := s.tasks
	tasks.Wait()
}

func returnSemaphore(s *service) core.Semaphore { return s.permits }

func rangeOver(all []service) {
	for _, s := range all {
		_ = s.permits.Limit()
	}
}

func fine(s *service) *core.WaitGroup { return &s.tasks }

var _ = []any{passWaitGroup, assignWaitGroup, returnSemaphore, rangeOver, fine}
