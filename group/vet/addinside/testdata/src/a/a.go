package a

import (
	"sync"

	"github.com/coterie-go/coterie/core"
)

func work() {}

type crawler struct {
	wg    sync.WaitGroup
	tasks *core.WaitGroup
	sync.Mutex
}

func (c *crawler) visit() {
	c.wg.Add(1) // want `c.wg.Add runs in the goroutine that it counts: a Wait that comes before it does not wait for that goroutine; call Add before the go statement.*docs/guide/scopes.md`
	defer c.wg.Done()
	work()
}

func (c *crawler) count() {
	c.tasks.Add(1) // want `c.tasks.Add runs in the goroutine`
	defer c.tasks.Done()
	work()
}

func start(c *crawler, urls []string) {
	for range urls {
		go c.visit()
		go func() {
			work()
			c.count()
		}()
	}
	c.wg.Wait()
}

func literal() {
	var wg sync.WaitGroup
	go func() {
		work()
		wg.Add(1) // want `wg.Add runs in the goroutine`
		defer func() { wg.Done() }()
		work()
	}()
	wg.Wait()
}

func passed(wg *sync.WaitGroup) {
	wg.Add(1) // want `wg.Add runs in the goroutine`
	defer wg.Done()
}

func pass() {
	var wg, other sync.WaitGroup
	go passed(&wg)
	other.Go(func() {
		wg.Add(1) // want `wg.Add runs in the goroutine`
		defer wg.Done()
	})
	other.Wait()
	wg.Wait()
}

type embedded struct{ crawler }

func (e *embedded) start() { go e.visit() }

// What follows is right.

func before() {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		work()
	}()
	wg.Go(work)
	wg.Wait()
}

func counted() {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		wg.Add(1) // for the goroutine that takes over
		go func() { defer wg.Done() }()
		wg.Done()
	}()
	wg.Go(func() {
		wg.Add(1)
		defer wg.Done()
	})
	wg.Wait()
}

func countedByTheCaller(c *crawler) {
	go func() {
		defer c.wg.Done()
		c.wg.Add(1)
		go c.done()
	}()
}

func (c *crawler) done() { c.wg.Done() }

func forOthers(c *crawler, requests chan func()) {
	go func() {
		for range requests {
			c.wg.Add(1)
			go c.done()
		}
	}()
}

func rounds(c *crawler, requests chan func()) {
	go func() {
		for f := range requests {
			c.wg.Add(1)
			f()
			c.wg.Done()
		}
	}()
}

func waitsItself(c *crawler) {
	go func() {
		c.wg.Add(1)
		go c.done()
		c.wg.Wait()
		c.wg.Done()
	}()
	go func() {
		var wg sync.WaitGroup
		wg.Add(1)
		defer wg.Done()
	}()
}

func several(c *crawler) {
	go func() {
		c.wg.Add(2)
		c.wg.Done()
	}()
}

func sameGoroutine(c *crawler) {
	c.wg.Add(1)
	defer c.wg.Done()
	func() {
		c.wg.Add(1)
		defer c.wg.Done()
	}()
}

// Call counts its calls, in whichever goroutine they are.
func (c *crawler) Call() {
	c.wg.Add(1)
	defer c.wg.Done()
}

func calls(c *crawler) {
	go func() {
		c.Call()
	}()
}

func (c *crawler) lookup(wait bool) {
	c.wg.Add(1) // for what it starts
	if wait {
		c.wg.Done()
		return
	}
	c.wg.Done()
}

func looks(c *crawler) {
	go func() { c.lookup(true) }()
}

type counter struct{}

func (counter) Add(int) {}
func (counter) Done()   {}

func notAWaitGroup(c counter) {
	go func() {
		c.Add(1)
		defer c.Done()
	}()
}
