package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// A canvas is a drawing that grows. Lengths are pixels.
type canvas struct {
	th     theme
	title  string // for readers who do not see it
	height float64
	body   bytes.Buffer
}

func newCanvas(th theme, title string) *canvas { return &canvas{th: th, title: title} }

func (c *canvas) svg() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %[1]d %.0[2]f\" font-family=\"Arial, Helvetica, 'Liberation Sans', sans-serif\">\n",
		width, c.height)
	fmt.Fprintf(&out, "<title>%s</title>\n", escaped(c.title))
	out.Write(c.body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// text writes s with its base at y. The anchor is start, middle or end.
func (c *canvas) text(x, y, size float64, anchor, weight, s string) {
	fmt.Fprintf(&c.body, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" text-anchor=\"%s\" font-weight=\"%s\" fill=\"%s\">%s</text>\n",
		x, y, size, anchor, weight, c.th.ink, escaped(s))
}

func (c *canvas) rect(x, y, w, h float64, color string) {
	fmt.Fprintf(&c.body, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y, max(w, 0.5), h, color)
}

// line draws one from a point to another; dash is "" for a whole one.
func (c *canvas) line(x1, y1, x2, y2 float64, color string, thick float64, dash string) {
	fmt.Fprintf(&c.body, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%g\" stroke-dasharray=\"%s\"/>\n",
		x1, y1, x2, y2, color, thick, orNone(dash))
}

// path draws a line through the points, and a dot at each.
func (c *canvas) path(points [][2]float64, color string, thick float64, dash string) {
	fmt.Fprintf(&c.body, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%g\" stroke-dasharray=\"%s\" points=\"", color, thick, orNone(dash))
	for _, p := range points {
		fmt.Fprintf(&c.body, "%.1f,%.1f ", p[0], p[1])
	}
	c.body.WriteString("\"/>\n")
	for _, p := range points {
		fmt.Fprintf(&c.body, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", p[0], p[1], color)
	}
}

func orNone(dash string) string {
	if dash == "" {
		return "none"
	}
	return dash
}

func escaped(s string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(s)) // a Buffer does not fail
	return out.String()
}
