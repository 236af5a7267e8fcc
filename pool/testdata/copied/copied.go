// Package copied copies what must not be copied, for go vet to find.
package copied

import "github.com/coterie-go/coterie/pool"

func copies(pools *pool.Pool, batches *pool.Batch, keyeds *pool.Keyed[int]) {
	p := *pools
	b := *batches
	k := *keyeds
	_, _, _ = &p, &b, &k
}
