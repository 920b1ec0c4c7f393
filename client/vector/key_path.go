package vector

import "github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"

// checkKey says what is wrong with the path of a payload field.
func checkKey(key string) error { return codec.CheckPath(key) }

// quotedKey is a key as messages show it.
func quotedKey(key string) string {
	if key == "" {
		return "a field without a name"
	}
	return key
}
