package localnet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// UpCommand is `akash up`.
func UpCommand() *cobra.Command {
	var o Options
	var detach bool
	var progressFD int
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a whole market on this machine: a chain, a provider, an image registry",
		Long: `Run a whole market on this machine: a validator with fast blocks, a provider that runs containers
under gVisor, an image registry on loopback that stands in for every registry, and accounts with funds.
It ends by renting a container for an example page and printing its URL; if that fails the market stays up.

Everything is in one home folder. Ctrl-C stops the market; containers go on, and the next "akash up"
with the same home takes them over. It needs root.`,
		Example: `  sudo akash up
  sudo akash up --detach --no-demo
  sudo akash up --fund akash1…=1000000000uakt,1000000000uact
  sudo akash up --detach --output json   # progress on standard error, where all is on standard output
  sudo akash up --reset`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			o.Out, o.Result = outputs(cmd)
			if detach {
				return upDetached(ctx, o)
			}
			if progressFD > 0 {
				return upForParent(ctx, o, progressFD)
			}
			return Up(ctx, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Home, "home", "", "folder that holds everything (default ~/.akash/local)")
	f.StringVar(&o.Listen, "listen", "127.0.0.1", "address to listen on; 0.0.0.0 opens it to the network")
	f.StringArrayVar(&o.Fund, "fund", nil, "ADDRESS=COINS: see to it that an account has at least these coins; repeatable")
	f.StringVar(&o.AccountsFile, "accounts", "", "file with one address,coins a line: the same for thousands")
	f.BoolVar(&o.Reset, "reset", false, "remove what the home holds, containers included, and start afresh")
	f.BoolVar(&o.NoDemo, "no-demo", false, "don't deploy the example page at the end")
	f.BoolVar(&detach, "detach", false, "return once all is ready and go on in the background; stop with akash down")
	f.StringVar(&o.Examples, "examples", "", "folder with the example programs (default: examples beside this program)")
	f.StringVar(&o.Sandbox, "runsc", "", "path of the gVisor sandbox (default: bin/runsc beside this program, or in PATH)")
	f.IntVar(&o.PortOffset, "port-offset", 0, "number added to every default port")
	for _, p := range o.Ports.all() {
		f.IntVar(p.n, p.flag, 0, fmt.Sprintf("port for %s (default %d + offset)", p.what, p.standard))
	}
	f.IntVar(&progressFD, "progress-fd", 0, "")
	_ = f.MarkHidden("progress-fd")
	return cmd
}

// DownCommand is `akash down`.
func DownCommand() *cobra.Command {
	var home string
	var all bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the market of this machine; --all removes it",
		Long: `Stop the market of this machine. Its containers go on and its state is kept, for the next "akash up".
With --all the containers, their networks and everything in the home folder are removed.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o := Options{Home: home}
			o.Out, o.Result = outputs(cmd)
			return Down(ctx, o, all)
		},
	}
	cmd.Flags().StringVar(&home, "home", "", "folder that holds everything (default ~/.akash/local)")
	cmd.Flags().BoolVar(&all, "all", false, "remove the containers and the home folder's contents too")
	return cmd
}

// outputs are where the progress goes and, if --output json asks for it, the result.
func outputs(cmd *cobra.Command) (progress, result io.Writer) {
	if how, err := cmd.Flags().GetString("output"); err == nil && how == "json" {
		return cmd.ErrOrStderr(), cmd.OutOrStdout()
	}
	return cmd.OutOrStdout(), nil
}

// The parent of a detached Up reads progress from a pipe. These bytes end it.
const (
	ready  = "\x04" // all is up, and what follows says so as JSON; the child goes on by itself
	failed = "\x15" // what follows is the error
)

// upDetached starts the same program again in a session of its own, shows its progress, and returns
// once it is ready or has failed.
func upDetached(ctx context.Context, o Options) error {
	o, err := o.normal()
	if err != nil {
		return err
	}
	if err := preflight(o); err != nil { // before anything is written
		return err
	}
	mark, err := claim(o.Home)
	if err != nil {
		return err
	}
	mark.Close()
	log, err := openLog(o.Home, "up")
	if err != nil {
		return err
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"--progress-fd", "3"}
	for _, a := range os.Args[1:] {
		if a != "--detach" && a != "--detach=true" {
			args = append(args, a)
		}
	}
	args = moveFirst(args, "up")
	child := exec.Command(exe, args...)
	child.Stdout, child.Stderr = log, log
	child.ExtraFiles = []*os.File{w}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return err
	}
	w.Close()
	go func() {
		<-ctx.Done() // Ctrl-C before it is ready ends it
		_ = child.Process.Signal(syscall.SIGTERM)
		r.Close()
	}()
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		switch text := strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(text, ready):
			err := child.Process.Release()
			if o.Result != nil {
				var done Ready
				err = errors.Join(err, json.Unmarshal([]byte(strings.TrimPrefix(text, ready)), &done), writeJSON(o.Result, &done))
			}
			return err
		case strings.HasPrefix(text, failed):
			_ = child.Wait()
			return errors.New(strings.ReplaceAll(strings.TrimPrefix(text, failed), "\t", "\n"))
		case err != nil:
			_ = child.Wait()
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return fmt.Errorf("akash up ended before it was ready; its log is %s", logFile(o.Home, "up"))
		default:
			_, _ = io.WriteString(o.Out, line)
		}
	}
}

// moveFirst puts the command's name before its flags.
func moveFirst(args []string, name string) []string {
	out := []string{name}
	dropped := false
	for _, a := range args {
		if a == name && !dropped {
			dropped = true
			continue
		}
		out = append(out, a)
	}
	return out
}

// upForParent is Up as the child of upDetached: progress goes to the pipe until all is ready, then to
// standard output, which is the log.
func upForParent(ctx context.Context, o Options, fd int) error {
	pipe := os.NewFile(uintptr(fd), "progress")
	out := &switchWriter{w: pipe}
	o.Out = out
	o.onReady = func(done Ready) {
		b, _ := json.Marshal(done)
		_, _ = io.WriteString(pipe, ready+string(b)+"\n")
		out.set(os.Stdout)
		pipe.Close()
	}
	err := Up(ctx, o)
	if err != nil {
		_, _ = io.WriteString(pipe, failed+strings.ReplaceAll(err.Error(), "\n", "\t")+"\n")
	}
	return err
}
