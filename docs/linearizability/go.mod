module github.com/coterie-go/coterie/docs/linearizability

go 1.26.0

require github.com/coterie-go/coterie v0.0.0

require github.com/anishathalye/porcupine v1.3.1

replace github.com/coterie-go/coterie => ../..
