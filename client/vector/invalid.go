package vector

import "fmt"

// invalidError is a request that is refused before it is sent.
type invalidError struct{ err error }

func invalidf(format string, args ...any) error { return &invalidError{fmt.Errorf(format, args...)} }

func (e *invalidError) Error() string { return e.err.Error() }

func (e *invalidError) Unwrap() error { return e.err }

// Is makes it an ErrInvalid.
func (e *invalidError) Is(target error) bool { return target == ErrInvalid }
