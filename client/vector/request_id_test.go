package vector

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
)

func TestRequestID(t *testing.T) {
	bubble(t, three[:1], func(t *testing.T, n *network) {
		db := n.connect(t, Config{})
		p := n.all()[0]
		p.reset()
		ctx := WithRequestID(t.Context(), "order-7")
		assert.Equal(t, "order-7", RequestID(ctx))
		require.NoError(t, search(ctx, db))
		require.NoError(t, upsert(ctx, db, true))
		require.NoError(t, search(metadata.AppendToOutgoingContext(t.Context(), requestIDHeader, "own"), db))
		require.NoError(t, search(t.Context(), db))
		assert.Equal(t, []string{"[order-7]", "[order-7]", "[own]", "[]"}, p.headers(requestIDHeader))
	})
}

func TestErrorsNameTheRequest(t *testing.T) {
	bubble(t, three[:1], func(t *testing.T, n *network) {
		db := n.connect(t, Config{})
		for want, ctx := range map[string]context.Context{
			"order-7": WithRequestID(t.Context(), "order-7"),
			"own":     metadata.AppendToOutgoingContext(t.Context(), requestIDHeader, "own"),
			"":        t.Context(),
		} {
			_, err := db.Raw().CollectionExists(ctx, "words")
			var call *Error
			require.ErrorAs(t, wrap("looking for collection words", err), &call)
			assert.Equal(t, want, call.RequestID)
			assert.Equal(t, want != "", strings.Contains(call.Error(), "(request "+want+")"), call.Error())
		}
	})
}

func TestRequestIDIsMadeToFitIntoAHeader(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"a b":                    "a b",
		"a\r\nx-evil: 1":         "ax-evil: 1",
		"größe":                  "gre",
		strings.Repeat("x", 300): strings.Repeat("x", 256),
		"":                       "",
	} {
		assert.Equal(t, want, RequestID(WithRequestID(t.Context(), id)))
	}
	assert.Empty(t, RequestID(t.Context()))
}
