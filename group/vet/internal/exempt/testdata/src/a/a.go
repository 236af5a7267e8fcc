package a

func f(...any) int { return 0 }

func reported() {
	f() // want `^a call$`

	//coterie:calls
	f() // want `^//coterie:calls needs a reason \(docs/guide/rule.md\): a call$`
	/**/ f( /* want `needs a reason` */ ) //coterie:calls

	f() //coterie:calls because of its line, and not of the next
	f() // want `a call`

	//coterie:calls because of the next line alone
	f()
	f() // want `a call`

	//coterie:calls because the next line is not empty

	f() // want `a call`

	//coterie:callsign because the name is another
	f() // want `a call`
	//coterie:other because the name is another
	f() // want `a call`
	// coterie:calls because a space makes it none
	f() // want `a call`
}

func exempted() {
	//coterie:calls because of the next line
	f()
	f() //coterie:calls because of this line
	//coterie:calls	because a tab separates, too
	f(f(), f())
	//coterie:calls because the line with its beginning counts
	f(
		1,
	)
	for range f() { //coterie:calls because the line of a brace has code, too
		_ = 1
	}
}

//line elsewhere.go:1
func renumbered() {
	//coterie:calls because the lines of the file count
	f()
}
