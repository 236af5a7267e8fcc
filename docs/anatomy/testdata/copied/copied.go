// Package copied copies what must not be copied, for go vet to find.
package copied

import (
	"sync"

	"github.com/coterie-go/coterie/core"
)

// snippet: copies
func work(wg sync.WaitGroup) { // a copy: no Wait looks at its counter
	defer wg.Done()
}

func workOn(wg core.WaitGroup) {
	defer wg.Done()
}

// end snippet
