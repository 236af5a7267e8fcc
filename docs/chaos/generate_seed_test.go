package chaos_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASeedMakesOneTree(t *testing.T) {
	for seed := range uint64(50) {
		require.Equal(t, show(generate(seed)), show(generate(seed)))
	}
}

func TestATreeIsAsBeforeWhenWhatWasTakenAwayIsPutBack(t *testing.T) {
	for seed := range uint64(50) {
		tree := generate(seed)
		before := show(tree)
		for _, c := range cuts(&tree) {
			c()()
		}
		require.Equal(t, before, show(tree))
	}
}
