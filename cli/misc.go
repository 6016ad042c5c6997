package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cosmos/cosmos-sdk/client/keys"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/version"
	"github.com/spf13/cobra"

	appcmd "github.com/akash-supercloud/akash/app/cmd"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/localnet"
)

// keysOnly opens the keys without a chain, and returns the signer's address.
func (a *app) keysOnly() (keyring.Keyring, string, error) {
	kr, err := client.OpenKeyring(a.config(), client.NewEncoding().Codec)
	if err != nil {
		return nil, "", err
	}
	if a.from == "" {
		return nil, "", fmt.Errorf("no key to sign with; name one with --from")
	}
	rec, err := client.FindKey(kr, a.from)
	if err != nil {
		return nil, "", err
	}
	addr, err := rec.GetAddress()
	if err != nil {
		return nil, "", err
	}
	return kr, addr.String(), nil
}

func keysCmd() *cobra.Command {
	cmd := keys.Commands()
	cmd.Short = "Make, list, import and export keys"
	return cmd
}

// nodeCmds are the commands of a node of the chain.
func nodeCmds(a *app) []*cobra.Command {
	var cmds []*cobra.Command
	for _, c := range []struct {
		name, short string
		build       func() *cobra.Command
	}{
		{"start", "Run a node", appcmd.Start},
		{"genesis", "Make a network's first state", appcmd.Genesis},
		{"comet", "Identity and block store of a node", appcmd.Comet},
		{"export", "Write a stopped node's state as a genesis", appcmd.Export},
		{"snapshots", "List, take and restore snapshots of a node's state", appcmd.Snapshots},
		{"prune", "Drop old states of a stopped node", appcmd.Prune},
		{"rollback", "Take a stopped node one block back", appcmd.Rollback},
	} {
		cmds = append(cmds, a.lazy(c.name, c.short, func() *cobra.Command { return a.mount(c.build()) }))
	}
	return cmds
}

// localCmds run a whole market on this machine.
func localCmds(a *app) []*cobra.Command {
	return []*cobra.Command{a.mount(localnet.UpCommand()), a.mount(localnet.DownCommand())}
}

func versionCmd(a *app) *cobra.Command {
	var long bool
	cmd := &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info := version.NewInfo()
			if info.Version == "" {
				info.Version = "dev"
			}
			if a.json() {
				return a.printJSON(info)
			}
			if long {
				_, err := fmt.Fprintln(a.out, info)
				return err
			}
			_, err := fmt.Fprintln(a.out, info.Version)
			return err
		},
	}
	cmd.Flags().BoolVar(&long, "long", false, "with commit, Go and dependencies")
	return cmd
}

func authCmd(a *app) *cobra.Command {
	var (
		alg, access, provider, id string
		lifetime                  time.Duration
		scope                     []string
		claims                    string
	)
	jwt := &cobra.Command{
		Use:   "jwt",
		Short: "Make a token that lets its holder use your leases",
		Long: `Make a token, signed by your key, that lets its holder use your leases with providers: all of them, some
scopes of them (--scope), those with one provider (--provider), or what --leases says as JSON.`,
		Example: `  curl -H "Authorization: Bearer $(akash auth jwt)" …
  akash auth jwt --scope logs,status --expires-in 1h`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			kr, _, err := a.keysOnly()
			if err != nil {
				return err
			}
			if lifetime <= 0 {
				return fmt.Errorf("--expires-in %s: write for example 15m", lifetime)
			}
			var scopes []auth.Scope
			for _, s := range scope {
				scopes = append(scopes, auth.Scope(s))
			}
			c := auth.Claims{IssuedAt: time.Now(), ID: id}
			c.ExpiresAt = c.IssuedAt.Add(lifetime)
			if access == "" {
				access = string(auth.AccessFull)
				if len(scopes) > 0 {
					access = string(auth.AccessScoped)
				}
				if provider != "" {
					access = string(auth.AccessGranular)
				}
			}
			switch c.Leases.Access = auth.Access(access); {
			case claims != "":
				if claims == "-" || strings.HasPrefix(claims, "@") {
					data, err := a.readFile(strings.TrimPrefix(claims, "@"))
					if err != nil {
						return err
					}
					claims = string(data)
				}
				dec := json.NewDecoder(strings.NewReader(claims))
				dec.DisallowUnknownFields()
				c.Leases = auth.Leases{}
				if err := dec.Decode(&c.Leases); err != nil {
					return fmt.Errorf("--leases: %w", err)
				}
			case c.Leases.Access == auth.AccessGranular:
				p := auth.Permission{Provider: provider, Access: auth.AccessFull, Scope: scopes}
				if len(scopes) > 0 {
					p.Access = auth.AccessScoped
				}
				c.Leases.Permissions = []auth.Permission{p}
			default:
				c.Leases.Scope = scopes
			}
			token, err := auth.IssueWith(auth.Algorithm(alg), kr, a.from, c)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"token": token, "expires": c.ExpiresAt.UTC().Format(time.RFC3339)}, func() string { return token + "\n" })
		},
	}
	f := jwt.Flags()
	f.StringVar(&alg, "algorithm", string(auth.ES256K), "ES256K or ES256KADR36")
	f.StringVar(&access, "access", "", "full, scoped or granular (default: by the other flags)")
	f.StringSliceVar(&scope, "scope", nil, "what the holder may do: send-manifest, get-manifest, logs, shell, events, status, restart, …")
	f.StringVar(&provider, "provider", "", "address of the only provider it is for")
	f.StringVar(&claims, "leases", "", "the whole claim as JSON, @FILE or - for standard input")
	f.StringVar(&id, "jti", "", "an id of the token")
	f.DurationVar(&lifetime, "expires-in", auth.DefaultLifetime, "how long it is valid")
	return parent("auth", "Tokens for providers", jwt)
}
