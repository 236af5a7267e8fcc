package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	for path, want := range map[string]string{
		"a b/ü":     "a b/ü",
		"a\nb":      `"a\nb"`,
		"\x1b[2Jx":  `"\x1b[2Jx"`,
		"\xff":      `"\xff"`,
		"":          "",
		"no\u00adw": `"no\u00adw"`,
	} {
		require.Equal(t, want, printable(path))
	}
}
