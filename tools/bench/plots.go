package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// plotted is a picture before it is drawn.
type plotted struct {
	file, title string
	x, y        string
	lines       []line
	// logarithmic axes, for what doubles from one point to the next.
	logX, logY bool
	// legend is the corner that the curves leave free.
	legendTop, legendLeft bool
}

// line is a curve with its points.
type line struct {
	name   string
	points plotter.XYs
	labels []string // at the points, or none
	smooth bool     // without marks: there are too many points
}

// plots are the pictures of what was measured.
func (r *Report) plots() []plotted {
	var all []plotted
	recall := plotted{
		file: "recall-qps.svg", title: "Recall and searches a second", x: "recall@10", y: "searches a second, best of all numbers of clients",
		legendLeft: true,
	}
	for _, p := range r.Profiles {
		if curve := p.recallCurve(); len(curve.points) > 0 {
			recall.lines = append(recall.lines, curve)
		}
	}
	if len(recall.lines) > 0 {
		all = append(all, recall)
	}
	for _, p := range r.Profiles {
		if latency := p.latencyPlot(); len(latency.lines) > 0 {
			all = append(all, latency)
		}
		if ingest := p.ingestPlot(); len(ingest.lines) > 0 {
			all = append(all, ingest)
		}
	}
	return all
}

func (r *ProfileReport) recallCurve() line {
	curve := line{name: r.Profile.Name}
	for _, f := range r.Recall {
		if best, measured := r.peak(f.EF); measured {
			curve.points = append(curve.points, plotter.XY{X: f.Recall, Y: best.QPS.Median})
			curve.labels = append(curve.labels, fmt.Sprintf("ef %d", f.EF))
		}
	}
	return curve
}

func (r *ProfileReport) latencyPlot() plotted {
	picture := plotted{
		file: "latency-" + r.Profile.Name + ".svg", title: fmt.Sprintf("Latency in closed loops, profile %s, ef %d", r.Profile.Name, r.Profile.EF),
		x: "clients", y: "milliseconds", logX: true, logY: true, legendTop: true, legendLeft: true,
	}
	curves := []line{{name: "p50"}, {name: "p95"}, {name: "p99"}}
	for _, l := range r.Sweep {
		if l.EF != r.Profile.EF {
			continue
		}
		for i, y := range []float64{l.Latency.P50, l.Latency.P95, l.Latency.P99} {
			if y > 0 { // it has no logarithm otherwise
				curves[i].points = append(curves[i].points, plotter.XY{X: float64(l.Clients), Y: y})
			}
		}
	}
	if len(curves[0].points) > 1 { // an axis of one value has no length
		picture.lines = curves
	}
	return picture
}

func (r *ProfileReport) ingestPlot() plotted {
	picture := plotted{
		file: "ingest-" + r.Profile.Name + ".svg", title: "Ingest over time, profile " + r.Profile.Name, x: "seconds", y: "points",
	}
	if r.Ingest == nil || len(r.Ingest.Progress) < 2 {
		return picture
	}
	nothing := plotter.XYs{{}} // at the start
	acknowledged, indexed := line{name: "acknowledged", points: nothing, smooth: true}, line{name: "in the graph", points: nothing, smooth: true}
	for _, l := range r.Ingest.Progress {
		acknowledged.points = append(acknowledged.points, plotter.XY{X: l.Seconds, Y: float64(l.Points)})
		indexed.points = append(indexed.points, plotter.XY{X: l.Seconds, Y: float64(l.Indexed)})
	}
	picture.lines = []line{acknowledged, indexed}
	return picture
}

// The colours of the lines: distinct for people who see fewer of them, too (Okabe and Ito, 2008).
var palette = []color.Color{
	color.RGBA{R: 0, G: 114, B: 178, A: 255},
	color.RGBA{R: 213, G: 94, B: 0, A: 255},
	color.RGBA{R: 0, G: 158, B: 115, A: 255},
	color.RGBA{R: 204, G: 121, B: 167, A: 255},
}

const (
	plotWidth  = 18 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
)

// svg draws the picture.
func (p plotted) svg() ([]byte, error) {
	picture, err := p.draw()
	if err != nil {
		return nil, err
	}
	canvas := vgsvg.New(plotWidth, plotHeight)
	picture.Draw(draw.New(canvas))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (p plotted) draw() (*plot.Plot, error) {
	picture := plot.New()
	picture.Title.Text, picture.X.Label.Text, picture.Y.Label.Text = p.title, p.x, p.y
	picture.Title.Padding, picture.X.Label.Padding, picture.Y.Label.Padding = vg.Points(8), vg.Points(4), vg.Points(4)
	picture.Legend.Top, picture.Legend.Left = p.legendTop, p.legendLeft
	picture.Legend.Padding = vg.Points(3)
	picture.Legend.XOffs, picture.Legend.YOffs = vg.Points(-8), vg.Points(8)
	if p.legendLeft {
		picture.Legend.XOffs = vg.Points(8)
	}
	if p.logX {
		picture.X.Scale, picture.X.Tick.Marker = plot.LogScale{}, marks(p, func(at plotter.XY) float64 { return at.X })
	}
	if p.logY {
		picture.Y.Scale = plot.LogScale{}
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{Y: 225}, color.Gray{Y: 225}
	picture.Add(grid)
	for i, l := range p.lines {
		if err := l.add(picture, palette[i%len(palette)], i%2 == 0); err != nil {
			return nil, err
		}
	}
	p.roomFor(picture)
	for _, style := range []*draw.TextStyle{
		&picture.Title.TextStyle, &picture.X.Label.TextStyle, &picture.Y.Label.TextStyle, &picture.X.Tick.Label, &picture.Y.Tick.Label,
		&picture.Legend.TextStyle,
	} {
		style.Font.Variant = "Sans"
	}
	return picture, nil
}

// roomFor widens the axes, so that labels have a place beside the last point, and heights are seen from nothing.
func (p plotted) roomFor(picture *plot.Plot) {
	if !p.logX {
		picture.X.Max += 0.08 * (picture.X.Max - picture.X.Min)
	}
	if !p.logY {
		picture.Y.Min, picture.Y.Max = 0, 1.1*picture.Y.Max
		return
	}
	steps := oneTwoFive(picture.Y.Min, picture.Y.Max)
	picture.Y.Min, picture.Y.Max = steps[0].Value, steps[len(steps)-1].Value
	picture.Y.Tick.Marker = steps
}

// oneTwoFive are the marks of a logarithmic axis that holds all from lowest, which is above 0, to highest: …, 1, 2, 5, 10, 20, …
func oneTwoFive(lowest, highest float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for exponent := math.Floor(math.Log10(lowest)); ; exponent++ {
		for _, step := range []float64{1, 2, 5} {
			value := step * math.Pow(10, exponent)
			tick := plot.Tick{Value: value, Label: fmt.Sprintf("%g", value)}
			if value <= lowest {
				ticks = plot.ConstantTicks{tick}
				continue
			}
			ticks = append(ticks, tick)
			if value >= highest {
				return ticks
			}
		}
	}
}

// add draws the line. Its labels go above or below it, so that those of two neighbours keep apart.
func (l line) add(picture *plot.Plot, colour color.Color, above bool) error {
	curve, marks, err := plotter.NewLinePoints(l.points)
	if err != nil {
		return fmt.Errorf("plotting %s: %w", l.name, err)
	}
	curve.Color, curve.Width = colour, vg.Points(1.5)
	marks.Color, marks.Shape = colour, draw.CircleGlyph{}
	if l.smooth {
		picture.Add(curve)
		picture.Legend.Add(l.name, curve)
	} else {
		picture.Add(curve, marks)
		picture.Legend.Add(l.name, curve, marks)
	}
	if len(l.labels) == 0 {
		return nil
	}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: l.points, Labels: l.labels})
	if err != nil {
		return fmt.Errorf("plotting %s: %w", l.name, err)
	}
	labels.Offset = vg.Point{X: vg.Points(5), Y: vg.Points(5)}
	if !above {
		labels.Offset = vg.Point{X: vg.Points(-30), Y: vg.Points(-14)}
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font.Variant, labels.TextStyle[i].Color = "Sans", colour
	}
	picture.Add(labels)
	return nil
}

// marks puts a number at each place that was measured, and nowhere else.
func marks(p plotted, of func(plotter.XY) float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	seen := map[float64]bool{}
	for _, l := range p.lines {
		for _, at := range l.points {
			if value := of(at); !seen[value] {
				seen[value] = true
				ticks = append(ticks, plot.Tick{Value: value, Label: fmt.Sprintf("%g", value)})
			}
		}
	}
	return ticks
}
