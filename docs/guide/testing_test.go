package guide_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group"
)

// snippet: a waitgroup that stops the clock
var background sync.WaitGroup // the package's own

func audit(record func()) {
	background.Go(func() {
		time.Sleep(time.Second) // goes over the network
		record()
	})
}

func TestBugClockStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		audit(func() {})
		background.Wait()
	})
}

// end snippet

// snippet: a group that does not
var auditing group.Group

func auditInGroup(record func()) {
	auditing.Go(func() {
		time.Sleep(time.Second)
		record()
	})
}

func testAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		var recorded atomic.Int32
		auditInGroup(func() { recorded.Add(1) })
		auditing.Wait()
		require.EqualValues(t, 1, recorded.Load())
		require.Equal(t, time.Second, time.Since(started))
	})
}

func TestAudit(t *testing.T) {
	t.Run("in one bubble", testAudit)
	t.Run("in the next", testAudit)
}

// end snippet

// snippet: assert on what has not happened
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int32
		g := group.New(group.Options{Limit: 2})
		gate := make(chan struct{})
		var submitter group.Group
		submitter.Go(func() {
			for range 5 {
				g.Go(func() {
					most.Add(1)
					<-gate
				})
			}
		})
		synctest.Wait() // until every goroutine is blocked
		require.EqualValues(t, 2, most.Load())
		require.Equal(t, 2, g.Running())

		close(gate)
		submitter.Wait()
		g.Wait()
		require.EqualValues(t, 5, most.Load())
	})
}

// end snippet
