package suitefile

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	const two = `
suites:
  - {name: core, subject: first, tests: [TestA, TestB]}
  - {name: losses, subject: second, tests: [TestC]}
`
	for _, test := range []struct {
		name, list string
		tests      []string
		wantErr    string // "" for none
	}{
		{name: "each_test_in_one_suite", list: two, tests: []string{"TestA", "TestB", "TestC"}},
		{name: "a_test_in_no_suite", list: two, tests: []string{"TestA", "TestB", "TestC", "TestD"}, wantErr: "TestD is in no suite; add it to tests/e2e/suites.yaml"},
		{name: "a_test_that_is_gone", list: two, tests: []string{"TestA", "TestB"}, wantErr: "suite losses names TestC, which is not there"},
		{name: "no_tests_at_all", list: "suites: []", wantErr: "there are no tests"},
		{
			name: "a_test_in_two_suites", list: "suites: [{name: a, subject: s, tests: [TestA]}, {name: b, subject: s, tests: [TestA]}]",
			tests: []string{"TestA"}, wantErr: "TestA is in two suites: a and b",
		},
		{
			name: "a_suite_that_is_there_twice", list: "suites: [{name: a, subject: s, tests: [TestA]}, {name: a, subject: s, tests: [TestB]}]",
			tests: []string{"TestA", "TestB"}, wantErr: `suite "a" is there twice`,
		},
		{name: "a_suite_without_a_test", list: "suites: [{name: a, subject: s, tests: [TestA]}, {name: b, subject: s}]", tests: []string{"TestA"}, wantErr: `suite "b" needs`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file, err := parse([]byte(test.list))
			require.NoError(t, err)
			err = file.Check(test.tests)
			if test.wantErr == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.wantErr)
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	_, err := parse([]byte("suites: [{name: core, test: [TestA]}]"))
	require.ErrorContains(t, err, "field test not found")
}

func TestSuite(t *testing.T) {
	t.Parallel()
	file, err := parse([]byte("suites: [{name: core, subject: s, tests: [TestA, TestB]}, {name: losses, subject: s, tests: [TestC]}]"))
	require.NoError(t, err)
	core, err := file.Suite("core")
	require.NoError(t, err)
	pattern := regexp.MustCompile(core.Pattern())
	for name, want := range map[string]bool{"TestA": true, "TestB": true, "TestAB": false, "TestC": false} {
		assert.Equal(t, want, pattern.MatchString(name), name)
	}
	_, err = file.Suite("cores")
	require.ErrorContains(t, err, `there is no suite "cores"; there are: core, losses`)
}

func TestExpected(t *testing.T) {
	t.Parallel()
	file, err := parse([]byte(`
suites:
  - {name: core, subject: s, tests: [TestA], uses: ["q: get pods"]}
  - {name: losses, subject: s, tests: [TestB], uses: ["q: delete pods"]}
`))
	require.NoError(t, err)
	for _, test := range []struct {
		name, suite, run, skip string
		want                   []string
	}{
		{name: "a_whole_suite", suite: "losses", run: "^(TestB)$", want: []string{"q: delete pods"}},
		{name: "one_test_of_a_suite", suite: "losses", run: "TestB/one"},
		{name: "a_suite_without_one_test", suite: "losses", run: "^(TestB)$", skip: "TestB"},
		{name: "everything", run: ".", want: []string{"q: get pods", "q: delete pods"}},
		{name: "everything_but_one_test", run: ".", skip: "TestA"},
		{name: "some_tests_of_no_suite", run: "TestA"},
		{name: "some_tests_of_any_suite", suite: "all", run: "TestA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := file.Expected(test.suite, test.run, test.skip)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
	_, err = file.Expected("loss", ".", "")
	require.ErrorContains(t, err, `no suite "loss"`)
}

// The list in the repository is whole: `make lint` asks the same.
func TestTheList(t *testing.T) {
	t.Parallel()
	const root = "../../.."
	file, err := Read(root)
	require.NoError(t, err)
	tests, err := Tests(root)
	require.NoError(t, err)
	require.Greater(t, len(tests), 10)
	assert.NotContains(t, tests, "TestMain")
	require.NoError(t, file.Check(tests))
	assert.Equal(t, "core", file.Suites[0].Name, "the suite of every change comes first")
}
