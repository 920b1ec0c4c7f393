package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJudgeRequests(t *testing.T) {
	t.Parallel()
	granted := []string{"q-shepherd: get apps/statefulsets", "q-shepherd: delete pods"}
	get := Request{Account: "q-shepherd", Namespace: "n", Verb: "get", Group: "apps", Resource: "statefulsets", Name: "q", Allowed: true}
	refused := get
	refused.Allowed = false
	unlisted := get
	unlisted.Resource = "deployments"
	foreign := unlisted
	foreign.Account = "default"
	for _, test := range []struct {
		name     string
		requests []Request
		expected []string
		want     []string
	}{
		{name: "all_that_is_expected_was_used", requests: []Request{get}, expected: granted[:1]},
		{name: "nothing_was_asked_for", expected: granted[:1], want: []string{"expected of this run and never used: q-shepherd: get apps/statefulsets"}},
		{name: "a_refused_request_is_no_use", requests: []Request{refused}, expected: granted[:1], want: []string{
			"refused: q-shepherd: get apps/statefulsets q", "expected of this run and never used: q-shepherd: get apps/statefulsets",
		}},
		{name: "a_right_that_is_in_no_list", requests: []Request{unlisted}, want: []string{"allowed and not listed: q-shepherd: get apps/deployments"}},
		{name: "an_account_of_somebody_else", requests: []Request{foreign}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, wrong := JudgeRequests(test.requests, granted, test.expected, nil)
			assert.Equal(t, test.want, wrong)
		})
	}
	t.Run("a_refusal_that_is_expected", func(t *testing.T) {
		t.Parallel()
		used, wrong := JudgeRequests([]Request{refused}, granted, nil, map[string]bool{"n": true})
		assert.Empty(t, used)
		assert.Empty(t, wrong)
	})
}

// The audit log of a cluster that the suite did not make can't be read, and that is no success.
func TestRequestsOfAForeignCluster(t *testing.T) {
	t.Parallel()
	_, err := (&Cluster{}).Requests(t.Context())
	require.ErrorIs(t, err, errNoAudit)
}
