package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgress(t *testing.T) {
	t.Run("is redrawn in place and cleared in the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var p progress
			var out bytes.Buffer
			p.seen.Store(10)
			go func() {
				time.Sleep(redraw / 2)
				p.seen.Store(20)
				p.todo.Store(8)
				p.done.Store(3)
				p.read.Store(50e6)
				time.Sleep(redraw)
				p.todo.Store(0)
				time.Sleep(redraw)
				cancel()
			}()
			p.draw(ctx, &out)
			require.Equal(t, "\r10 files seen"+
				"\r20 files seen, hashed 3 of 8, 50.0 MB, 500.0 MB/s"+
				fmt.Sprintf("\r%-49s", "20 files seen")+
				fmt.Sprintf("\r%-13s\r", ""), out.String())
		})
	})

	t.Run("goes to a terminal, or wherever it is wanted", func(t *testing.T) {
		null, err := os.Open(os.DevNull) // a character device, as a terminal is
		require.NoError(t, err)
		defer null.Close()
		file, err := os.Create(t.TempDir() + "/file")
		require.NoError(t, err)
		defer file.Close()
		require.True(t, when("auto").wanted(null))
		require.False(t, when("auto").wanted(file))
		require.False(t, when("auto").wanted(new(bytes.Buffer)))
		require.True(t, when("always").wanted(file))
		require.False(t, when("never").wanted(null))
	})
}
