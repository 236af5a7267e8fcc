package conc

type WaitGroup struct{ noCopy [0]func() }

func NewWaitGroup() *WaitGroup               { return nil }
func (wg *WaitGroup) Go(f func())            {}
func (wg *WaitGroup) Wait()                  {}
func (wg *WaitGroup) WaitAndRecover() *error { return nil }
