package vector

import (
	"fmt"
	"math"

	"github.com/qdrant/go-client/qdrant"
)

// GeoRadius is what lies within a number of metres around a place.
type GeoRadius struct {
	Center Geo
	Meters float64
}

// GeoBox is what lies between two meridians and two parallels. A box whose left side is east of its right one crosses the date line.
type GeoBox struct{ TopLeft, BottomRight Geo }

// GeoPolygon is what lies within a line around it and in none of the holes. A line has at least three places; it is closed by its first one
// if that is not the last one too.
type GeoPolygon struct {
	Exterior  []Geo
	Interiors [][]Geo
}

func (a GeoRadius) within(w FilterField) Filter {
	center, err := geoPoint(a.Center)
	if err != nil {
		return w.invalid("radius: %w", err)
	}
	radius := float32(a.Meters)
	if !(radius > 0) || math.IsInf(float64(radius), 0) {
		return w.invalid("radius: %v m is no distance", a.Meters)
	}
	return w.field(&filterLeaf{field: qdrant.FieldCondition{GeoRadius: &qdrant.GeoRadius{Center: center, Radius: radius}}})
}

func (a GeoBox) within(w FilterField) Filter {
	corners, err := geoPoints([]Geo{a.TopLeft, a.BottomRight})
	switch {
	case err != nil:
		return w.invalid("box: %w", err)
	case a.TopLeft.Lat < a.BottomRight.Lat:
		return w.invalid("box: the top is at latitude %v, below the bottom at %v", a.TopLeft.Lat, a.BottomRight.Lat)
	}
	box := &qdrant.GeoBoundingBox{TopLeft: corners[0], BottomRight: corners[1]}
	return w.field(&filterLeaf{field: qdrant.FieldCondition{GeoBoundingBox: box}})
}

func (a GeoPolygon) within(w FilterField) Filter {
	exterior, err := geoLine(a.Exterior)
	if err != nil {
		return w.invalid("polygon: %w", err)
	}
	polygon := &qdrant.GeoPolygon{Exterior: exterior}
	for i, hole := range a.Interiors {
		line, err := geoLine(hole)
		if err != nil {
			return w.invalid("polygon: hole %d: %w", i, err)
		}
		polygon.Interiors = append(polygon.Interiors, line)
	}
	return w.field(&filterLeaf{field: qdrant.FieldCondition{GeoPolygon: polygon}})
}

// geoLine is a closed line: the server asks for four points, of which the last is the first.
func geoLine(places []Geo) (*qdrant.GeoLineString, error) {
	points, err := geoPoints(places)
	if err != nil {
		return nil, err
	}
	if n := len(places); n > 0 && places[0] != places[n-1] {
		points = append(points, points[0])
	}
	if len(points) < 4 {
		return nil, fmt.Errorf("%d places are too few for a line around something", len(places))
	}
	return &qdrant.GeoLineString{Points: points}, nil
}

func geoPoints(places []Geo) ([]*qdrant.GeoPoint, error) {
	points := make([]*qdrant.GeoPoint, len(places), len(places)+1)
	for i, place := range places {
		var err error
		if points[i], err = geoPoint(place); err != nil {
			return nil, fmt.Errorf("place %d: %w", i, err)
		}
	}
	return points, nil
}

func geoPoint(place Geo) (*qdrant.GeoPoint, error) {
	if err := place.Validate(); err != nil {
		return nil, err
	}
	return &qdrant.GeoPoint{Lat: place.Lat, Lon: place.Lon}, nil
}
