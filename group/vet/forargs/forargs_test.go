package forargs_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/forargs"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, forargs.Analyzer, "a") }
