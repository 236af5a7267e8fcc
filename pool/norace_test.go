//go:build !race

package pool_test

const raceBuild = false

// manyItems take longer than a loop needs to notice that it is long.
const manyItems = 1_000_000
