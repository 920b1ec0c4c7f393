package codec

import "fmt"

// FieldError says which field of which document does not fit, and why. Of Append it is a document that is refused before it is
// sent; of Decode it is a point in the collection that the type cannot hold.
type FieldError struct {
	ID     ID     // zero where NoID
	NoID   bool   // the id itself is what could not be read
	Field  string // as stored: "year", "address.city", "items[3].price"; "id" for the id
	Reason string // "99 dimensions instead of 100"
}

// Error is "document 7: year: string instead of integer".
func (e *FieldError) Error() string {
	if e.NoID {
		return fmt.Sprintf("document: %s: %s", e.Field, e.Reason)
	}
	return fmt.Sprintf("document %s: %s: %s", e.ID, e.Field, e.Reason)
}
