package commandline

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// referenceCommand prints the reference of all commands as Markdown. It is for the project's documentation, so help does not list it.
func referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reference", Short: "Print the reference of all commands as Markdown", Hidden: true, Args: Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return reference(cmd.OutOrStdout(), cmd.Root()) },
	}
}

func reference(to io.Writer, root *cobra.Command) error {
	var text strings.Builder
	fmt.Fprintf(&text, "# `%s`\n\n%s.\n", root.Name(), root.Short)
	for _, command := range root.Commands() {
		if command.Hidden || command.Name() == "help" {
			continue
		}
		fmt.Fprintf(&text, "\n## `%s`\n\n%s.\n\n", command.CommandPath(), command.Short)
		if command.Long != "" {
			fmt.Fprintf(&text, "%s\n\n", command.Long)
		}
		fmt.Fprintf(&text, "```text\n%s\n```\n", command.UseLine())
		writeFlags(&text, command.Flags())
	}
	_, err := io.WriteString(to, text.String())
	return err
}

func writeFlags(text *strings.Builder, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	text.WriteString("\n| flag | default | meaning |\n| --- | --- | --- |\n")
	set.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(flag)
		name := strings.TrimSpace("--" + flag.Name + " " + kind)
		if flag.Shorthand != "" {
			name = "-" + flag.Shorthand + ", " + name
		}
		value := ""
		if flag.DefValue != "" && flag.DefValue != "[]" {
			value = "`" + flag.DefValue + "`"
		}
		fmt.Fprintf(text, "| `%s` | %s | %s |\n", name, value, strings.ReplaceAll(usage, "|", `\|`))
	})
}
