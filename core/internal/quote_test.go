package internal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/internal/quote"
)

func TestUnprintable(t *testing.T) {
	for s, want := range map[string]string{
		"":                 "",
		"ingest/fetch":     "ingest/fetch",
		`with "quotes" in`: `with "quotes" in`,
		"größer ⟶":         "größer ⟶",
		"a\nb":             `"a\nb"`,
		"\x1b[31mred":      `"\x1b[31mred"`,
		"\xff":             `"\xff"`,
		"a\u202eb":         `"a\u202eb"`, // turns the direction of writing
		"\uFFFD":           "\"\uFFFD\"",
	} {
		require.Equal(t, want, quote.Unprintable(s))
	}
}
