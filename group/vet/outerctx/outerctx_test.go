package outerctx_test

import (
	"testing"

	"github.com/coterie-go/coterie/group/vet/internal/vettest"
	"github.com/coterie-go/coterie/group/vet/outerctx"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, outerctx.Analyzer, "a") }
