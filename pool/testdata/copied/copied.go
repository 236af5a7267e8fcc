// Package copied copies values that must not be copied. go vet must report that.
package copied

import "github.com/coterie-go/coterie/pool"

func copies(pools *pool.Pool, batches *pool.Batch, keyeds *pool.Keyed[int]) {
	p := *pools
	b := *batches
	k := *keyeds
	_, _, _ = &p, &b, &k
}
