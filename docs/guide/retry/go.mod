module github.com/coterie-go/coterie/docs/guide/retry

go 1.26.0

replace github.com/coterie-go/coterie => ../../..

require (
	github.com/cenkalti/backoff/v5 v5.0.3
	github.com/coterie-go/coterie v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
	golang.org/x/time v0.16.0
)

require (
	go.uber.org/multierr v1.11.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
