package command

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// lineEvery is between two lines where no bar can be drawn.
const lineEvery = 5 * time.Second

// reporter shows how far a load is: a bar on a terminal, elsewhere a line now and then.
type reporter struct {
	out   io.Writer
	name  string
	skip  int
	total func() int64
	began time.Time
	bar   *progressbar.ProgressBar // nil: lines, or it has ended

	mu    sync.Mutex
	stats vector.LoadStats
	phase vector.LoadPhase

	stop    chan struct{}
	stopped sync.WaitGroup
}

func newReporter(out io.Writer, terminal bool, name string, skip int, total func() int64) *reporter {
	r := &reporter{out: out, name: name, skip: skip, total: total, began: time.Now(), phase: vector.LoadUploading, stop: make(chan struct{})}
	r.stats.Acknowledged = skip
	if terminal {
		r.bar = progressbar.NewOptions64(max(1, total()-int64(skip)),
			progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(name), progressbar.OptionSetItsString("rows"),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(),
			progressbar.OptionThrottle(100*time.Millisecond))
		return r
	}
	r.stopped.Go(r.lines)
	return r
}

func (r *reporter) lines() {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-tick.C:
			r.mu.Lock()
			uploading := r.phase == vector.LoadUploading
			line := r.line()
			r.mu.Unlock()
			if uploading {
				_, _ = fmt.Fprintln(r.out, line)
			}
		}
	}
}

// line is such as "words.fbin: 412,000 of 1,000,000 rows, 81,300 rows/s, 7s left".
func (r *reporter) line() string {
	at, total := int64(r.stats.Acknowledged), r.total()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", r.name, count(at))
	if total > 0 {
		fmt.Fprintf(&b, " of %s", count(total))
	}
	b.WriteString(" rows")
	if rate := float64(at-int64(r.skip)) / time.Since(r.began).Seconds(); rate > 0 {
		fmt.Fprintf(&b, ", %s rows/s", count(int64(rate)))
		if left := float64(total-at) / rate; total > 0 && left >= 0 {
			fmt.Fprintf(&b, ", %s left", time.Duration(left*float64(time.Second)).Round(time.Second))
		}
	}
	return b.String()
}

// update takes the latest figures.
func (r *reporter) update(stats vector.LoadStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats = stats
	if r.bar != nil && r.phase == vector.LoadUploading {
		done := int64(stats.Acknowledged - r.skip)
		// The total of a file of lines is estimated, and changes.
		if total := max(r.total()-int64(r.skip), done, 1); total != r.bar.GetMax64() {
			r.bar.ChangeMax64(total)
		}
		_ = r.bar.Set64(done)
	}
	if stats.Phase == r.phase {
		return
	}
	r.phase = stats.Phase
	if r.phase == vector.LoadApplying {
		r.endBar(true)
		_, _ = fmt.Fprintf(r.out, "all %s rows are sent; waiting until searches find them\n", count(int64(stats.Acknowledged)))
	}
}

// endBar leaves the bar's line.
func (r *reporter) endBar(whole bool) {
	if r.bar == nil {
		return
	}
	if whole {
		_ = r.bar.Finish()
	} else {
		_ = r.bar.Exit()
	}
	r.bar = nil
	_, _ = fmt.Fprintln(r.out)
}

// close ends the reporting.
func (r *reporter) close(whole bool) {
	close(r.stop)
	r.stopped.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endBar(whole)
}

// count is a number with commas between its thousands.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
