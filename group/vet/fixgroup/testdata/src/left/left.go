package left

import (
	"runtime"
	"sync"
)

func work(...any)               {}
func helper(wg *sync.WaitGroup) { wg.Wait() }

var Shared sync.WaitGroup // want `Shared stays a sync.WaitGroup: line [0-9]+: code of other packages can use it`

var all = []*sync.WaitGroup{{}}

type Exported struct {
	WG             sync.WaitGroup  // want `WG stays a sync.WaitGroup: line [0-9]+: code of other packages can use it`
	sync.WaitGroup                 // want `WaitGroup stays a sync.WaitGroup: line [0-9]+: code of other packages can use it`
	ptr            *sync.WaitGroup // want `ptr stays a sync.WaitGroup: line [0-9]+: this form of declaration cannot be rewritten`
}

func passed() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup: line [0-9]+: it is passed on, copied or assigned`
	wg.Go(func() {})
	helper(&wg)
}

func value() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup: line 29`
	defer work(wg.Wait)
}

func alone() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup: line [0-9]+: the fix needs an Add right before its go statements, each of a function literal that calls Done`
	wg.Add(1)
	work()
	go func() {
		defer wg.Done()
	}()
	wg.Wait()
}

func callback(register func(func())) {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	wg.Add(1)
	register(func() { wg.Done() })
	wg.Wait()
}

func function(f func()) {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	wg.Add(1)
	go f()
	wg.Done()
	wg.Wait()
}

func breaks(items []string) {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	wg.Add(len(items))
	for _, item := range items {
		if item == "" {
			wg.Done()
			continue
		}
		go func() {
			defer wg.Done()
		}()
	}
	wg.Wait()
}

func rounds(items, others []string) {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup`
	wg.Add(len(others))
	for range items {
		go func() {
			defer wg.Done()
		}()
	}
	wg.Wait()
}

func marks() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup: line [0-9]+: the task changes its goroutine`
	wg.Go(func() {
		runtime.LockOSThread()
	})
	wg.Wait()
}

func barrier() {
	var wg sync.WaitGroup // want `wg stays a sync.WaitGroup: line [0-9]+: one of its own tasks waits for it`
	for range 2 {
		wg.Add(1)
		go func() {
			wg.Wait()
			wg.Done()
		}()
	}
}
