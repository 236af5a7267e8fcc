module github.com/coterie-go/coterie/docs/compare

go 1.26.0

require (
	github.com/alitto/pond/v2 v2.7.1
	github.com/coterie-go/coterie v0.0.0
	github.com/panjf2000/ants/v2 v2.12.1
	github.com/sourcegraph/conc v0.3.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sync v0.24.0
)

require (
	go.uber.org/multierr v1.11.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/coterie-go/coterie => ../..
