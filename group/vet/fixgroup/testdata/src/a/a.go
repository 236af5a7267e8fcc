package a

import (
	"fmt"
	"sync"
)

func work(...any) {}

type server struct {
	wg    sync.WaitGroup // want `wg can be a group.Group, which counts its tasks itself and whose Wait raises their panics .*docs/migrate/waitgroup.md`
	names []string
}

func (s *server) start() {
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		work()
	}()
	s.wg.Go(func() { work() })
}

func (s *server) Close() { s.wg.Wait() }

func forms(items []string) {
	var wg sync.WaitGroup // want `wg can be a group.Group`
	for i, item := range items {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer work("first registered, last run")
			if i == 0 {
				return
			}
			work(item)
		}()
	}
	defer wg.Wait()

	made := sync.WaitGroup{} // want `made can be a group.Group`
	made.Add(1)
	go func() {
		work()
		made.Done()
	}()
	made.Wait()

	pointer := &sync.WaitGroup{} // want `pointer can be a group.Group`
	pointer.Go(func() { work() })
	pointer.Wait()
	fresh := new(sync.WaitGroup) // want `fresh can be a group.Group`
	fresh.Go(func() { work() })
	go fresh.Wait()
}

func several(items []string, n int) {
	var wg sync.WaitGroup // want `wg can be a group.Group`
	wg.Add(2)
	go func() {
		defer wg.Done()
	}()
	go func() {
		defer wg.Done()
		work()
	}()
	wg.Wait()

	wg.Add(len(items))
	for _, item := range items {
		work()
		go func() {
			defer wg.Done()
			work(item)
		}()
	}
	wg.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			defer wg.Done()
			work(i)
		}(i)
	}
	wg.Add(n)
	for range n {
		go func() {
			defer wg.Done()
		}()
	}
	wg.Wait()
}

func parameters(items []string) {
	var wg sync.WaitGroup // want `wg can be a group.Group`
	for i, item := range items {
		wg.Add(1)
		go func(item string, i int) {
			defer wg.Done()
			work(item, i)
		}(item, i)
	}
	wg.Wait()
}

func nested() {
	var wg sync.WaitGroup // want `wg can be a group.Group`
	wg.Add(1)
	go func() {
		defer wg.Done()
		wg.Add(1)
		go func() {
			defer wg.Done()
			work()
		}()
	}()
	wg.Wait()
	var mu sync.Mutex
	mu.Lock()
	fmt.Println()
}
