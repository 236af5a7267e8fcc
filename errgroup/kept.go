package errgroup

import (
	"slices"
	"sort"
)

// kept are errors with the numbers of their tasks, which say the order of start.
type kept struct {
	most    int // to be kept; 0 means all
	numbers []uint64
	errs    []error // of the same length
	mixed   bool    // they are not in order
	dropped int
}

func (k *kept) add(number uint64, err error) {
	if n := len(k.numbers); n > 0 && number < k.numbers[n-1] {
		k.mixed = true
	}
	k.numbers = append(k.numbers, number)
	k.errs = append(k.errs, err)
}

// grow makes room for n more.
func (k *kept) grow(n int) {
	k.numbers = slices.Grow(k.numbers, n)
	k.errs = slices.Grow(k.errs, n)
}

// trim puts them in order, and drops those that are too many, the last.
func (k *kept) trim() {
	if k.mixed {
		sort.Sort(k)
		k.mixed = false
	}
	if k.most > 0 && len(k.errs) > k.most {
		k.dropped += len(k.errs) - k.most
		clear(k.errs[k.most:])
		k.errs = k.errs[:k.most]
		k.numbers = k.numbers[:k.most]
	}
}

// Len, Less and Swap are for sort.

func (k *kept) Len() int           { return len(k.numbers) }
func (k *kept) Less(i, j int) bool { return k.numbers[i] < k.numbers[j] }
func (k *kept) Swap(i, j int) {
	k.numbers[i], k.numbers[j] = k.numbers[j], k.numbers[i]
	k.errs[i], k.errs[j] = k.errs[j], k.errs[i]
}
