package vector

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// requestIDHeader is the first of the headers in which the server looks for the
// id that its audit log shows as tracing_id (lib/storage/src/audit.rs, 1.17 and
// later: x-request-id, x-tracing-id, traceparent; all but 256 bytes are cut off).
const requestIDHeader = "x-request-id"

type requestIDKey struct{}

// WithRequestID returns a context whose calls carry this id to the server, where
// the audit log shows it. Errors name it too. Of an id only printable ASCII is
// sent, and 256 bytes of it.
//
// A call without an id gets none. If it belongs to a trace (Config.TracerProvider), the audit log shows the
// traceparent, and errors the trace's id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, printable(id))
}

// RequestID returns the id that WithRequestID put into the context, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// identify adds the id of the call to what is sent.
//
// None is made where there is none: a value that is new with each call pushes the other headers out of HPACK's table, and
// a search would pay some 4 µs on this side alone.
func identify(ctx context.Context) context.Context {
	if id := RequestID(ctx); id != "" {
		return metadata.AppendToOutgoingContext(ctx, requestIDHeader, id)
	}
	return ctx
}

// identity is the id by which the audit log knows the call, for its error; "" if there is none.
func identity(ctx context.Context, traced bool) string {
	if id := RequestID(ctx); id != "" {
		return id
	}
	// Those who use the client underneath may have set the header themselves.
	if sent, _ := metadata.FromOutgoingContext(ctx); len(sent.Get(requestIDHeader)) > 0 {
		return sent.Get(requestIDHeader)[0]
	}
	if span := trace.SpanContextFromContext(ctx); traced && span.IsValid() {
		return span.TraceID().String()
	}
	return ""
}

// printable drops what a header cannot hold, and what the server would cut off.
func printable(id string) string {
	const limit = 256
	kept := make([]byte, 0, min(len(id), limit))
	for i := 0; i < len(id) && len(kept) < limit; i++ {
		if c := id[i]; c >= ' ' && c <= '~' {
			kept = append(kept, c)
		}
	}
	return string(kept)
}
