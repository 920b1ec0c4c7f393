package codec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
)

// ID is a point's id: an unsigned number or a UUID. It is comparable, and its zero value is the number 0, which is a valid id.
type ID struct {
	uuid   uuid.UUID
	number uint64
	isUUID bool
}

// Num is the id with that number.
func Num(n uint64) ID { return ID{number: n} }

// UUID is the id with those 16 bytes; uuid.UUID converts to them as it is.
func UUID(u [16]byte) ID { return ID{uuid: u, isUUID: true} }

// NameID makes an id of any text: the UUIDv5 (RFC 9562 §5.5) of the text in the URL name space. The same text gives the same id
// everywhere, so a document whose own key is neither a number nor a UUID can be loaded again without becoming a second point.
func NameID(name string) ID { return UUID(uuid.NewSHA1(uuid.NameSpaceURL, []byte(name))) }

// ParseID reads a decimal number (0 to 2^64-1) or a UUID in its usual form of 36 characters, in either case of letters. Its error says
// what is wrong with the text: "empty", or that it is neither.
func ParseID(s string) (ID, error) {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return Num(n), nil
	}
	// uuid.Parse also takes braces, urn: and 32 digits in a row; the server takes the last two, but one spelling is enough.
	if len(s) == 36 {
		if u, err := uuid.Parse(s); err == nil {
			return UUID(u), nil
		}
	}
	if s == "" {
		return ID{}, errors.New("empty")
	}
	return ID{}, fmt.Errorf("%q is neither a number from 0 to 2^64-1 nor a UUID", shorten(s))
}

// IDFromProto is the id in the server's form. A nil or empty one is an error.
func IDFromProto(p *qdrant.PointId) (ID, error) {
	switch o := p.GetPointIdOptions().(type) {
	case *qdrant.PointId_Num:
		return Num(o.Num), nil
	case *qdrant.PointId_Uuid:
		u, err := uuid.Parse(o.Uuid)
		if err != nil {
			return ID{}, fmt.Errorf("%q is no UUID", shorten(o.Uuid))
		}
		return UUID(u), nil
	default:
		return ID{}, errors.New("missing")
	}
}

// Proto is the id in the server's form.
func (id ID) Proto() *qdrant.PointId {
	if id.isUUID {
		return &qdrant.PointId{PointIdOptions: &qdrant.PointId_Uuid{Uuid: id.uuid.String()}}
	}
	return &qdrant.PointId{PointIdOptions: &qdrant.PointId_Num{Num: id.number}}
}

// Number is the id's number, and whether it is one.
func (id ID) Number() (uint64, bool) { return id.number, !id.isUUID }

// UUID is the id's UUID, and whether it is one.
func (id ID) UUID() (uuid.UUID, bool) { return id.uuid, id.isUUID }

// String is the number in decimal, or the UUID in lower case with hyphens.
func (id ID) String() string {
	if id.isUUID {
		return id.uuid.String()
	}
	return strconv.FormatUint(id.number, 10)
}

// Compare orders ids as the server does when it scrolls: numbers first, by value, then UUIDs by their bytes.
func (id ID) Compare(other ID) int {
	switch {
	case id.isUUID != other.isUUID:
		if other.isUUID {
			return -1
		}
		return 1
	case id.isUUID:
		return bytes.Compare(id.uuid[:], other.uuid[:])
	default:
		return cmp.Compare(id.number, other.number)
	}
}

// MarshalJSON writes a number as a number and a UUID as a string, as Qdrant's REST API does.
func (id ID) MarshalJSON() ([]byte, error) {
	if id.isUUID {
		return json.Marshal(id.uuid.String())
	}
	return strconv.AppendUint(nil, id.number, 10), nil
}

// UnmarshalJSON reads a number, or a string that ParseID reads.
func (id *ID) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	parsed, err := ParseID(text)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// MarshalText is String, so that an ID can be a key of a JSON object.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// shorten keeps error messages readable where the text came from a file.
func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
