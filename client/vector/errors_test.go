package vector

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestWrapFindsTheSentinel(t *testing.T) {
	t.Parallel()
	sentinels := []error{
		ErrNotFound, ErrExists, ErrUnauthorized, ErrInvalid, ErrRateLimited, ErrUnavailable, ErrClosed,
		context.DeadlineExceeded, context.Canceled,
	}
	const replicas = "Service internal error: 1 of 1 read operations failed:\n  Service internal error: Tonic status error"
	for _, test := range []struct {
		err  error
		code codes.Code
		want []error
	}{
		{status.Error(codes.NotFound, "Not found: Collection `words` doesn't exist!"), codes.NotFound, []error{ErrNotFound}},
		{status.Error(codes.AlreadyExists, "x"), codes.AlreadyExists, []error{ErrExists}},
		{status.Error(codes.InvalidArgument, "Wrong input: `words` already exists!"), codes.InvalidArgument, []error{ErrExists, ErrInvalid}},
		{status.Error(codes.InvalidArgument, "Wrong input"), codes.InvalidArgument, []error{ErrInvalid}},
		{status.Error(codes.Unauthenticated, "x"), codes.Unauthenticated, []error{ErrUnauthorized}},
		{status.Error(codes.PermissionDenied, "x"), codes.PermissionDenied, []error{ErrUnauthorized}},
		{status.Error(codes.ResourceExhausted, "message larger than max"), codes.ResourceExhausted, []error{ErrInvalid}},
		{&qdrant.QdrantResourceExhaustedError{Reason: "x", RetryAfterS: 1}, codes.ResourceExhausted, []error{ErrRateLimited}},
		{status.Error(codes.Unavailable, "x"), codes.Unavailable, []error{ErrUnavailable}},
		{status.Error(codes.Internal, replicas), codes.Internal, []error{ErrUnavailable}},
		{status.Error(codes.Internal, "Service internal error: index out of bounds"), codes.Internal, nil},
		{status.Error(codes.DeadlineExceeded, "x"), codes.DeadlineExceeded, []error{context.DeadlineExceeded}},
		{context.DeadlineExceeded, codes.DeadlineExceeded, []error{context.DeadlineExceeded}},
		{context.Canceled, codes.Canceled, []error{context.Canceled}},
		{&callError{canceled: true, err: status.Error(codes.Canceled, "x")}, codes.Canceled, []error{context.Canceled}},
		{&callError{err: status.Error(codes.Canceled, "the server stops")}, codes.Canceled, []error{ErrUnavailable}},
		{errors.New("DeleteCollection() failed: words: failed to delete collection"), codes.NotFound, []error{ErrNotFound}},
		{fmt.Errorf("%w: %w", ErrClosed, status.Error(codes.Canceled, "x")), codes.Unknown, []error{ErrClosed}},
		{errors.New("x"), codes.Unknown, nil},
	} {
		err := wrap("doing a thing", fmt.Errorf("Do() failed: %w", test.err))
		for _, sentinel := range sentinels {
			assert.Equal(t, contains(test.want, sentinel), errors.Is(err, sentinel), "%v: is it %v?", err, sentinel)
		}
		assert.Equal(t, test.code, status.Code(err), "%v", err)
		assert.Regexp(t, "^doing a thing: ", err.Error())
	}
}

func contains(list []error, err error) bool {
	for _, item := range list {
		if item == err { //nolint:errorlint // the sentinels themselves are compared
			return true
		}
	}
	return false
}

func TestWrapKeepsWhatTells(t *testing.T) {
	t.Parallel()
	assert.NoError(t, wrap("doing", nil))

	cause := status.Error(codes.NotFound, "no collection words")
	err := wrap("searching collection words", fmt.Errorf("Query() failed: words: %w", &callError{requestID: "r-1", err: cause}))
	assert.EqualError(t, err, "searching collection words: no collection words (request r-1)")
	assert.ErrorIs(t, err, cause)
	assert.EqualError(t, wrap("opening collection words", fmt.Errorf("part: %w", err)), err.Error(), "the innermost act says most")

	err = wrap("writing", &qdrant.QdrantResourceExhaustedError{Reason: "too often", RetryAfterS: 3})
	var call *Error
	if assert.ErrorAs(t, err, &call) {
		assert.Equal(t, 3*time.Second, call.RetryAfter)
	}
	assert.EqualError(t, err, "writing: too often")
}

func TestDocumentErrorNamesPositionAndID(t *testing.T) {
	t.Parallel()
	id := Num(7)
	err := error(&DocumentError{Position: 812, ID: id, Field: "vector", Reason: "99 dimensions instead of 100"})
	assert.EqualError(t, err, "document 812 (id 7): vector: 99 dimensions instead of 100")
	assert.ErrorIs(t, err, ErrInvalid)
	assert.EqualError(t, &DocumentError{Position: -1, ID: id, Reason: "no vector"}, "document with id 7: no vector")
	assert.EqualError(t, &PartialError{Acknowledged: 3, Failed: []PointError{{id, context.Canceled}}},
		"3 documents are stored, 1 are not; the first, id 7: context canceled")
	assert.ErrorIs(t, &PartialError{Failed: []PointError{{id, context.Canceled}}}, context.Canceled)
	assert.EqualError(t, &DocumentError{Position: 812, NoID: true, Field: "id", Reason: "x"}, "document 812: id: x")
	assert.EqualError(t, &DocumentError{Position: -1, NoID: true, Field: "id", Reason: "x"}, "document: id: x")
	schema := error(&SchemaError{
		Collection: "words", Differences: []string{"vector text: 768 dimensions instead of 384", "field year: no index"},
	})
	assert.EqualError(t, schema, "collection words has another schema: vector text: 768 dimensions instead of 384; field year: no index")
	assert.ErrorIs(t, schema, ErrInvalid)
}
