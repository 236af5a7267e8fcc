//go:build !race

package pool_test

const raceBuild = false
