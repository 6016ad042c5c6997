package node

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/consensus"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/libs/tempfile"
	"github.com/cometbft/cometbft/privval"

	"cosmossdk.io/log/v2"
)

// anew ends a sentence about data that can't be read.
const anew = "restore a backup of the folder, or empty it with `akash comet reset` and take the state from the network anew (`akash start --state-sync`)"

// checkSigner reads what the consensus key needs before CometBFT does, which only prints an error and exits. It never
// guesses what was signed last: two signatures for one block cost a validator its stake.
func checkSigner(comet *cmtcfg.Config) error {
	key, state := comet.PrivValidatorKeyFile(), comet.PrivValidatorStateFile()
	signed, stateErr := readSigned(state)
	text, err := os.ReadFile(key)
	switch {
	case errors.Is(err, os.ErrNotExist) && stateErr == nil && signed.Height > 0:
		return fmt.Errorf("the consensus key %s is missing, but it signed block %d; restore it from your backup, or remove %s too to begin with a new key", key, signed.Height, state)
	case errors.Is(err, os.ErrNotExist):
		return nil // a new home: CometBFT makes both
	case err != nil:
		return fmt.Errorf("the consensus key %s can't be read: %w", key, err)
	}
	var k privval.FilePVKey
	if err := cmtjson.Unmarshal(text, &k); err != nil || k.PrivKey == nil {
		return fmt.Errorf("the consensus key %s is torn or isn't one; restore it from your backup", key)
	}
	if stateErr != nil {
		return fmt.Errorf("%w, so this validator can't know what it signed last, and to sign a block twice is punished; "+
			"let the network go on for a few blocks, then run `akash comet sign-after HEIGHT` with a height that it has not reached yet, and start again", stateErr)
	}
	return nil
}

func readSigned(path string) (s privval.FilePVLastSignState, err error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return s, fmt.Errorf("%s is missing", path)
	case err != nil:
		return s, fmt.Errorf("%s can't be read (%w)", path, err)
	}
	if err := cmtjson.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("%s is torn", path)
	}
	return s, nil
}

// SignAfter makes the validator of a stopped node sign nothing up to and including height, whatever it signed
// before: for when it is no longer known what that was. It refuses a height below what the node itself knows of.
func SignAfter(home string, height int64) error {
	comet, unlock, err := stopped(home)
	if err != nil {
		return err
	}
	defer unlock()
	path := comet.PrivValidatorStateFile()
	least := int64(1)
	if s, err := readSigned(path); err == nil {
		least = max(least, s.Height)
	}
	newest, err := blockHeight(comet)
	if err != nil {
		return err
	}
	least = max(least, newest+1) // the vote on the next one may be out
	if height < least {
		return fmt.Errorf("the validator may have signed block %d; name that height or a greater one, which the network has not reached yet", least)
	}
	text, err := cmtjson.MarshalIndent(privval.FilePVLastSignState{Height: height, Round: math.MaxInt32, Step: 3}, "", "  ")
	if err != nil {
		return err
	}
	return tempfile.WriteFileAtomic(path, text, 0o600)
}

// Reset removes a stopped node's blocks and state, so that it can take them from the network anew. Keys, config, and
// the record of what the validator signed last stay.
func Reset(home string) error {
	comet, unlock, err := stopped(home)
	if err != nil {
		return err
	}
	defer unlock()
	keep := map[string]bool{filepath.Base(comet.PrivValidatorStateFile()): true, lockFile: true}
	entries, err := os.ReadDir(comet.DBDir())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if keep[e.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(comet.DBDir(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// stopped locks the home of a node that doesn't run.
func stopped(home string) (*cmtcfg.Config, func(), error) {
	s, err := load(Config{Home: home})
	if err != nil {
		return nil, nil, err
	}
	unlock, err := lockHome(home)
	return s.comet, unlock, err
}

// repairWAL cuts a record off the end of the consensus log that a crash has torn. CometBFT does so only where it
// replays the log; a node that catches up first would write on behind the torn bytes and lose both.
func repairWAL(path string, logger log.Logger) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the consensus log %s can't be read: %w; remove it (the node then goes on from its last block)", path, err)
	}
	defer f.Close()
	in := &counter{r: bufio.NewReaderSize(f, 1<<16)}
	dec := consensus.NewWALDecoder(in)
	good, torn := int64(0), false
	for {
		_, err := dec.Decode()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			if torn {
				return nil // damage in the middle, not at the end: CometBFT leaves out that record alone
			}
			good = in.n
			continue
		}
		if !consensus.IsDataCorruptionError(err) {
			return fmt.Errorf("the consensus log %s can't be read: %w", path, err)
		}
		torn = true
	}
	if !torn {
		return nil
	}
	size := in.n
	if err := f.Truncate(good); err != nil {
		return fmt.Errorf("the torn end of the consensus log %s can't be cut off: %w", path, err)
	}
	logger.Warn("the end of the consensus log was torn and is cut off; nothing is lost that other nodes don't have", "file", path, "bytes", size-good)
	return f.Sync()
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
