package command

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/apikeys"
)

func generateKeyCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		s := f.settings
		f.must(&s.namespace, "namespace", "namespace of the Secret")
		f.must(&s.secret, "secret", "name of the Secret")
		f.StringSliceVar(&s.secretKeys, "secret-keys", []string{"api-key"}, "entries of the Secret; each gets its own random key")
	}
	return b.command("generate-key", "Create the Secret with the API keys, unless it exists", commandline.Arguments(0, 0), define, runGenerateKey)
}

func runGenerateKey(ctx context.Context, s *settings, _ []string) error {
	api, err := s.process.Connect()
	if err != nil {
		return err
	}
	made, err := apikeys.Ensure(ctx, api, s.namespace, s.secret, s.secretKeys, randomKey)
	if err != nil {
		return err
	}
	said := "secret %s is there already and stays as it is\n"
	if made {
		said = "secret %s made\n"
	}
	_, err = fmt.Fprintf(s.process.Out, said, s.secret)
	return err
}

// randomKey has 256 random bits, in characters that need no quoting anywhere.
func randomKey() string {
	bits := make([]byte, 32)
	_, _ = rand.Read(bits) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(bits)
}
