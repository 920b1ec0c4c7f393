package qdranttest

import (
	"math"

	"github.com/qdrant/go-client/qdrant"
)

// earthRadius is the mean radius in metres that the server's geometry library uses: (2a+b)/3 of WGS 84, as the IUGG has it.
const earthRadius = 6371008.8

type location struct{ lon, lat float64 }

func locationOf(p *qdrant.GeoPoint) location { return location{p.GetLon(), p.GetLat()} }

// locate reads {"lon": …, "lat": …} of a payload.
func locate(value any) (location, bool) {
	fields, _ := value.(object)
	lon, hasLon := number(fields["lon"])
	lat, hasLat := number(fields["lat"])
	return location{lon, lat}, hasLon && hasLat
}

// metres is the great-circle distance by the haversine formula.
func (a location) metres(b location) float64 {
	const degree = math.Pi / 180
	dLat, dLon := (b.lat-a.lat)*degree, (b.lon-a.lon)*degree
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a.lat*degree)*math.Cos(b.lat*degree)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * earthRadius * math.Asin(math.Sqrt(h))
}

// inBox says whether a place is inside of a box, and not on its border. A box may cross the antimeridian.
func (a location) inBox(topLeft, bottomRight location) bool {
	between := topLeft.lon < a.lon && a.lon < bottomRight.lon
	if topLeft.lon > bottomRight.lon {
		between = a.lon > topLeft.lon || a.lon < bottomRight.lon
	}
	return between && bottomRight.lat < a.lat && a.lat < topLeft.lat
}

// inRing says whether a place is inside of a closed line, by the number of edges to the east of it.
func (a location) inRing(ring []*qdrant.GeoPoint) bool {
	inside := false
	for i := range len(ring) - 1 {
		p, q := locationOf(ring[i]), locationOf(ring[i+1])
		if (p.lat > a.lat) != (q.lat > a.lat) && a.lon < (q.lon-p.lon)*(a.lat-p.lat)/(q.lat-p.lat)+p.lon {
			inside = !inside
		}
	}
	return inside
}

// inPolygon says whether a place is inside of a polygon and in none of its holes. Borders are not looked at closely.
func (a location) inPolygon(polygon *qdrant.GeoPolygon) bool {
	if !a.inRing(polygon.GetExterior().GetPoints()) {
		return false
	}
	for _, hole := range polygon.GetInteriors() {
		if a.inRing(hole.GetPoints()) {
			return false
		}
	}
	return true
}
