package chaos_test

// actions run the ops.
var actions [len(opNames)]func(f *frame, o *op)

func init() { // which the actions refer to themselves
	actions = [...]func(f *frame, o *op){
		opSleep:    (*frame).sleep,
		opYield:    (*frame).yield,
		opAwait:    (*frame).await,
		opGate:     (*frame).gate,
		opStart:    func(f *frame, o *op) { f.start(o, o.task) },
		opBulk:     (*frame).bulk,
		opRelay:    (*frame).relay,
		opGet:      (*frame).getSome,
		opWait:     func(f *frame, o *op) { f.wait(f.levels[o.up].o, -1) },
		opWaitFor:  func(f *frame, o *op) { f.wait(f.levels[o.up].o, o.d) },
		opCollect:  func(f *frame, o *op) { f.collect(f.levels[o.up].o) },
		opWaitKey:  (*frame).waitSome,
		opCancel:   (*frame).cancel,
		opResize:   (*frame).resize,
		opPause:    (*frame).pause,
		opAcquire:  (*frame).acquire,
		opShutdown: func(f *frame, o *op) { f.close(f.levels[o.up].o, o.d) },
		opClose:    func(f *frame, o *op) { f.close(f.levels[o.up].o, -1) },
		opSelfWait: (*frame).selfWait,
		opNil:      (*frame).goNil,
		opOwner:    (*frame).own,
		opLoop:     (*frame).loop,
		opFan:      (*frame).fan,
	}
}
