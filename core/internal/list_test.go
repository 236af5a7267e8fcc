package internal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/internal/list"
)

func TestList(t *testing.T) {
	var l list.List[int]
	values := func() (all []int) {
		for e := l.Front(); e != nil; e = e.Next() {
			all = append(all, e.Value)
		}
		require.Len(t, all, l.Len())
		return all
	}
	elems := make([]list.Elem[int], 4)
	for i := range elems {
		elems[i].Value = i
		require.False(t, elems[i].Listed())
	}
	require.Empty(t, values())
	l.PushBack(&elems[1])
	l.PushBack(&elems[2])
	l.PushFront(&elems[0])
	l.PushBack(&elems[3])
	require.Equal(t, []int{0, 1, 2, 3}, values())
	l.Remove(&elems[1]) // in the middle
	require.False(t, elems[1].Listed())
	l.Remove(&elems[3]) // the last
	require.Equal(t, []int{0, 2}, values())
	l.Remove(&elems[0]) // the first
	l.PushFront(&elems[3])
	require.Equal(t, []int{3, 2}, values())
	require.True(t, elems[3].Listed())
	l.Remove(&elems[2])
	l.Remove(&elems[3])
	require.Empty(t, values())
	l.PushFront(&elems[1])
	l.PushBack(&elems[0])
	require.Equal(t, []int{1, 0}, values())
}
