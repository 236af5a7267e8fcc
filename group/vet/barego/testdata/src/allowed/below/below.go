package below

func Work() { go Work() }
