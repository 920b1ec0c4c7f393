package codec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// fault is what is wrong with a value, and where in the document it is.
type fault struct {
	path   string
	reason string
}

func (f *fault) Error() string {
	if f.path == "" {
		return f.reason
	}
	return f.path + ": " + f.reason
}

func faultf(format string, args ...any) error { return &fault{reason: fmt.Sprintf(format, args...)} }

// under puts the name of the field around a fault.
func under(err error, name string) error {
	f := asFault(err)
	switch {
	case f.path == "":
		f.path = name
	case strings.HasPrefix(f.path, "["):
		f.path = name + f.path
	default:
		f.path = name + "." + f.path
	}
	return f
}

func underIndex(err error, i int) error { return under(err, "["+strconv.Itoa(i)+"]") }

// asFault takes an error that came from elsewhere, a TextMarshaler say, as the reason.
func asFault(err error) *fault {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{reason: err.Error()}
	}
	return f
}

// failed makes of a fault the error that callers see.
func failed(id ID, err error) error {
	f := asFault(err)
	return &FieldError{ID: id, Field: f.path, Reason: f.reason}
}
