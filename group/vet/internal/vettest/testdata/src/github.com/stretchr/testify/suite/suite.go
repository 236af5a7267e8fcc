package suite

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type Suite struct {
	require *require.Assertions
	t       *testing.T
}

func (s *Suite) T() *testing.T                { return s.t }
func (s *Suite) Require() *require.Assertions { return s.require }
