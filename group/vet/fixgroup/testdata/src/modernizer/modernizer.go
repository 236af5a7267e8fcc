// Package modernizer has the code around which the modernizer for WaitGroup.Go was
// wrong: golang/go issues 75724 (an incorrect fix), 76004 (invalid code), 77754 (a
// result) and 77559 (a recover). The literal is a task only if the rewrite compiles
// and does the same.
package modernizer

import "sync"

func work(...any) {}
func cleanup()    { _ = recover() }
func get() int    { return 0 }

// 77754: Go takes a function without results.
func results() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup: line [0-9]+: the fix needs an Add right before its go statements`
	wg.Add(1)
	go func() int {
		defer wg.Done()
		return 0
	}()
	wg.Wait()
}

// What the go statement passes has to be passed on.
func arguments() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup: line [0-9]+: the fix needs an Add`
	i := 0
	wg.Add(1)
	go func(i int) {
		defer wg.Done()
		work(i)
	}(get())
	i++
	wg.Wait()
}

func changing() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	for i := 0; i < 3; {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			work(i)
		}(i)
		i++
	}
	wg.Wait()
}

func changed() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	for i := range 3 {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			i *= 2
			work(i)
		}(i)
	}
	wg.Wait()
}

func converted() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	for i := range 3 {
		wg.Add(1)
		go func(i any) {
			defer wg.Done()
			work(i)
		}(i)
	}
	wg.Wait()
}

// The Done of another, and one that not each way out of the literal reaches.
func others() {
	var a, b sync.WaitGroup // want `a stays a sync.WaitGroup: line [0-9]+: this form of declaration cannot be rewritten` `b stays a sync.WaitGroup`
	a.Add(1)
	go func() {
		defer b.Done()
	}()
	b.Add(1)
	go func() {
		defer a.Done()
	}()
	a.Wait()
	b.Wait()
}

func early(done bool) {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	wg.Add(1)
	go func() {
		if done {
			return
		}
		work()
		wg.Done()
	}()
	wg.Wait()
}

// 77559: a deferred call recovers, and Done was not called.
func recovers() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	wg.Add(1)
	go func() {
		defer cleanup()
		work()
		wg.Done()
	}()
	wg.Wait()
}

// The order of deferred calls.
func order(mu *sync.Mutex) {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	wg.Add(1)
	go func() {
		defer mu.Unlock() // after Done
		defer wg.Done()
		work()
	}()
	wg.Wait()
}
