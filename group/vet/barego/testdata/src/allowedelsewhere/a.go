package allowedelsewhere

func Work() { go Work() } // want `this goroutine has no owner`
