//go:build race

package tree_test

const raceBuild = true
