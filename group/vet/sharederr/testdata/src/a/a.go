package a

import (
	"sync"

	"github.com/coterie-go/coterie/group"
)

func work() error        { return nil }
func pair() (int, error) { return 0, nil }
func use(...any)         {}

func races(items []string) error {
	var wg sync.WaitGroup
	var err error
	for range items {
		wg.Go(func() {
			err = work() // want `several tasks assign to err without a lock: this is a data race, and the last assignment, often of nil, hides the errors before it; return the error from a task of an errgroup .*docs/guide/errors.md`
		})
	}
	wg.Wait()
	return err
}

func two() (err error) {
	var g group.Group
	g.Go(func() { err = work() })
	g.Go(func() {
		if err = work(); err != nil { // want `several tasks assign to err`
			return
		}
	})
	g.Wait()
	return err
}

// What follows is right, or at least not this.

func one() (err error) {
	var wg sync.WaitGroup
	wg.Go(func() { err = work() })
	wg.Wait()
	return err
}

func own(items []string) {
	var wg sync.WaitGroup
	var total int
	defer func() { use(total) }()
	errs := make([]error, len(items))
	for i := range items {
		var err error
		wg.Go(func() {
			err = work()
			errs[i] = work()
			n, err := pair()
			total = n
			use(err)
		})
		use(err)
	}
	wg.Wait()
}

func locked(items []string) (err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range items {
		wg.Go(func() {
			e := work()
			mu.Lock()
			defer mu.Unlock()
			err = e
		})
	}
	wg.Wait()
	return err
}

func inTurn(items []string) (err error) {
	for range items {
		err = work()
		func() { err = work() }()
	}
	return err
}
