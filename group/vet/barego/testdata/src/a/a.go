package a

import "sync"

func work() {}

func bare() {
	go work()   // want `this goroutine has no owner: nobody waits for it, and its panic ends the process; start it as a task of a group.Group, or add a comment //coterie:go that says who waits for it, or why nobody has to .*docs/guide/rule.md`
	go func() { // want `this goroutine has no owner`
		go work() // want `this goroutine has no owner`
	}()

	//coterie:go
	go work() // want `//coterie:go needs a reason`

	//coterie:go until the process ends: it flushes the log

	go work() // want `this goroutine has no owner`

	//coterie:go until the process ends: one comment, one statement
	go work()
	go work() // want `this goroutine has no owner`

	//coterie:going elsewhere
	go work() // want `this goroutine has no owner`

	// coterie:go with a space is no directive
	go work() // want `this goroutine has no owner`
}

// What follows is right.

func exempt() {
	//coterie:go until the process ends: it flushes the log
	go work()
	go work() //coterie:go joined by Close
	//coterie:go both on one line
	go func() {
		work()
	}()
	if true {
		//coterie:go	a tab separates, too
		go work()
	}
}

func owned() {
	var wg sync.WaitGroup
	wg.Go(work)
	defer wg.Wait()
	work()
}

//line elsewhere.go:1
func renumbered() {
	//coterie:go the lines of the file count, not those of the comment
	go work()
}
