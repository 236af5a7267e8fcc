package guide_test

import (
	"fmt"
	"testing"
	"testing/synctest"
)

func startLog(lines <-chan string) {
	// snippet: a go statement that the rule exempts
	//coterie:go ends when the caller closes lines
	go printAll(lines)
	// end snippet
}

func printAll(lines <-chan string) {
	for line := range lines {
		fmt.Println(line)
	}
}

func TestExemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		startLog(lines)
		close(lines)
	})
}
