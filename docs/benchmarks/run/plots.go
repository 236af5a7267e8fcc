package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// A panel is one workload in a plot of bars.
type panel struct{ workload, title string }

// overview is for the first page: tasks that do nothing, some that do, and some
// that wait.
var overview = []panel{
	panels[0],
	panels[1],
	{"group/fanout/tasks=1000/body=10us", "Start 1000 tasks of 10 µs and wait"},
	{"group/fanout/tasks=1000/body=sleep1ms", "Start 1000 tasks that sleep 1 ms and wait"},
}

var panels = []panel{
	{"group/fanout/tasks=1000/body=0", "Start 1000 empty tasks and wait"},
	{"group/fanout/tasks=1000/body=1us", "Start 1000 tasks of 1 µs and wait"},
	{"errgroup/limit/tasks=100000/body=0", "Error group, limit, empty tasks"},
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
	inPanel := slices.ContainsFunc(slices.Concat(panels, overview), func(pn panel) bool { return pn.workload == workload })
	inChart := strings.HasPrefix(workload, fanOutPrefix) && strings.HasSuffix(workload, "/body=0")
	return p == all && (inPanel || inChart)
}

// A theme is how a plot looks on a light or a dark page.
type theme struct {
	name                     string
	ink, faint, ours, others string
	lines                    []string
}

var themes = []theme{
	{"light", "#1f2328", "#8c959f", "#0969da", "#afb8c1", []string{"#cf222e", "#953800", "#8250df", "#57606a", "#116329"}},
	{"dark", "#e6edf3", "#7d8590", "#58a6ff", "#484f58", []string{"#ff7b72", "#f0883e", "#bc8cff", "#b1bac4", "#56d364"}},
}

// writePlots writes those for which there are results, and returns how many.
func writePlots(res *results, dir string) (int, error) {
	written := 0
	for _, th := range themes {
		plots := map[string]*canvas{}
		for name, shown := range map[string][]panel{"overview": overview, "bars": panels} {
			plots[name] = drawPanels(res, shown, th)
		}
		for _, ch := range charts {
			plots[ch.file] = drawChart(res, ch, th)
		}
		for name, c := range plots {
			if c == nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name+"-"+th.name+".svg"), c.svg(), 0o666); err != nil {
				return written, err
			}
			written++
		}
	}
	return written, nil
}

// Lengths are pixels of a page as wide as a README. The columns of text are wide
// enough for any common font: each reader's is another.
const (
	width    = 827
	gutter   = 122 // names of peers
	figures  = 64  // the times behind the bars
	barStep  = 19
	titleRow = 24
	noteRow  = 16 // what the dashed line is
	axisRow  = 34
)

// drawPanels draws those for which there are results, two beside each other.
func drawPanels(res *results, panels []panel, th theme) *canvas {
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
	cv := newCanvas(th, strings.Join(titles, "; "))
	top := 0.0
	for i, c := range cases {
		th.bars(cv, c, titles[i], float64(i%2)*width/2, top)
		if i%2 == 1 || i == len(cases)-1 {
			most := len(c.barPeers())
			if i%2 == 1 {
				most = max(most, len(cases[i-1].barPeers()))
			}
			top += titleRow + noteRow + float64(most)*barStep + axisRow
		}
	}
	cv.height = top
	return cv
}

// barPeers returns the peers that have a bar, the fastest first.
func (c *workloadCase) barPeers() []string {
	return slices.DeleteFunc(c.byTime(), func(peer string) bool { return peer == benchmarks.Limit })
}

// bars draws a horizontal bar for each peer, the fastest on top, with the
// baseline as a line across them.
func (th theme) bars(cv *canvas, c *workloadCase, title string, left, top float64) {
	peers := c.barPeers()
	most := 0.0
	for _, peer := range peers {
		s, _ := c.median(peer, benchmarks.Time)
		most = max(most, s.Center)
	}
	zero, wide := left+gutter, float64(width)/2-gutter-figures
	at := func(v float64) float64 { return zero + v/most*wide }
	first := top + titleRow + noteRow
	bottom := first + float64(len(peers))*barStep

	cv.text(left+8, top+16, 13, "start", "bold", title)
	for _, v := range steps(most) {
		cv.line(at(v), bottom, at(v), bottom+4, th.faint, 1, "")
		cv.text(at(v), bottom+17, 11, "middle", "normal", figure(v))
	}
	cv.text(at(most)+figures-4, bottom+17, 11, "end", "normal", "ns each")
	baseline, hasBaseline := c.median(benchmarks.Limit, benchmarks.Time)
	for i, peer := range peers {
		s, _ := c.median(peer, benchmarks.Time)
		behind := at(s.Center)
		if line := at(baseline.Center); hasBaseline && behind < line && line < behind+45 {
			behind = line // or it would cross the figure
		}
		y := first + float64(i)*barStep
		color := th.others
		if isOurs(peer) {
			color = th.ours
		}
		cv.text(zero-7, y+13, 12, "end", "normal", display(peer))
		cv.rect(zero, y+3, at(s.Center)-zero, barStep-6, color)
		cv.text(behind+5, y+13, 11.5, "start", "normal", figure(s.Center))
	}
	cv.line(zero, first, zero, bottom+4, th.faint, 1, "")
	cv.line(zero, bottom, at(most), bottom, th.faint, 1, "")
	if hasBaseline {
		x, anchor := at(baseline.Center), "middle"
		if x < zero+40 { // half as wide as the text
			x, anchor = zero, "start"
		}
		cv.text(x, first-4, 11, anchor, "normal", "baseline "+figure(baseline.Center))
		cv.line(at(baseline.Center), first-1, at(baseline.Center), bottom, th.ink, 1.2, "4 3")
	}
}

// steps returns round numbers from 0 up to most, at most five.
func steps(most float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, f := range []float64{0.2, 0.25, 0.5, 1, 2} {
		if most/(step*f) < 5 {
			step *= f
			break
		}
	}
	var at []float64
	for v := 0.0; v <= most; v += step {
		at = append(at, v)
	}
	return at
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
	case benchmarks.Limit:
		return "baseline"
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

// drawChart draws a line for each peer over the points.
func drawChart(res *results, ch chart, th theme) *canvas {
	points := ch.points(res)
	if len(points) < 2 {
		return nil
	}
	const left, right, top, bottom, height = 70, 160, 36, 60, 350
	most, least := 0.0, math.Inf(1)
	for _, pt := range points {
		for _, peer := range ch.peers {
			if s, ok := pt.c.median(peer, benchmarks.Time); ok {
				most, least = max(most, s.Center), min(least, s.Center)
			}
		}
	}
	scale := func(v, from, to float64) float64 { return (v - from) / (to - from) }
	low, high, xs := 0.0, most*1.05, []float64{points[0].x, points[len(points)-1].x}
	if ch.log {
		low, high = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most)))
		scale = func(v, from, to float64) float64 { return math.Log(v/from) / math.Log(to/from) }
	}
	x := func(v float64) float64 { return left + scale(v, xs[0], xs[1])*(width-left-right) }
	y := func(v float64) float64 { return height - bottom - scale(v, low, high)*(height-top-bottom) }

	cv := newCanvas(th, ch.title)
	cv.height = height
	cv.text(8, 16, 13, "start", "bold", ch.title+", ns each")
	ticks := steps(high)
	if ch.log {
		ticks = nil
		for v := low; v <= high*1.001; v *= 10 {
			ticks = append(ticks, v)
		}
	}
	for _, v := range ticks {
		cv.line(left, y(v), width-right, y(v), th.faint, 0.5, "")
		cv.text(left-7, y(v)+4, 11, "end", "normal", figure(v))
	}
	for _, pt := range points {
		cv.line(x(pt.x), height-bottom, x(pt.x), height-bottom+5, th.faint, 1, "")
		cv.text(x(pt.x), height-bottom+20, 11, "middle", "normal", fmt.Sprint(int(pt.x)))
	}
	cv.line(left, height-bottom, width-right, height-bottom, th.faint, 1, "")
	cv.text(left+(width-left-right)/2, height-bottom+42, 12, "middle", "normal", ch.xLabel)

	row := 0
	for i, peer := range ch.peers {
		var xy [][2]float64
		for _, pt := range points {
			if s, ok := pt.c.median(peer, benchmarks.Time); ok {
				xy = append(xy, [2]float64{x(pt.x), y(s.Center)})
			}
		}
		if len(xy) == 0 {
			continue
		}
		color, thick, dash := th.style(peer, i)
		cv.path(xy, color, thick, dash)
		at := float64(top + 12 + 20*row)
		cv.path([][2]float64{{width - right + 14, at}, {width - right + 42, at}}, color, thick, dash)
		cv.text(width-right+48, at+4, 12, "start", "normal", display(peer))
		row++
	}
	return cv
}

// style is how the line of the i-th peer looks.
func (th theme) style(peer string, i int) (color string, thick float64, dash string) {
	switch {
	case peer == "coterie":
		return th.ours, 3, ""
	case isOurs(peer):
		return th.ours, 3, "8 4"
	case peer == benchmarks.Limit:
		return th.ink, 1.2, "4 3"
	}
	return th.lines[i%len(th.lines)], 1.6, ""
}
