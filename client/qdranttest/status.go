package qdranttest

import (
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// invalidField is a value that the server refuses before anything else.
type invalidField struct{ field, text string }

func (e *invalidField) Error() string {
	return fmt.Sprintf("Validation error in body: [%s: %s]", e.field, e.text)
}

func invalid(field, format string, args ...any) error {
	return &invalidField{field, fmt.Sprintf(format, args...)}
}

// in says in which part of the request the invalid field is.
func in(part string, err error) error {
	var wrong *invalidField
	if errors.As(err, &wrong) {
		return &invalidField{part + "." + wrong.field, wrong.text}
	}
	return err
}

// grpcCodes are the codes that go with a REST status.
var grpcCodes = map[int]codes.Code{
	http.StatusBadRequest: codes.InvalidArgument, http.StatusNotFound: codes.NotFound, http.StatusConflict: codes.AlreadyExists,
	http.StatusInternalServerError: codes.Internal, http.StatusServiceUnavailable: codes.Unavailable,
}

// toStatus is a refusal as the gRPC API words it.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	var wrong *invalidField
	if errors.As(err, &wrong) {
		return status.Error(codes.InvalidArgument, wrong.Error())
	}
	var refused *refusal
	if errors.As(err, &refused) {
		if code, known := grpcCodes[refused.status]; known {
			return status.Error(code, refused.text)
		}
		return status.Error(codes.Unknown, refused.text)
	}
	return err
}
