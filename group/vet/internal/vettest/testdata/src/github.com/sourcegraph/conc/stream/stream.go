package stream

type Callback func()
type Task func() Callback
type Stream struct{ noCopy [0]func() }

func New() *Stream                                { return nil }
func (s *Stream) Go(f Task)                       {}
func (s *Stream) Wait()                           {}
func (s *Stream) WithMaxGoroutines(n int) *Stream { return nil }
