package vectorflags

import (
	"io"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
)

func connection(target string, environment map[string]string, args ...string) (*Connection, *commandline.Set, error) {
	c, s := &Connection{}, commandline.Of(pflag.NewFlagSet("test", pflag.ContinueOnError))
	c.Define(s, target)
	if err := s.Parse(args); err != nil {
		return c, s, err
	}
	return c, s, s.Read(func(name string) string { return environment[name] })
}

func TestConnection(t *testing.T) {
	environment := map[string]string{"QDRANT_TARGET": "cluster:6334", "QDRANT_TIMEOUT": "5s", "QDRANT_TLS": "true", "QDRANT_API_KEY": "secret"}
	env := func(name string) string { return environment[name] }
	c, set, err := connection("localhost:6334", environment, "--timeout", "7s")
	require.NoError(t, err)
	config, err := c.Config(env, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "cluster:6334", config.Target)
	assert.Equal(t, 7*time.Second, config.Timeout)
	assert.Equal(t, "secret", config.APIKey)
	assert.NotNil(t, config.TLS)
	assert.Equal(t, []string{"timeout"}, set.Given("target", "timeout", "tls"), "only what the command line has")

	c, _, err = connection("", environment)
	require.NoError(t, err)
	assert.Empty(t, c.Target, "the environment names no cluster where a command has one of its own")
	c, _, err = connection("", environment, "--target", "x:1")
	require.NoError(t, err)
	assert.Equal(t, "x:1", c.Target)

	_, _, err = connection("", map[string]string{"QDRANT_TIMEOUT": "soon"})
	require.ErrorAs(t, err, new(commandline.UsageError))
	c, _, err = connection("", nil, "--timeout", "0s")
	require.NoError(t, err)
	_, err = c.Config(env, io.Discard)
	require.ErrorAs(t, err, new(commandline.UsageError))
}
