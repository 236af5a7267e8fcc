module github.com/coterie-go/coterie/docs/migrate

go 1.26.0

replace github.com/coterie-go/coterie => ../..

require (
	github.com/alitto/pond/v2 v2.7.1
	github.com/coterie-go/coterie v0.0.0
	github.com/panjf2000/ants/v2 v2.12.1
	github.com/sourcegraph/conc v0.3.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/multierr v1.11.0
	golang.org/x/sync v0.24.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
