module github.com/coterie-go/coterie/docs/browser

go 1.26.0

require (
	github.com/coterie-go/coterie v0.0.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
)

require (
	go.uber.org/multierr v1.11.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/coterie-go/coterie => ../..
