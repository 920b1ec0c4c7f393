// Package vectorflags has the command-line flags by which a program reaches a Qdrant cluster.
package vectorflags

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// Connection has the flags by which a cluster is reached. Target is what --target says, and Profile what --profile says, if there is one.
type Connection struct {
	Target, Profile string

	keyFile, ca, cert, key, logLevel string
	tls                              bool
	timeout                          time.Duration
}

// Define defines --target, --api-key-file, --tls, --ca, --cert, --key, --timeout and --log-level. target is the one without the flag. A
// command that has none without it gives "", and then the environment does not name one either: what measures, or writes, something of
// its own must not do so to a cluster that nobody named.
func (c *Connection) Define(s *commandline.Set, target string) {
	s.StringVar(&c.Target, "target", target, "address of the gRPC API: host:port, dns:///host:port, static:///a:6334,b:6334")
	s.StringVar(&c.keyFile, "api-key-file", "", "file of the API key; the variable QDRANT_API_KEY holds the key itself")
	s.BoolVar(&c.tls, "tls", false, "encrypt the connection")
	s.StringVar(&c.ca, "ca", "", "file with the certificate authorities of the servers, instead of those of the system; implies --tls")
	s.StringVar(&c.cert, "cert", "", "file with a client certificate; implies --tls")
	s.StringVar(&c.key, "key", "", "file with the private key of --cert")
	s.DurationVar(&c.timeout, "timeout", 30*time.Second, "time limit of a call, including retries")
	s.StringVar(&c.logLevel, "log-level", "warn", "debug, info, warn or error")
	if target != "" {
		s.From("QDRANT_TARGET", "target")
	}
	for variable, flag := range map[string]string{
		"QDRANT_API_KEY_FILE": "api-key-file", "QDRANT_TLS": "tls", "QDRANT_CA": "ca", "QDRANT_CERT": "cert",
		"QDRANT_KEY": "key", "QDRANT_TIMEOUT": "timeout", "VECTOR_LOG_LEVEL": "log-level",
	} {
		s.From(variable, flag)
	}
}

// DefineProfile defines --profile (development or production), for commands that have a use for it.
func (c *Connection) DefineProfile(s *commandline.Set, help string) {
	s.StringVar(&c.Profile, "profile", "", help)
	s.From("QDRANT_PROFILE", "profile")
}

// Config is what the flags say, once they are read. It reads the files that they name; the connection logs to log. What contradicts itself
// is a commandline.UsageError.
func (c *Connection) Config(env func(string) string, log io.Writer) (vector.Config, error) {
	fail := func(err error) (vector.Config, error) { return vector.Config{}, err }
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return fail(commandline.Usage("--log-level (VECTOR_LOG_LEVEL): %q is not one of debug, info, warn, error", c.logLevel))
	}
	if c.timeout <= 0 {
		return fail(commandline.Usage("--timeout: %s is no time", c.timeout))
	}
	config := vector.Config{
		Target: c.Target, Timeout: c.timeout, APIKey: env("QDRANT_API_KEY"),
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level})),
	}
	var err error
	if config.Profile, err = c.searching(); err != nil {
		return fail(err)
	}
	if c.keyFile != "" {
		key, err := os.ReadFile(c.keyFile)
		if err != nil {
			return fail(fmt.Errorf("reading the API key: %w", err))
		}
		if config.APIKey = strings.TrimSpace(string(key)); config.APIKey == "" {
			return fail(fmt.Errorf("reading the API key: %s is empty", c.keyFile))
		}
	}
	if config.TLS, err = c.encryption(); err != nil {
		return fail(err)
	}
	return config, nil
}

// searching is the profile of searches; the library has production as its default.
func (c *Connection) searching() (vector.Profile, error) {
	return commandline.OneOf("profile", c.Profile,
		commandline.Word("", vector.Profile{}),
		commandline.Word("development", vector.Development),
		commandline.Word("production", vector.Production))
}

// encryption is nil without TLS.
func (c *Connection) encryption() (*tls.Config, error) {
	if !c.tls && c.ca == "" && c.cert == "" && c.key == "" {
		return nil, nil //nolint:nilnil // none is wanted
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		authorities, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("reading the authorities: %s has no certificate in PEM", c.ca)
		}
	}
	switch {
	case c.cert != "" && c.key != "":
		own, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("reading the own certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	case c.cert != "" || c.key != "":
		return nil, commandline.Usage("--cert and --key go together")
	}
	return config, nil
}
