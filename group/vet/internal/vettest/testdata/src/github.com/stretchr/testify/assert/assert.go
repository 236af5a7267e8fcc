package assert

type TestingT interface {
	Errorf(format string, args ...any)
}

func NoError(t TestingT, err error, args ...any) bool { return err == nil }
