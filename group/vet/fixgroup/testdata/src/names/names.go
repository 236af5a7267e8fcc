package names

import (
	"sync"
)

var group = 1

func work() {}

func taken() {
	var wg sync.WaitGroup // want `wg can be a group.Group`
	wg.Go(work)
	wg.Wait()
	_ = group
}
