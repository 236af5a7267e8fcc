module github.com/coterie-go/coterie/docs/mutation

go 1.26.0
