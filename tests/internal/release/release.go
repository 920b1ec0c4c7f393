// Package release drives Helm for the end-to-end tests: the helm command, through terratest, against the suite's own
// cluster. Tests see Release and Values only. HELM names another command than helm: helm4, or an
// absolute path.
//
// Nothing waits for pods inside helm (no --wait): what "ready" means is the tests' own to say, see Release.WaitReady.
// terratest would log every command with its output; values may hold secrets, so it is told to log nothing, and each
// command is logged here in one line.
package release

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	terratest "github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/gruntwork-io/terratest/modules/shell"
	corev1 "k8s.io/api/core/v1"

	"github.com/qdrant-shepherd/shepherd/internal/repository"
	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// Chart is the path of the project's chart, from the root of the repository.
const Chart = "charts/qdrant"

// The commands that `make tools` builds, by the major version of Helm.
const (
	Helm3 = "helm"
	Helm4 = "helm4"
)

// Variable is the environment variable that names the command of releases, on PATH or by its path.
const Variable = "HELM"

// Command is the command that a release uses unless Using says otherwise.
func Command() string { return cmp.Or(os.Getenv(Variable), Helm3) }

// Values is what a release is installed or upgraded with: files first, then documents, each over those before it.
type Values struct {
	Files []string // paths from the root of the repository, or absolute
	YAML  []string // documents as a user would write them
	Args  []string // further arguments of helm install or helm upgrade: --version, --plain-http, --dry-run=server
}

// Release is a name in a namespace of a cluster, installed or not.
type Release struct {
	Name      string
	Namespace string

	cluster *cluster.Cluster
	command string
	home    string // helm's own files, so that nothing of the person's is read or written
}

// Require puts the repository's bin/ first on PATH and says what to do when one of the commands is missing; without any it is Command.
func Require(commands ...string) error {
	root, err := repository.Root()
	if err != nil {
		return err
	}
	bin := filepath.Join(root, "bin")
	if path := os.Getenv("PATH"); !strings.HasPrefix(path, bin+string(filepath.ListSeparator)) {
		// Whichever command is found on PATH is run; the pinned one must be it.
		if err := os.Setenv("PATH", bin+string(filepath.ListSeparator)+path); err != nil {
			return fmt.Errorf("putting %s on PATH: %w", bin, err)
		}
	}
	if len(commands) == 0 {
		commands = []string{Command()}
	}
	for _, command := range commands {
		if _, err := exec.LookPath(command); err != nil {
			return fmt.Errorf("%s is neither in bin/ nor on PATH; run: make tools", command)
		}
	}
	return nil
}

// New names a release; Install makes it.
func New(t testing.TB, c *cluster.Cluster, namespace, name string) *Release {
	t.Helper()
	if err := Require(); err != nil {
		t.Fatal(err)
	}
	return &Release{Name: name, Namespace: namespace, cluster: c, command: Command(), home: t.TempDir()}
}

// Using is the same release in the hands of another helm command.
func (r *Release) Using(t testing.TB, command string) *Release {
	t.Helper()
	if err := Require(command); err != nil {
		t.Fatal(err)
	}
	other := *r
	other.command = command
	return &other
}

// Install is New and Release.Install in one.
func Install(t testing.TB, c *cluster.Cluster, namespace, name, chart string, values Values) *Release {
	t.Helper()
	r := New(t, c, namespace, name)
	r.Install(t, chart, values)
	return r
}

// Fullname is the name of the release's objects, as the chart builds it.
func (r *Release) Fullname() string {
	if strings.Contains(r.Name, "qdrant") {
		return r.Name
	}
	return r.Name + "-qdrant"
}

// Selector is the label selector of the release's Qdrant pods.
func (r *Release) Selector() string { return k8s.Selector(r.Name) }

// Install installs the chart (a path from the root of the repository, an archive, or oci://…) and fails the test if that fails.
func (r *Release) Install(t testing.TB, chart string, values Values) {
	t.Helper()
	if err := r.InstallE(t, chart, values); err != nil {
		t.Fatal(err)
	}
}

// InstallE is Install with the error, helm's own message in it, for installs that must be refused.
func (r *Release) InstallE(t testing.TB, chart string, values Values) error {
	t.Helper()
	args, err := r.arguments(t, values)
	if err != nil {
		return err
	}
	_, err = r.run(t, "install "+chart, "install", append(args, "--timeout", timeouts.Helm.String(), r.Name, fromRoot(chart))...)
	return err
}

// Upgrade upgrades the release and fails the test if that fails. It never installs: a release that is not there is an error.
func (r *Release) Upgrade(t testing.TB, chart string, values Values) {
	t.Helper()
	if err := r.UpgradeE(t, chart, values); err != nil {
		t.Fatal(err)
	}
}

// UpgradeE is Upgrade with the error.
func (r *Release) UpgradeE(t testing.TB, chart string, values Values) error {
	t.Helper()
	args, err := r.arguments(t, values)
	if err != nil {
		return err
	}
	// Not helm.UpgradeContextE: it adds --install, and a test that lost its release would go on with a new one.
	_, err = r.run(t, "upgrade "+chart, "upgrade", append(args, "--timeout", timeouts.Helm.String(), r.Name, fromRoot(chart))...)
	return err
}

// Rollback goes back to a revision and fails the test if that fails; 0 is the one before the last.
func (r *Release) Rollback(t testing.TB, revision int, args ...string) {
	t.Helper()
	if err := r.RollbackE(t, revision, args...); err != nil {
		t.Fatal(err)
	}
}

// RollbackE is Rollback with the error.
func (r *Release) RollbackE(t testing.TB, revision int, args ...string) error {
	t.Helper()
	args = append(args, "--timeout", timeouts.Helm.String(), r.Name, strconv.Itoa(revision))
	_, err := r.run(t, fmt.Sprintf("rollback to %d", revision), "rollback", args...)
	return err
}

// Uninstall removes the release; its volumes stay.
func (r *Release) Uninstall(t testing.TB) {
	t.Helper()
	if _, err := r.run(t, "uninstall", "uninstall", "--timeout", timeouts.Helm.String(), r.Name); err != nil {
		t.Fatal(err)
	}
}

// Test runs the chart's own tests (helm test) and returns what helm and the test pods printed.
func (r *Release) Test(t testing.TB) string {
	t.Helper()
	out, err := r.TestE(t)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestE is Test with the error, for test pods that must fail.
func (r *Release) TestE(t testing.TB) (string, error) {
	t.Helper()
	out, err := r.run(t, "test", "test", "--logs", "--timeout", timeouts.HelmTest.String(), r.Name)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return out, err
}

// Notes is the text that helm install ended with.
func (r *Release) Notes(t testing.TB) string { t.Helper(); return r.get(t, "notes") }

func (r *Release) get(t testing.TB, what string) string {
	t.Helper()
	out, err := r.run(t, "get "+what, "get", what, r.Name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Helm runs any other helm command against the cluster: "package", "push", "history".
func (r *Release) Helm(t testing.TB, command string, args ...string) (string, error) {
	t.Helper()
	return r.run(t, command, command, args...)
}

// WaitReady waits until the release's StatefulSet has rolled out to the number of replicas that the test asks for.
func (r *Release) WaitReady(t testing.TB, replicas int32) {
	t.Helper()
	begin := time.Now()
	if err := r.cluster.WaitRollout(t.Context(), r.Namespace, r.Fullname(), replicas, timeouts.Rollout); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d replicas rolled out and ready after %s", r.Fullname(), replicas, time.Since(begin).Round(time.Second))
}

// Pods lists the release's Qdrant pods, ordinals in order. Without any the test ends.
func (r *Release) Pods(t testing.TB) []corev1.Pod {
	t.Helper()
	pods, err := r.cluster.Pods(t.Context(), r.Namespace, r.Selector())
	if err != nil {
		t.Fatal(err)
	}
	return some.Of(t, pods)
}

func (r *Release) run(t testing.TB, what, command string, args ...string) (string, error) {
	t.Helper()
	var out string
	err := r.timed(t, what, func(ctx context.Context) (err error) {
		prepared := helm.PrepareHelmCommand(r.options(), command, args...)
		prepared.Command = r.command // terratest knows the name helm only
		out, err = shell.RunCommandContextAndGetOutputE(t, ctx, prepared)
		return err
	})
	return out, err
}

func (r *Release) timed(t testing.TB, what string, run func(ctx context.Context) error) error {
	t.Helper()
	// Longer than helm's own --timeout: a helm that is killed leaves the release pending. Without the test's cancellation,
	// so that it works in a t.Cleanup.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeouts.Helm+timeouts.Request)
	defer cancel()
	begin := time.Now()
	err := run(ctx)
	t.Logf("%s %s (release %s, namespace %s): %.1f s", filepath.Base(r.command), what, r.Name, r.Namespace, time.Since(begin).Seconds())
	if err != nil {
		return fmt.Errorf("%s %s of release %s: %w", filepath.Base(r.command), what, r.Name, err)
	}
	return nil
}

func (r *Release) options() *helm.Options {
	kubectl := terratest.NewKubectlOptions("", r.cluster.Kubeconfig, r.Namespace)
	kubectl.Logger = logger.Discard
	return &helm.Options{
		KubectlOptions: kubectl,
		Logger:         logger.Discard,
		EnvVars: map[string]string{
			"HELM_CACHE_HOME":  filepath.Join(r.home, "cache"),
			"HELM_CONFIG_HOME": filepath.Join(r.home, "config"),
			"HELM_DATA_HOME":   filepath.Join(r.home, "data"),
			"KUBECONFIG":       r.cluster.Kubeconfig,
		},
	}
}

// arguments writes the documents to files that only this user reads: on the command line they would be in the process list.
func (r *Release) arguments(t testing.TB, values Values) ([]string, error) {
	t.Helper()
	var args []string
	for _, file := range values.Files {
		args = append(args, "--values", fromRoot(file))
	}
	dir := t.TempDir()
	for i, document := range values.YAML {
		file := filepath.Join(dir, fmt.Sprintf("values-%d.yaml", i))
		if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
			return nil, fmt.Errorf("writing values of release %s: %w", r.Name, err)
		}
		args = append(args, "--values", file)
	}
	return append(args, values.Args...), nil
}

// fromRoot makes a path of the repository absolute; what is none (oci://…, an absolute path) stays as it is.
func fromRoot(path string) string {
	root, err := repository.Root()
	if err != nil || filepath.IsAbs(path) || strings.Contains(path, "://") {
		return path
	}
	if _, err := os.Stat(filepath.Join(root, path)); err != nil {
		return path
	}
	return filepath.Join(root, path)
}
