package guide_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// snippet: a queue that is left behind
type outbox struct{ letters chan string }

func newOutbox(deliver func(string)) *outbox {
	o := &outbox{letters: make(chan string, 100)}
	go func() {
		for letter := range o.letters {
			deliver(letter)
		}
	}()
	return o
}

func (o *outbox) close() { close(o.letters) } // and the program ends

func TestBugQueueLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delivered := 0
		o := newOutbox(func(string) { time.Sleep(time.Second); delivered++ })
		for _, to := range []string{"ann", "bob", "cid"} {
			o.letters <- to
		}
		o.close()
		if delivered != 3 {
			t.Errorf("%d of 3 letters were delivered when the program ended", delivered)
		}
		time.Sleep(time.Minute) // or the test would report the goroutine, too
	})
}

// end snippet

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delivered := 0
		deliver := func(string) { time.Sleep(time.Second); delivered++ }
		// snippet: drain
		p := pool.New(1, pool.Options{Name: "outbox", Queue: 100})
		for _, to := range []string{"ann", "bob", "cid"} {
			p.Go(func() { deliver(to) })
		}
		p.Close() // after three seconds: refuses new tasks, runs the accepted ones
		// end snippet
		require.Equal(t, 3, delivered)
	})
}

func Example_drainWithin() {
	answer := make(chan struct{})
	defer close(answer)
	began := make(chan struct{})
	deliver := func(to string) { close(began); <-answer }
	patience := 10 * time.Millisecond

	// snippet: drain within
	p := pool.New(1, pool.Options{Name: "outbox", Queue: 100})
	for _, to := range []string{"ann", "bob", "cid"} {
		p.Go(func() { deliver(to) })
	}
	<-began // the first delivery, which gets no answer

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stuck *core.StuckError
	if errors.As(p.Shutdown(ctx), &stuck) {
		fmt.Println("running:", stuck.Running, "dropped:", stuck.Dropped)
	}
	// end snippet
	// Output: running: 1 dropped: 2
}

func TestKeepWhatWasDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// snippet: keep what was dropped
		jobs, cancelJobs := context.WithCancel(context.Background())
		defer cancelJobs()
		var undone []string
		p := pool.New(1, pool.Options{Queue: 100})
		for _, to := range []string{"ann", "bob"} {
			p.Go(func() {
				select {
				case <-time.After(time.Minute): // delivers
				case <-jobs.Done():
					undone = append(undone, to) // to be sent another time
				}
			})
		}

		patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := p.WaitContext(patience) // lets them finish for ten seconds
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancelJobs() // each task sees its context end
		p.Close()    // and is waited for
		require.Equal(t, []string{"ann", "bob"}, undone)
		// end snippet
	})
}
