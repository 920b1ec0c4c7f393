package vector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/retry"
)

// What errors.Is finds in the errors of this package, whichever call they come from.
var (
	// ErrNotFound: the collection, alias or snapshot does not exist. A point that does not exist is no error.
	ErrNotFound = errors.New("not found")
	// ErrExists: there is one of that name already.
	ErrExists = errors.New("exists already")
	// ErrUnauthorized: the API key is missing, wrong, or does not allow the call.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrInvalid: the server or this package refuses the request as it is; the same again will fail again.
	ErrInvalid = errors.New("invalid request")
	// ErrRateLimited: more calls than the collection's strict mode allows.
	ErrRateLimited = errors.New("rate limited")
	// ErrUnavailable: no peer could be reached, the one that was stopped meanwhile, or the shard has no replica that answers.
	ErrUnavailable = errors.New("unavailable")
	// ErrClosed: the DB was closed.
	ErrClosed = errors.New("the connection is closed")
)

// Error is a call that failed. errors.Is finds the sentinel that fits,
// and context.DeadlineExceeded or context.Canceled where time was up or the
// caller left; status.Code and errors.As work too.
type Error struct {
	// Act is what was tried, such as "searching collection words".
	Act string
	// Code is gRPC's.
	Code codes.Code
	// Message is the server's, or gRPC's where no server answered.
	Message string
	// Attempts is how often the call was made, at least 1.
	Attempts int
	// RetryAfter is how long to wait by the server's word; 0 where it gave none.
	RetryAfter time.Duration
	// RequestID is the id that the call carried, for the server's audit log; "" if none.
	RequestID string

	err error
}

func (e *Error) Error() string {
	var notes []string
	if e.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if e.RequestID != "" {
		notes = append(notes, "request "+e.RequestID)
	}
	if len(notes) == 0 {
		return fmt.Sprintf("%s: %s", e.Act, e.Message)
	}
	return fmt.Sprintf("%s: %s (%s)", e.Act, e.Message, strings.Join(notes, ", "))
}

// Unwrap returns the error of the last attempt.
func (e *Error) Unwrap() error { return e.err }

// GRPCStatus lets status.Code and status.FromError see the code.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Error()) }

// Is finds the sentinels by the code.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Code == codes.NotFound
	case ErrExists:
		// The server says bad request where it means this (lib/storage/src/content_manager/toc/create_collection.rs).
		return e.Code == codes.AlreadyExists || e.Code == codes.InvalidArgument && strings.Contains(e.Message, "already exists")
	case ErrUnauthorized:
		return e.Code == codes.Unauthenticated || e.Code == codes.PermissionDenied
	case ErrInvalid:
		// What is exhausted without a time to come back is the size of a message.
		return e.Code == codes.InvalidArgument || e.Code == codes.OutOfRange || e.Code == codes.ResourceExhausted && e.RetryAfter == 0
	case ErrRateLimited:
		return e.Code == codes.ResourceExhausted && e.RetryAfter > 0
	case ErrUnavailable:
		// A server that stops resets its streams, which is Canceled too, although the caller has not cancelled anything.
		return e.Code == codes.Unavailable || retry.Away(e.Code, e.Message) || e.Code == codes.Canceled && !errors.Is(e.err, context.Canceled)
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	default:
		return false
	}
}

// SchemaError is a collection that is not as the documents need it.
type SchemaError struct {
	Collection string
	// Differences has one sentence for each, such as "vector text: 768 dimensions instead of 384".
	Differences []string
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("collection %s has another schema: %s", e.Collection, strings.Join(e.Differences, "; "))
}

// Is makes a SchemaError an ErrInvalid.
func (e *SchemaError) Is(target error) bool { return target == ErrInvalid }

// DocumentError is a document that cannot be stored, or a point that does not fit into a document.
type DocumentError struct {
	// Position counts the documents of the call, or of the sequence, from 0; -1 where there is none.
	Position int
	// ID is the document's. It is the zero ID where NoID is true: the id itself could not be read.
	ID   ID
	NoID bool
	// Field is the field's name in the payload, or the vector's; "" where the document as a whole is meant.
	Field string
	// Reason says what is wrong, such as "99 dimensions instead of 100".
	Reason string
}

func (e *DocumentError) Error() string {
	where := "document"
	switch {
	case e.Position >= 0 && e.NoID:
		where = fmt.Sprintf("document %d", e.Position)
	case e.Position >= 0:
		where = fmt.Sprintf("document %d (id %s)", e.Position, e.ID)
	case !e.NoID:
		where = fmt.Sprintf("document with id %s", e.ID)
	}
	if e.Field != "" {
		where += ": " + e.Field
	}
	return where + ": " + e.Reason
}

// Is makes a DocumentError an ErrInvalid.
func (e *DocumentError) Is(target error) bool { return target == ErrInvalid }

// PointError is the error of one point.
type PointError struct {
	ID  ID
	Err error
}

// PartialError is a call of which a part is done.
type PartialError struct {
	// Acknowledged is how many of the call's documents the server has.
	Acknowledged int
	// Failed are the others.
	Failed []PointError
}

func (e *PartialError) Error() string {
	text := fmt.Sprintf("%d documents are stored, %d are not", e.Acknowledged, len(e.Failed))
	if len(e.Failed) > 0 {
		text += fmt.Sprintf("; the first, id %s: %v", e.Failed[0].ID, e.Failed[0].Err)
	}
	return text
}

// Unwrap returns the errors of the points, each of them once.
func (e *PartialError) Unwrap() []error {
	var errs []error
	for _, failed := range e.Failed {
		if len(errs) == 0 || !errors.Is(errs[len(errs)-1], failed.Err) { // points of one batch share one error
			errs = append(errs, failed.Err)
		}
	}
	return errs
}

// callError is the error of a call with what else is known of it.
type callError struct {
	requestID string // "" if none
	attempts  int
	canceled  bool // the caller's context is
	err       error
}

func (e *callError) Error() string {
	if e.requestID == "" {
		return e.err.Error()
	}
	return fmt.Sprintf("%v (request %s)", e.err, e.requestID)
}

func (e *callError) Unwrap() error { return e.err }

// Is finds context.Canceled, which no status says.
func (e *callError) Is(target error) bool { return target == context.Canceled && e.canceled }

// wrap makes an *Error of a call's error; nil stays nil, and so does an *Error, whose own act
// says more. act has a verb and an object: wrap("searching collection words", err).
func wrap(act string, err error) error {
	if err == nil {
		return nil
	}
	if done, ok := errors.AsType[*Error](err); ok {
		return done
	}
	if errors.Is(err, ErrClosed) {
		return fmt.Errorf("%s: %w", act, ErrClosed)
	}
	e := &Error{Act: act, Attempts: 1, err: err}
	if call, ok := errors.AsType[*callError](err); ok {
		e.Attempts, e.RequestID = call.attempts, call.requestID
	}
	// This has no status.
	if limited, ok := errors.AsType[*qdrant.QdrantResourceExhaustedError](err); ok {
		e.Code, e.Message, e.RetryAfter = codes.ResourceExhausted, limited.Reason, time.Duration(limited.RetryAfterS)*time.Second
		return e
	}
	e.Code, e.Message = describe(err)
	return e
}

// describe returns code and message of the status in an error, without what was put around it on the way.
func describe(err error) (codes.Code, string) {
	if s, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		return s.GRPCStatus().Code(), s.GRPCStatus().Message()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded, err.Error()
	case errors.Is(err, context.Canceled):
		return codes.Canceled, err.Error()
	case strings.Contains(err.Error(), deleteFailed):
		return codes.NotFound, "there is no such collection"
	default:
		return codes.Unknown, err.Error()
	}
}

// deleteFailed is how the client underneath words it (qdrant/collections.go) when the server says that there was nothing to delete.
const deleteFailed = "failed to delete collection"
