package up

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"
)

// screen is what a person sees of a run.
type screen struct {
	out   io.Writer
	began time.Time
}

func (s *screen) print(text string) { _, _ = io.WriteString(s.out, text) }

func (s *screen) title(text string) { s.print("\n" + text + "\n") }

func (s *screen) line(format string, values ...any) {
	s.print("  " + fmt.Sprintf(format, values...) + "\n")
}

// timed is a line with the seconds since the beginning.
func (s *screen) timed(format string, values ...any) {
	s.line("%4.0f s  %s", time.Since(s.began).Seconds(), fmt.Sprintf(format, values...))
}

// Pod is a line of the closing screen.
type Pod struct{ Name, Condition, Node, Zone string }

// closing is what the last screen says, in either world.
type closing struct {
	Settings Settings
	Pods     []Pod
	// What runs where.
	Kubernetes, Qdrant, Shepherd, Logs string
	// How to reach it; Forward is what has to run meanwhile, if anything.
	Forward, REST, GRPC string
	// What to try: Status shows peers and shards, Prove tests the release, Real is how to have real servers. Empty is what can't be done.
	Status, Prove, Real string
	// Tended says that shepherd moves shards, StandIn that there is no Qdrant.
	Tended, StandIn bool
	// Deletes is what make down does.
	Deletes string
}

//go:embed closing.txt
var closingText string

var closingTemplate = template.Must(template.New("closing").Parse(closingText))

// close prints the last screen.
func (s *screen) close(c closing) error {
	if err := closingTemplate.Execute(s.out, c); err != nil {
		return fmt.Errorf("writing the closing screen: %w", err)
	}
	return nil
}

// PodTable has a row for each pod.
func (c closing) PodTable() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, pod := range c.Pods {
		_, _ = fmt.Fprintf(table, "    %s\t%s\t%s\t%s\n", pod.Name, pod.Condition, pod.Node, pod.Zone)
	}
	_ = table.Flush() // into memory
	return text.String()
}

// Tries are commands worth a try, and what they show.
func (c closing) Tries() string {
	kubectl := "kubectl -n " + namespace
	var rows [][2]string
	try := func(command, shows string) {
		if command != "" {
			rows = append(rows, [2]string{command, shows})
		}
	}
	try(kubectl+" get pods -o wide", "the pods and their nodes")
	try(c.Status, "peers, shards, what is being done")
	if c.Tended {
		try(kubectl+" scale statefulset/"+statefulSet+" --replicas=4", "a fourth server gets its share of the shards")
		try(kubectl+" scale statefulset/"+statefulSet+" --replicas=3", "and gives it back before it goes")
		try(kubectl+" delete pod "+statefulSet+"-1", "a server stops when the others hold all, and comes back")
	}
	try(c.Prove, "prove the cluster")
	try(c.Real, "with real servers, after make down")
	try(c.Settings.command("up"), "upgrade the release after a change of the chart")
	try(c.Settings.command("down"), "delete "+c.Deletes)
	var text strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&text, "    %-68s %s\n", row[0], row[1])
	}
	return text.String()
}

// Export makes kubectl talk to the cluster; make up has built one in bin/.
func (c closing) Export() string {
	return fmt.Sprintf("export KUBECONFIG=%s PATH=%s/bin:$PATH", c.Settings.kubeconfig(), c.Settings.Root)
}

// Key reads the API key into the shell.
func (c closing) Key() string {
	return fmt.Sprintf(`export API_KEY=$(kubectl -n %s get secret %s -o go-template='{{index .data "%s" | base64decode}}')`, namespace, secret, secretKey)
}
