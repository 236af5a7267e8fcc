package carries_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/carries"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, carries.Analyzer, "a") }
