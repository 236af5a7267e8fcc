package remote

import "github.com/nats-io/nats-server/v2/server"

// EmbeddedWithStore is Embedded whose server stores no more than most bytes.
func EmbeddedWithStore(dir string, most int64) (*Engine, error) {
	return embedded(&server.Options{StoreDir: dir, JetStreamMaxStore: most})
}
