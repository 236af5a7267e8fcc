package allowed

func Work() { go Work() }
