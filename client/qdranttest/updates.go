package qdranttest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var errEmpty = badRequest("Empty update request")

// update is a change of points that has been read and checked: all that is left is to carry it out.
type update func(*store) error

// fitted makes a point's vectors what the collection stores.
func fitted(fields map[string]vectorField, named map[string]vector) (map[string]vector, error) {
	result := make(map[string]vector, len(named))
	for name, v := range named {
		field, exists := fields[name]
		if !exists {
			return nil, wrongInput("Not existing vector name error: %s", name)
		}
		fit, err := field.fit(v)
		if err != nil {
			return nil, err
		}
		result[name] = fit
	}
	return result, nil
}

func upsert(fields map[string]vectorField, points []*qdrant.PointStruct, mode qdrant.UpdateMode, only *qdrant.Filter) (update, error) {
	read := make([]point, 0, len(points))
	for i, p := range points {
		if p.GetVectors() == nil {
			return nil, status.Error(codes.InvalidArgument, "Expected some vectors")
		}
		if p.GetId() == nil {
			return nil, status.Error(codes.InvalidArgument, "Empty ID is not allowed")
		}
		payload, err := payloadOf(p.GetPayload())
		if err != nil {
			return nil, err
		}
		id, err := parseID(p.GetId())
		if err != nil {
			return nil, err
		}
		vectors, err := vectorsOf(p.GetVectors())
		if err != nil {
			return nil, in(fmt.Sprintf("points[%d].vectors.vectors_options", i), err)
		}
		for name, v := range vectors {
			if v.dense != nil && len(v.dense) == 0 {
				part := ""
				if p.GetVectors().GetVectors() != nil {
					part = ".?"
				}
				return nil, wrongInput("points[%d].vector%s.vector: dense vector must not be empty", i, part)
			}
			if field, exists := fields[name]; exists {
				if err := field.checkDimension(v); err != nil {
					return nil, err
				}
			}
		}
		read = append(read, point{id: id, payload: payload, vectors: vectors})
	}
	if len(read) == 0 {
		return nil, errEmpty
	}
	return func(s *store) error {
		for i := range read {
			var err error
			if read[i].vectors, err = fitted(fields, read[i].vectors); err != nil {
				return err
			}
		}
		meets, err := s.condition("update_filter", only)
		if err != nil {
			return err
		}
		var wanted []point // decided before any is put, as one id may come twice
		for _, p := range read {
			old, exists := s.points[p.id]
			switch {
			case exists && (mode == qdrant.UpdateMode_InsertOnly || !meets(subject{payload: old.payload, point: old})):
			case !exists && mode == qdrant.UpdateMode_UpdateOnly:
			default:
				wanted = append(wanted, p)
			}
		}
		for _, p := range wanted {
			s.put(p)
		}
		return nil
	}, nil
}

// change makes a change of each of the points that are asked for; of ids that there are none of, the first is refused after the others
// have been changed.
func change(selector *qdrant.PointsSelector, to func(p point) point) (update, error) {
	if selector.GetPointsSelectorOneOf() == nil {
		return nil, wrongInput("Validation failed: No points or filter specified")
	}
	ids, err := selectedIDs(selector)
	if err != nil {
		return nil, err
	}
	return func(s *store) error {
		if filter, byFilter := selector.GetPointsSelectorOneOf().(*qdrant.PointsSelector_Filter); byFilter {
			matching, err := s.matching(filter.Filter)
			for _, p := range matching {
				s.put(to(*p))
			}
			return err
		}
		return s.each(ids, func(p point) { s.put(to(p)) })
	}, nil
}

// selectedIDs are those of a selector by ids, of which there must be one.
func selectedIDs(selector *qdrant.PointsSelector) ([]pointID, error) {
	if list, byIDs := selector.GetPointsSelectorOneOf().(*qdrant.PointsSelector_Points); byIDs && len(list.Points.GetIds()) == 0 {
		return nil, errEmpty
	}
	return parseIDs(selector.GetPoints().GetIds())
}

func (s *store) each(ids []pointID, do func(point)) error {
	var missing error
	for _, id := range ids {
		if p, exists := s.points[id]; exists {
			do(*p)
		} else if missing == nil {
			missing = notFound("No point with id %s found", id)
		}
	}
	return missing
}

func remove(selector *qdrant.PointsSelector) (update, error) {
	ids, err := selectedIDs(selector)
	if err != nil {
		return nil, err
	}
	if selector.GetPointsSelectorOneOf() == nil {
		return nil, status.Error(codes.InvalidArgument, "Malformed PointsSelector type")
	}
	return func(s *store) error {
		if filter, byFilter := selector.GetPointsSelectorOneOf().(*qdrant.PointsSelector_Filter); byFilter {
			matching, err := s.matching(filter.Filter)
			for _, p := range matching {
				s.drop(p.id)
			}
			return err
		}
		for _, id := range ids {
			s.drop(id)
		}
		return nil
	}, nil
}

func updateVectors(fields map[string]vectorField, points []*qdrant.PointVectors, only *qdrant.Filter) (update, error) {
	var ids []pointID
	vectors := map[pointID]map[string]vector{}
	for i, p := range points {
		if p.GetId() == nil {
			return nil, status.Error(codes.InvalidArgument, "id is expected")
		}
		if p.GetVectors() == nil {
			return nil, status.Error(codes.InvalidArgument, "vectors is expected")
		}
		id, err := parseID(p.GetId())
		if err != nil {
			return nil, err
		}
		named, err := vectorsOf(p.GetVectors())
		if err != nil {
			return nil, in(fmt.Sprintf("points[%d].vectors.vectors_options", i), err)
		}
		if vectors[id] == nil {
			ids, vectors[id] = append(ids, id), map[string]vector{}
		}
		maps.Copy(vectors[id], named)
	}
	return func(s *store) error {
		meets, err := s.condition("update_filter", only)
		if err != nil {
			return err
		}
		wanted := slices.DeleteFunc(slices.Clone(ids), func(id pointID) bool {
			p, exists := s.points[id]
			return exists && !meets(subject{payload: p.payload, point: p})
		})
		fit := map[pointID]map[string]vector{}
		for _, id := range wanted {
			if fit[id], err = fitted(fields, vectors[id]); err != nil {
				return err
			}
		}
		return s.each(wanted, func(p point) {
			p.vectors = maps.Clone(p.vectors)
			maps.Copy(p.vectors, fit[p.id])
			s.put(p)
		})
	}, nil
}

func deleteVectors(fields map[string]vectorField, selector *qdrant.PointsSelector, names []string) (update, error) {
	carryOut, err := change(selector, func(p point) point {
		p.vectors = maps.Clone(p.vectors)
		for _, name := range names {
			delete(p.vectors, name)
		}
		return p
	})
	return func(s *store) error {
		for _, name := range names {
			if _, exists := fields[name]; !exists {
				return wrongInput("Not existing vector name error: %s", name)
			}
		}
		return carryOut(s)
	}, err
}

func setPayload(selector *qdrant.PointsSelector, payload map[string]*qdrant.Value, key *string) (update, error) {
	fields, err := payloadOf(payload)
	if err != nil {
		return nil, err
	}
	var at keyPath
	if key != nil {
		if at, err = parsePath(*key); err != nil {
			return nil, err
		}
	}
	return change(selector, func(p point) point {
		p.payload, _ = at.merge(p.payload, fields).(object)
		return p
	})
}

func overwritePayload(selector *qdrant.PointsSelector, payload map[string]*qdrant.Value) (update, error) {
	fields, err := payloadOf(payload)
	if err != nil {
		return nil, err
	}
	return change(selector, func(p point) point {
		p.payload = fields
		return p
	})
}

func deletePayload(selector *qdrant.PointsSelector, keys []string) (update, error) {
	paths, err := parsePaths(keys)
	if err != nil {
		return nil, err
	}
	return change(selector, func(p point) point {
		for _, at := range paths {
			p.payload, _ = at.remove(p.payload).(object)
		}
		return p
	})
}

func clearPayload(selector *qdrant.PointsSelector) (update, error) {
	return change(selector, func(p point) point {
		p.payload = object{}
		return p
	})
}
