package command

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

func TestReporterWritesLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &screen{}
		r := newReporter(out, false, "rows.fbin", 1000, func() int64 { return 21_000 })
		time.Sleep(4 * time.Second) // of the bubble's clock
		r.update(vector.LoadStats{Phase: vector.LoadUploading, Acknowledged: 6000})
		synctest.Wait()
		assert.Empty(t, out.String(), "nothing before its time")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, "rows.fbin: 6,000 of 21,000 rows, 1,000 rows/s, 15s left\n", out.String())
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Contains(t, out.String(), "rows.fbin: 6,000 of 21,000 rows, 500 rows/s, 30s left\n", "it stands still, and that can be seen")
		r.update(vector.LoadStats{Phase: vector.LoadApplying, Acknowledged: 21_000})
		time.Sleep(time.Minute)
		r.close(true)
		assert.Equal(t, "rows.fbin: 6,000 of 21,000 rows, 1,000 rows/s, 15s left\nrows.fbin: 6,000 of 21,000 rows, 500 rows/s, 30s left\n"+
			"all 21,000 rows are sent; waiting until searches find them\n", out.String())
	})
}

func TestReporterWithoutTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReporter(&screen{}, false, "rows.jsonl", 0, func() int64 { return 0 })
		defer r.close(false)
		assert.Equal(t, "rows.jsonl: 0 rows", r.line())
		time.Sleep(2 * time.Second)
		r.update(vector.LoadStats{Phase: vector.LoadUploading, Acknowledged: 10})
		assert.Equal(t, "rows.jsonl: 10 rows, 5 rows/s", r.line())
	})
}

func TestReporterDrawsABar(t *testing.T) {
	for name, finish := range map[string]func(*reporter){
		"done": func(r *reporter) {
			r.update(vector.LoadStats{Phase: vector.LoadApplying, Acknowledged: 200})
			r.close(true)
		},
		"stopped": func(r *reporter) { r.close(false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &screen{}
				total := int64(100) // an estimate
				r := newReporter(out, true, "rows.jsonl", 0, func() int64 { return total })
				for range 10 {
					time.Sleep(time.Second)
					total += 10
					r.update(vector.LoadStats{Phase: vector.LoadUploading, Acknowledged: r.stats.Acknowledged + 15})
				}
				assert.Contains(t, out.String(), "(135/200") // the bar is drawn at most once in 100 ms, here at the change of the total
				finish(r)
				written := out.String()
				if name == "done" {
					assert.Contains(t, written, "\nall 200 rows are sent; waiting until searches find them\n", "the bar has a line of its own")
				} else {
					assert.Equal(t, byte('\n'), written[len(written)-1])
				}
			})
		})
	}
}
