package guide_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group"
)

func download(string) { time.Sleep(time.Second) }

// snippet: add inside the goroutine
type crawler struct {
	wg   sync.WaitGroup
	done atomic.Int32
}

func (c *crawler) visit(url string) {
	download(url)
	//coterie:addinside for the page: the bug that it shows
	c.wg.Add(1) // from here on there is work to wait for
	defer c.wg.Done()
	c.done.Add(1)
}

func TestBugAddInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crawler
		for _, url := range []string{"/", "/a", "/b"} {
			go c.visit(url)
		}
		c.wg.Wait()
		if n := c.done.Load(); n != 3 {
			t.Errorf("Wait has returned, and %d of 3 are done", n)
		}
	})
}

// end snippet

// snippet: a scope
func crawl(urls []string) int {
	var done atomic.Int32
	group.Run(func(g *group.Group) {
		for _, url := range urls {
			g.Go(func() {
				download(url)
				done.Add(1)
			})
		}
	}) // here every task has ended
	return int(done.Load())
}

func TestCrawl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, 3, crawl([]string{"/", "/a", "/b"}))
	})
}

// end snippet

// snippet: add racing wait
type store struct {
	saving sync.WaitGroup
	closed atomic.Bool
}

func (s *store) put(t *testing.T) {
	s.saving.Add(1)
	go func() {
		defer s.saving.Done()
		time.Sleep(time.Second)
		if s.closed.Load() {
			t.Error("saved into a store that is closed")
		}
	}()
}

func (s *store) close() {
	s.saving.Wait()
	s.closed.Store(true)
}

func TestBugAddAfterWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s store
		s.put(t)
		go func() {
			time.Sleep(1500 * time.Millisecond) // a request that was slow
			s.put(t)
		}()
		s.close()
		time.Sleep(time.Minute) // the rest of the program
	})
}

// end snippet

func TestEndedScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late *group.Group
		// snippet: an ended scope
		group.RunWith(group.Options{Name: "saving"}, func(g *group.Group) {
			g.Go(func() { time.Sleep(time.Second) })
			//coterie:escapes for the page: the bug that it shows
			late = g // a mistake
		})
		require.PanicsWithValue(t, `group: Go on group "saving", which has ended`, func() {
			late.Go(func() {})
		})
		// end snippet
	})
}

func Example_nested() {
	// snippet: tasks start tasks
	var visit func(g *group.Group, depth int)
	var visited atomic.Int32
	visit = func(g *group.Group, depth int) {
		visited.Add(1)
		if depth == 0 {
			return
		}
		for range 2 {
			g.Go(func() { visit(g, depth-1) })
		}
	}
	group.Run(func(g *group.Group) { visit(g, 10) })
	fmt.Println(visited.Load())
	// end snippet
	// Output: 2047
}

func Example_fork() {
	// snippet: a result
	group.Run(func(g *group.Group) {
		size := group.Fork(g, func() (int, error) { return 42, nil })
		name := group.Fork(g, func() (string, error) { return "answer", nil })

		n, _ := size.Get() // waits for that one task
		s, _ := name.Get()
		fmt.Println(s, n)
	})
	// end snippet
	// Output: answer 42
}

func Example_background() {
	// snippet: a background task
	var total int
	group.Run(func(g *group.Group) {
		sizes := make(chan int)
		g.Background(context.Background(), func(ctx context.Context) {
			for {
				select {
				case n := <-sizes:
					total += n
				case <-ctx.Done(): // every other task has ended
					return
				}
			}
		})
		for i := range 10 {
			g.Go(func() { sizes <- i })
		}
	})
	fmt.Println(total)
	// end snippet
	// Output: 45
}

// snippet: a group that lives on
type mailer struct {
	sending group.Group // its zero value is ready for use
}

func (m *mailer) send(deliver func()) { m.sending.Go(deliver) }

func (m *mailer) Close() { m.sending.Wait() }

// end snippet

func TestMailer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m mailer
		var sent atomic.Int32
		for range 10 {
			m.send(func() { time.Sleep(time.Second); sent.Add(1) })
		}
		m.Close()
		require.EqualValues(t, 10, sent.Load())
	})
}
