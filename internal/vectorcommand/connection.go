package vectorcommand

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/pkg/vector"
)

// connection has the flags by which a cluster is reached.
type connection struct {
	target, keyFile, ca, cert, key, profile, logLevel string
	tls                                               bool
	timeout                                           time.Duration
}

func (c *connection) define(f *flags) {
	f.set.StringVar(&c.target, "target", "localhost:6334", "where the gRPC API is: host:port, dns:///host:port, static:///a:6334,b:6334")
	f.set.StringVar(&c.keyFile, "api-key-file", "", "file of the API key; the variable QDRANT_API_KEY holds the key itself")
	f.set.BoolVar(&c.tls, "tls", false, "encrypt the connection")
	f.set.StringVar(&c.ca, "ca", "", "file of the authorities that signed the servers' certificates, in place of the system's; implies --tls")
	f.set.StringVar(&c.cert, "cert", "", "file of the own certificate, for servers that ask for one; implies --tls")
	f.set.StringVar(&c.key, "key", "", "file of the key of --cert")
	f.set.DurationVar(&c.timeout, "timeout", 30*time.Second, "how long one call may take, with its repeats")
	f.set.StringVar(&c.logLevel, "log-level", "warn", "debug, info, warn or error")
	for variable, flag := range map[string]string{
		"QDRANT_TARGET": "target", "QDRANT_API_KEY_FILE": "api-key-file", "QDRANT_TLS": "tls", "QDRANT_CA": "ca", "QDRANT_CERT": "cert",
		"QDRANT_KEY": "key", "QDRANT_TIMEOUT": "timeout", "VECTOR_LOG_LEVEL": "log-level",
	} {
		f.from(variable, flag)
	}
}

// profileFlag is for commands that have a use for it.
func (c *connection) profileFlag(f *flags, help string) {
	f.set.StringVar(&c.profile, "profile", "", help)
	f.from("QDRANT_PROFILE", "profile")
}

// config is what the flags say.
func (c *connection) config(p Process) (vector.Config, error) {
	fail := func(err error) (vector.Config, error) { return vector.Config{}, err }
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return fail(usage("--log-level (VECTOR_LOG_LEVEL): %q is none of debug, info, warn, error", c.logLevel))
	}
	if c.timeout <= 0 {
		return fail(usage("--timeout: %s is no time", c.timeout))
	}
	config := vector.Config{
		Target: c.target, Timeout: c.timeout, APIKey: p.Env("QDRANT_API_KEY"),
		Logger: slog.New(slog.NewTextHandler(p.Err, &slog.HandlerOptions{Level: level})),
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
func (c *connection) searching() (vector.Profile, error) {
	return oneOf("profile", c.profile,
		choice[vector.Profile]{"", vector.Profile{}},
		choice[vector.Profile]{"development", vector.Development},
		choice[vector.Profile]{"production", vector.Production})
}

// encryption is nil without TLS.
func (c *connection) encryption() (*tls.Config, error) {
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
		return nil, usage("--cert and --key go together")
	}
	return config, nil
}
