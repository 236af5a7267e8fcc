package anatomy_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/docs/internal/shown"
	"github.com/coterie-go/coterie/group"
)

func TestMain(m *testing.M) {
	if shown.Bugs() {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

func TestShown(t *testing.T) { shown.Run(t) }

func Example_flow() {
	// snippet: the flow
	var wg sync.WaitGroup
	var sum atomic.Int64
	for n := range 3 {
		wg.Add(1) // counted before it starts
		go func() {
			defer wg.Done() // also if the rest panics
			sum.Add(int64(n))
		}()
	}
	wg.Wait() // until there have been three Dones
	fmt.Println(sum.Load())
	// end snippet
	// Output: 3
}

// snippet: the loop that gains a continue
func totalLength(lines []string) int {
	var wg sync.WaitGroup
	var total atomic.Int64
	wg.Add(len(lines))
	for _, line := range lines {
		if line == "" {
			continue // added in a later change, far from the Add
		}
		go func() {
			defer wg.Done()
			total.Add(int64(len(line)))
		}()
	}
	wg.Wait()
	return int(total.Load())
}

func TestBugAddN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := totalLength([]string{"one", "", "three"}); got != 8 {
			t.Errorf("got %d, want 8", got)
		}
	})
}

// end snippet

// snippet: the loop without a number
func totalLengthInScope(lines []string) int {
	var total atomic.Int64
	group.Run(func(g *group.Group) {
		for _, line := range lines {
			if line == "" {
				continue
			}
			g.Go(func() { total.Add(int64(len(line))) })
		}
	})
	return int(total.Load())
}

// end snippet

func TestTotalLengthInScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, 8, totalLengthInScope([]string{"one", "", "three"}))
	})
}

// snippet: read the word
// word returns the first eight bytes of a WaitGroup, which are its state.
func word[T sync.WaitGroup | core.WaitGroup](wg *T) string {
	state := (*atomic.Uint64)(unsafe.Pointer(wg)).Load()
	return fmt.Sprintf("%08x %08x", uint32(state>>32), uint32(state))
}

// end snippet

func Example_word() {
	// snippet: print the word
	var std sync.WaitGroup
	var ours core.WaitGroup
	show := func(when string) { fmt.Printf("%-28s%s   %s\n", when, word(&std), word(&ours)) }
	fmt.Printf("%-28s%-20s %s\n", "", "sync", "core")

	show("at first")
	std.Add(3)
	ours.Add(3)
	show("Add(3)")
	var waits group.Group
	for range 2 {
		waits.Go(std.Wait)
		waits.Go(ours.Wait)
	}
	for low(&std) != 2 || low(&ours) != 1<<31|2 {
		runtime.Gosched() // until all four have come
	}
	show("two waiters come")
	std.Done()
	ours.Done()
	show("Done")
	std.Add(-2)
	ours.Add(-2)
	waits.Wait()
	show("Add(-2), and they have left")
	// end snippet
	// Output:
	//                             sync                 core
	// at first                    00000000 00000000   00000000 00000000
	// Add(3)                      00000003 00000000   00000003 00000000
	// two waiters come            00000003 00000002   00000003 80000002
	// Done                        00000002 00000002   00000002 80000002
	// Add(-2), and they have left 00000000 00000000   00000000 00000002
}

func low[T sync.WaitGroup | core.WaitGroup](wg *T) uint32 {
	return uint32((*atomic.Uint64)(unsafe.Pointer(wg)).Load())
}

func TestSizes(t *testing.T) {
	if race.Hidden {
		t.Skip("what makes the edges for the race detector takes room")
	}
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the page names the sizes on 64-bit machines")
	}
	require.EqualValues(t, 16, unsafe.Sizeof(sync.WaitGroup{}))
	require.EqualValues(t, 32, unsafe.Sizeof(core.WaitGroup{}))

	drawing, err := os.ReadFile("word.svg")
	require.NoError(t, err)
	require.Regexp(t, "(?s)sync.WaitGroup<[^\n]*>16 bytes.*core.WaitGroup<[^\n]*>32 bytes", string(drawing))
}

// snippet: reuse, with sync
func TestBugReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		for range 1000 {
			wg.Add(1)
			go wg.Wait()
			synctest.Wait() // now it is parked
			wg.Done()       // ends the round: the waiter will wake soon
			wg.Add(1)       // begins the next
			wg.Done()
		}
	})
}

// end snippet

func TestReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg core.WaitGroup
		for range 1000 {
			wg.Add(1)
			go wg.Wait()
			synctest.Wait()
			wg.Done()
			wg.Add(1)
			wg.Done()
		}
	})
}

func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// snippet: give up
		var wg core.WaitGroup
		wg.Add(1)
		time.AfterFunc(time.Minute, wg.Done)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := wg.WaitContext(ctx) // returns after a second
		wg.Wait()                  // returns after a minute
		// end snippet
		require.Equal(t, context.DeadlineExceeded, err)
	})
}

// snippet: a package variable
var uploads core.WaitGroup

func testUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		uploads.Add(1)
		time.AfterFunc(time.Hour, uploads.Done)
		uploads.Wait() // takes no time: the bubble's clock jumps
	})
}

// end snippet

func TestPackageVariable(t *testing.T) {
	t.Run("in one bubble", testUploads)
	t.Run("and another", testUploads)
}
