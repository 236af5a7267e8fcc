//go:build race

package pool_test

const raceBuild = true

// manyItems are fewer where each has a goroutine of its own.
const manyItems = 10_000
