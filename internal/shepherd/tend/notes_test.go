package tend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
)

func TestPodsThatWaitAreToldOf(t *testing.T) {
	t.Parallel()
	const silent = "pod q-1 has not started, and its claim does not say why: see its events and the log of its init container, which may not reach the API server"
	for _, c := range []struct {
		verdict start.Verdict
		age     time.Duration
		want    string
	}{
		{start.WaitOldVolume, 0, "pod q-1 waits: so it is"},
		{start.WaitEmptied, 0, "pod q-1 waits: so it is"},
		{start.WaitUnreadable, 0, "pod q-1 waits: so it is"},
		{start.WaitPeers, slowStart - 1, ""},
		{start.WaitPeers, slowStart, "pod q-1 waits: so it is"},
		{start.WaitFirst, slowStart - 1, ""},
		{start.WaitFirst, slowStart, "pod q-1 waits: so it is"},
		{start.WaitKubernetes, slowStart, "pod q-1 waits: so it is"},
		{start.WaitLostVolume, slowStart, ""}, // its peer is told of
		{start.Start, slowStart - 1, ""},
		{start.Start, slowStart, silent},
		{"", slowStart, silent},
	} {
		t.Run(string(c.verdict)+" "+c.age.String(), func(t *testing.T) {
			t.Parallel()
			s := wellScene(3)
			s.f.Pods[1].Starting, s.f.Pods[1].Created = true, now.Add(-c.age)
			if c.verdict != "" {
				s.f.Claims[1].Verdict = start.Decision{Verdict: c.verdict, Why: "so it is"}.Annotation()
			}
			var texts []string
			for _, note := range waitingPods(s.f, now) {
				assert.True(t, note.Warning)
				assert.Equal(t, PodWaits, note.Reason)
				texts = append(texts, note.Text)
			}
			if c.want == "" {
				assert.Empty(t, texts)
				return
			}
			assert.Equal(t, []string{c.want}, texts)
		})
	}
}
