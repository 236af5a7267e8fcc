package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// A panel is one workload in a plot of bars.
type panel struct{ workload, title string }

// overview is one panel for each package, for the first page.
var overview = []panel{panels[0], panels[2], panels[4], panels[8]}

var panels = []panel{
	{"group/fanout/tasks=1000/body=0", "Start 1000 empty tasks and wait"},
	{"group/fanout/tasks=1000/body=1us", "Start 1000 tasks of 1 µs and wait"},
	{"errgroup/limit/tasks=100000/body=0", "Error group with a limit, empty tasks"},
	{"errgroup/collect/tasks=1000", "Collect 1000 errors"},
	{"pool/go/producers=1/body=0", "Pool, 1 producer, empty tasks"},
	{"pool/go/producers=8/body=0", "Pool, 8 producers, empty tasks"},
	{"pool/go/producers=1/body=1us", "Pool, 1 producer, tasks of 1 µs"},
	{"loop/for/n=1000000/body=trivial", "Loop over a million trivial items"},
	{"loop/map/n=100000/body=0", "Ordered results of trivial items"},
	{"loop/map/n=10000/body=1us", "Ordered results of items of 1 µs"},
}

// A chart has a line for each peer: how the cost of a task grows with x.
type chart struct {
	file, title, xLabel string
	points              func(res *results) []point
	peers               []string
	log                 bool
}

// A point is the case at x.
type point struct {
	x float64
	c *workloadCase
}

const (
	fanOutPrefix = "group/fanout/tasks="
	psWorkload   = "pool/go/producers=1/body=1us"
)

var charts = []chart{
	{
		file: "tasks", title: "Start empty tasks and wait", xLabel: "tasks started and waited for", log: true,
		peers: []string{"sync", "x-sync", "conc", "go", "coterie", "coterie-reused"},
		points: func(res *results) []point {
			var points []point
			for _, tasks := range []int{1, 10, 100, 1000, 10_000, 100_000} {
				if c := res.find(fmt.Sprint(fanOutPrefix, tasks, "/body=0"), res.mostPs()); c != nil {
					points = append(points, point{float64(tasks), c})
				}
			}
			return points
		},
	},
	{
		file: "ps", title: "Pool, 1 producer, tasks of 1 µs", xLabel: "processors",
		peers: []string{"ants", "workerpool", "gopool", "pond", "channel", "coterie", benchmarks.Limit},
		points: func(res *results) []point {
			var points []point
			for _, c := range res.cases {
				if c.name == psWorkload {
					points = append(points, point{float64(c.ps), c})
				}
			}
			slices.SortFunc(points, func(a, b point) int { return int(a.x - b.x) })
			return points
		},
	},
}

// plotted reports whether a plot shows the workload on p processors of all.
func plotted(workload string, p, all int) bool {
	if workload == psWorkload {
		return true
	}
	inPanel := slices.ContainsFunc(panels, func(pn panel) bool { return pn.workload == workload })
	inChart := strings.HasPrefix(workload, fanOutPrefix) && strings.HasSuffix(workload, "/body=0")
	return p == all && (inPanel || inChart)
}

// A theme is how a plot looks on a light or a dark page.
type theme struct {
	name                     string
	ink, faint, ours, others rgb
	lines                    []rgb
}

var themes = []theme{
	{
		"light", rgb{0x1f, 0x23, 0x28}, rgb{0x8c, 0x95, 0x9f}, rgb{0x09, 0x69, 0xda}, rgb{0xaf, 0xb8, 0xc1},
		[]rgb{{0xcf, 0x22, 0x2e}, {0x95, 0x38, 0x00}, {0x82, 0x50, 0xdf}, {0x57, 0x60, 0x6a}, {0x11, 0x63, 0x29}},
	},
	{
		"dark", rgb{0xe6, 0xed, 0xf3}, rgb{0x7d, 0x85, 0x90}, rgb{0x58, 0xa6, 0xff}, rgb{0x48, 0x4f, 0x58},
		[]rgb{{0xff, 0x7b, 0x72}, {0xf0, 0x88, 0x3e}, {0xbc, 0x8c, 0xff}, {0xb1, 0xba, 0xc4}, {0x56, 0xd3, 0x64}},
	},
}

type rgb struct{ r, g, b uint8 }

func (c rgb) RGBA() (r, g, b, a uint32) {
	return uint32(c.r) * 0x101, uint32(c.g) * 0x101, uint32(c.b) * 0x101, 0xffff
}

// writePlots writes those for which there are results, and returns how many.
func writePlots(res *results, dir string) (int, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	written := 0
	for _, th := range themes {
		plots := map[string]*vgsvg.Canvas{}
		for name, shown := range map[string][]panel{"overview": overview, "bars": panels} {
			if canvas := drawPanels(res, shown, th); canvas != nil {
				plots[name] = canvas
			}
		}
		for _, ch := range charts {
			if canvas := drawChart(res, ch, th); canvas != nil {
				plots[ch.file] = canvas
			}
		}
		for name, canvas := range plots {
			var svg bytes.Buffer
			if _, err := canvas.WriteTo(&svg); err != nil {
				return written, err
			}
			// The page is to use a font that the reader has.
			text := strings.ReplaceAll(svg.String(), "font-family:Liberation Sans", "font-family:Arial,Helvetica,Liberation Sans,sans-serif")
			if err := os.WriteFile(filepath.Join(dir, name+"-"+th.name+".svg"), []byte(text), 0o666); err != nil {
				return written, err
			}
			written++
		}
	}
	return written, nil
}

const width = 620 * vg.Length(1) // points: 827 pixels, as wide as a README

// drawPanels draws those for which there are results, two beside each other, with
// bars of one thickness in all of them.
func drawPanels(res *results, panels []panel, th theme) *vgsvg.Canvas {
	var cases []*workloadCase
	var titles []string
	for _, pn := range panels {
		if c := res.find(pn.workload, res.mostPs()); c != nil && len(c.barPeers()) > 1 {
			cases, titles = append(cases, c), append(titles, pn.title)
		}
	}
	if len(cases) == 0 {
		return nil
	}
	const head, bar, gap = 22, 14, 12
	var rows []int // bars of the line of panels
	height := vg.Length(0)
	for i := 0; i < len(cases); i += 2 {
		most := len(cases[i].barPeers())
		if i+1 < len(cases) {
			most = max(most, len(cases[i+1].barPeers()))
		}
		rows = append(rows, most)
		height += head + gap + bar*vg.Length(most)
	}
	canvas := vgsvg.New(width, height)
	top := height
	for i, c := range cases {
		left := vg.Length(i%2) * width / 2
		tall := head + bar*vg.Length(rows[i/2])
		area := draw.New(canvas)
		area.Min = vg.Point{X: left + 8, Y: top - tall}
		area.Max = vg.Point{X: left + width/2 - 4, Y: top - 2}
		th.bars(c, titles[i], rows[i/2]).Draw(area)
		if i%2 == 1 {
			top -= tall + gap
		}
	}
	return canvas
}

// barPeers returns the peers that have a bar, the fastest first.
func (c *workloadCase) barPeers() []string {
	return slices.DeleteFunc(c.byTime(), func(peer string) bool { return peer == benchmarks.Limit })
}

// bars draws a horizontal bar for each peer, the fastest on top, with the
// physical limit as a line across them. There is room for rows bars.
func (th theme) bars(c *workloadCase, title string, rows int) *plot.Plot {
	p := th.plot(title + ", ns each")
	p.HideX()
	p.Y.Tick.Length = 0
	p.Y.LineStyle.Width = 0
	peers := c.barPeers()
	slices.Reverse(peers)
	most := 0.0
	var ticks plot.ConstantTicks
	labels := plotter.XYLabels{}
	for i, peer := range peers {
		s, _ := c.median(peer, benchmarks.Time)
		most = max(most, s.Center)
		bar, err := plotter.NewBarChart(plotter.Values{s.Center}, 10)
		if err != nil {
			panic(err) // the value is not a number: readResults would have failed
		}
		bar.Horizontal, bar.XMin, bar.LineStyle.Width = true, float64(i), 0
		bar.Color = th.others
		if isOurs(peer) {
			bar.Color = th.ours
		}
		p.Add(bar)
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: display(peer)})
		labels.XYs = append(labels.XYs, plotter.XY{X: s.Center, Y: float64(i)})
		labels.Labels = append(labels.Labels, figure(s.Center))
	}
	values, _ := plotter.NewLabels(labels)
	for i := range values.TextStyle {
		values.TextStyle[i] = th.text(9)
		values.TextStyle[i].YAlign = text.YCenter
	}
	values.Offset = vg.Point{X: 3}
	p.Add(values)
	if s, ok := c.median(benchmarks.Limit, benchmarks.Time); ok {
		top := float64(len(peers)) - 0.5
		line, _ := plotter.NewLine(plotter.XYs{{X: s.Center, Y: -0.5}, {X: s.Center, Y: top}})
		line.Color, line.Width, line.Dashes = th.ink, 1, []vg.Length{3, 2}
		p.Add(line)
	}
	p.Y.Tick.Marker = ticks
	p.X.Min, p.X.Max = 0, most*1.15
	p.Y.Max = float64(len(peers)) - 0.5
	p.Y.Min = p.Y.Max - float64(rows)
	return p
}

// display returns the name of a peer for people.
func display(peer string) string {
	switch peer {
	case "go":
		return "go statement"
	case "sync":
		return "sync.WaitGroup"
	case "x-sync":
		return "x/sync"
	case "coterie-reused":
		return "coterie, reused"
	case "pond-queue":
		return "pond, bounded"
	case "counter":
		return "atomic counter"
	case "chunks":
		return "static chunks"
	case "slots":
		return "ring by hand"
	case "channel":
		return "chan by hand"
	}
	return peer
}

// figure writes a time with three digits.
func figure(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func drawChart(res *results, ch chart, th theme) *vgsvg.Canvas {
	points := ch.points(res)
	if len(points) < 2 {
		return nil
	}
	p := th.plot(ch.title + ": ns per task")
	p.X.Label.Text, p.X.Label.Padding = ch.xLabel, 4
	p.Legend.Top, p.Legend.TextStyle = true, th.text(10)
	p.Legend.ThumbnailWidth, p.Legend.Padding = 22, 2
	p.Add(grid(th))
	if ch.log {
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = powers{}, powers{}
	} else {
		var ticks plot.ConstantTicks
		for _, pt := range points {
			ticks = append(ticks, plot.Tick{Value: pt.x, Label: fmt.Sprint(pt.x)})
		}
		p.X.Tick.Marker = ticks
		p.Y.Min = 0
	}
	for i, peer := range ch.peers {
		var xys plotter.XYs
		for _, pt := range points {
			if s, ok := pt.c.median(peer, benchmarks.Time); ok {
				xys = append(xys, plotter.XY{X: pt.x, Y: s.Center})
			}
		}
		if len(xys) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(xys)
		if err != nil {
			panic(err) // not a number, as above
		}
		line.Width, dots.Radius, dots.Shape = 1.2, 2.2, draw.CircleGlyph{}
		line.Color = th.lines[i%len(th.lines)]
		switch {
		case peer == "coterie":
			line.Color, line.Width = th.ours, 2.4
		case isOurs(peer):
			line.Color, line.Width, line.Dashes = th.ours, 2.4, []vg.Length{6, 3}
		case peer == benchmarks.Limit:
			line.Color, line.Dashes = th.ink, []vg.Length{3, 2}
		}
		dots.Color = line.Color
		p.Add(line, dots)
		p.Legend.Add(display(peer), line, dots)
	}
	if ch.log {
		p.Y.Min = math.Pow(10, math.Floor(math.Log10(p.Y.Min)))
		p.Y.Max = math.Pow(10, math.Ceil(math.Log10(p.Y.Max)))
	}
	const height, legend = 270, 112
	p.Legend.XOffs = legend
	canvas := vgsvg.New(width, height)
	p.Draw(draw.Crop(draw.New(canvas), 6, -legend-6, 4, -4))
	return canvas
}

func (th theme) plot(title string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.Text, p.Title.TextStyle, p.Title.Padding = title, th.text(11), 6
	p.Title.TextStyle.Font.Weight = 2 // bold
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = text.XCenter, text.YTop
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Tick.Color = th.faint, th.faint
		axis.Label.TextStyle = axisText(axis.Label.TextStyle, th.text(10))
		axis.Tick.Label = axisText(axis.Tick.Label, th.text(9.5))
	}
	return p
}

// axisText is style with the alignment that the axis has given its own.
func axisText(own, style text.Style) text.Style {
	style.XAlign, style.YAlign, style.Rotation = own.XAlign, own.YAlign, own.Rotation
	return style
}

func (th theme) text(points vg.Length) text.Style {
	return text.Style{
		Color:   th.ink,
		Font:    font.From(plot.DefaultFont, points),
		Handler: plot.DefaultTextHandler,
	}
}

func grid(th theme) *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Vertical.Width = nil, 0
	g.Horizontal.Color, g.Horizontal.Width = th.others, 0.3
	return g
}

// powers marks the powers of ten.
type powers struct{}

func (powers) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		v := math.Pow(10, e)
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.0f", v)})
		for d := 2.0; d < 10; d++ {
			ticks = append(ticks, plot.Tick{Value: d * v})
		}
	}
	return ticks
}
