module github.com/coterie-go/coterie/docs/trace

go 1.26.0

require (
	github.com/coterie-go/coterie v0.0.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
	golang.org/x/exp v0.0.0-20261113113407-e3970619a1a4
)

require (
	go.uber.org/multierr v1.11.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/coterie-go/coterie => ../..
