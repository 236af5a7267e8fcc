module github.com/coterie-go/coterie/docs/migrate

go 1.26.0

replace github.com/coterie-go/coterie => ../..

require (
	github.com/alitto/pond/v2 v2.7.1
	github.com/coterie-go/coterie v0.0.0
	github.com/oklog/run v1.2.0
	github.com/panjf2000/ants/v2 v2.12.1
	github.com/sourcegraph/conc v0.3.0
	github.com/stretchr/testify v1.12.1
	github.com/thejerf/suture/v4 v4.0.6
	go.uber.org/fx v1.24.0
	go.uber.org/multierr v1.11.0
	golang.org/x/sync v0.24.0
)

require (
	go.uber.org/dig v1.19.0 // indirect
	go.uber.org/zap v1.26.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.0.0-20220412211240-33da011f77ad // indirect
)
