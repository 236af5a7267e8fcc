package b

import . "golang.org/x/sync/errgroup" // want `golang.org/x/sync/errgroup is not replaced: a file that is not part of this build uses it`

func use() error { return new(Group).Wait() }
