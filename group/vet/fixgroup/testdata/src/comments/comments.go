package comments

import "sync"

func work() {}

func comments(n int) {
	// the tasks
	var wg sync.WaitGroup /* all */ // want `wg can be a group.Group`
	// before Add
	wg.Add(1) // beside Add
	// before go
	go func() { // beside go
		// before Done
		defer wg.Done() // beside Done
		// after Done
		work() // beside work
	}() // after all

	switch n {
	case 1:
		start := func() { wg.Add(1); go func() { defer wg.Done(); work() }() }
		start()
	case 2:
		wg.Add(1) // alone
		go func() {
			work()
			wg.Done()
			// at the end
		}()
	}
	wg.Wait()
}
