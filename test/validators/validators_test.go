package validators

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestValidators runs four validators through all that may happen to one or two of them, lets others join, and has one
// of these punished; under load all the while. At the end no block differs between any two nodes.
func TestValidators(t *testing.T) {
	w := newNetwork(t)
	l := newLoad(w, 4)
	w.phase("make the network and its first blocks", func() {
		w.makeValidators(4, l.accounts(), func(genesis map[string]any) {
			// So that a validator is jailed while a test waits; a fault of some seconds isn't enough for that.
			p := genesis["app_state"].(map[string]any)["slashing"].(map[string]any)["params"].(map[string]any)
			gov := genesis["app_state"].(map[string]any)["gov"].(map[string]any)["params"].(map[string]any)
			gov["voting_period"], gov["expedited_voting_period"] = "8s", "4s"
			p["signed_blocks_window"], p["min_signed_per_window"], p["downtime_jail_duration"] = "60", "0.500000000000000000", "60s"
		})
		for _, n := range w.nodes {
			n.up()
		}
		w.reach(3, w.nodes...)
	})
	l.run(w, w.nodes)
	four := w.others()

	if w.apart {
		if page, err := w.nodes[0].get("http://127.0.0.1:26660/metrics"); err != nil || !strings.Contains(page, "cometbft_consensus_latest_block_height") {
			t.Errorf("metrics: %v %.300s", err, page)
		}
	}
	fifth := w.joinByStateSync("fifth")
	w.becomeValidator(fifth, 100_000)
	// From here on it is missing, until it is jailed for that; its share is small enough for the others to go on.
	fifth.kill()
	w.phase("one killed", func() { w.each("killed", (*node).kill, func(n *node) { n.up() }) })
	w.phase("one paused", func() {
		w.each("paused", func(n *node) { n.signal(syscall.SIGSTOP) }, func(n *node) { n.signal(syscall.SIGCONT) })
	})
	if w.apart {
		w.phase("one cut off", func() { w.each("cut off", w.unplug, w.plug) })
		w.phase("two cut off", func() { w.halt("cut off", w.unplug, w.plug) })
	} else {
		t.Log("not tested without root: nodes cut off from the others")
		w.phase("two paused", func() {
			w.halt("paused", func(n *node) { n.signal(syscall.SIGSTOP) }, func(n *node) { n.signal(syscall.SIGCONT) })
		})
	}
	sixth := w.joinByBlockSync("sixth")
	w.phase("killed ten times, at any moment, and with a torn log", w.crashes)
	w.phase("signing state torn", func() { w.tornSigner(four[1]) })
	w.phase("database damaged", func() { w.damaged(four[2]) })
	w.phase("machine lost", func() { w.restored(four[3]) })
	w.unjail(fifth)
	twin := w.doubleSign(fifth)
	twin.stop()
	fifth.stop()

	l.stop(w)
	up := append(four, sixth)
	w.reach(highest(up)+2, up...)
	w.sameBlocks(up)
	w.phase("an upgrade that this program doesn't have", func() { w.upgrade(up) })
	t.Logf("\n%s", w.table.String())
}

// phase runs a part of the test and says how long it took.
func (w *network) phase(name string, f func()) {
	w.t.Helper()
	began, from := time.Now(), highest(w.others())
	f()
	w.t.Logf("%s: %.1f s, from block %d to %d", name, time.Since(began).Seconds(), from, highest(w.others()))
}

// table is what a run saw: a line each fault.
type table [][]string

func (tb *table) add(fault string, meanwhile int64, recovered time.Duration) {
	*tb = append(*tb, []string{fault, fmt.Sprint(meanwhile), fmt.Sprintf("%.1f s", recovered.Seconds())})
}

func (tb *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-44s %16s %12s\n", "fault", "blocks meanwhile", "recovered in")
	for _, r := range *tb {
		fmt.Fprintf(&b, "%-44s %16s %12s\n", r[0], r[1], r[2])
	}
	return b.String()
}

func (w *network) unplug(n *node) { w.cable(n, false) }
func (w *network) plug(n *node)   { w.cable(n, true) }

func (w *network) cable(n *node, in bool) {
	w.t.Helper()
	if err := w.bridge.cable(n.n, in); err != nil {
		w.t.Fatal(err)
	}
}

// each lets the same happen to the validators in turn: the others go on, and it catches up afterwards.
func (w *network) each(fault string, harm, mend func(*node)) {
	w.t.Helper()
	const blocks = 4 // that the others must make meanwhile
	for _, n := range w.others() {
		rest := w.others(n)
		from := highest(rest)
		began := time.Now()
		harm(n)
		w.reach(from+blocks, rest...)
		if n.runs() {
			time.Sleep(time.Until(began.Add(5 * time.Second))) // what is paused or cut off is so for 5 s at least: that is the fault
		}
		to := highest(rest)
		mend(n)
		w.table.add(n.name+" "+fault, to-from, w.reach(to+1, n))
	}
}

// halt takes two of four, half of all power: nobody commits anything until they are back.
func (w *network) halt(fault string, harm, mend func(*node)) {
	w.t.Helper()
	four := w.others()
	harm(four[2])
	harm(four[3])
	asked := four
	if !w.apart {
		asked = four[:2] // a paused one doesn't answer
	}
	// A block whose votes were on their way may still come.
	before, still := make([]int64, len(asked)), time.Now()
	w.until("all stand still for 2 s", func() error {
		for i, n := range asked {
			if h := n.height(); h != before[i] {
				before[i], still = h, time.Now()
			}
		}
		if d := time.Since(still); d < 2*time.Second {
			return fmt.Errorf("heights %v for %s", before, d)
		}
		return nil
	})
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for i, n := range asked {
			if h := n.height(); h != before[i] {
				w.t.Fatalf("%s went from block %d to %d with half of the power", n.name, before[i], h)
			}
		}
	}
	top := highest(asked)
	mend(four[2])
	mend(four[3])
	w.table.add("two of four "+fault, 0, w.reach(top+2, four...))
}

// outsider makes the home of a node that joins the network that runs.
func (w *network) outsider(name string) *node {
	n := w.add(name)
	n.run("genesis", "init", name, "--chain-id", chainID)
	write(w.t, n.genesis(), read(w.t, w.nodes[0].genesis()))
	return n
}

func (w *network) joinByStateSync(name string) *node {
	w.t.Helper()
	n := w.outsider(name)
	w.phase(name+" joins by state sync", func() {
		w.reach(13, w.others()...) // the first snapshot, and two blocks that prove it
		began := time.Now()
		n.up("--state-sync", "http://"+w.nodes[0].rpc+",http://"+w.nodes[1].rpc)
		h := highest(w.others())
		w.reach(h, n)
		s, err := n.status()
		if err != nil {
			w.t.Fatal(err)
		}
		if s.SyncInfo.Earliest < 10 {
			w.t.Errorf("%s has block %d: that wasn't state sync", name, s.SyncInfo.Earliest)
		}
		w.table.add(name+" joins by state sync", n.height()-h, time.Since(began))
	})
	return n
}

func (w *network) joinByBlockSync(name string) *node {
	w.t.Helper()
	n := w.outsider(name)
	w.phase(name+" joins by block sync", func() {
		began, h := time.Now(), highest(w.others())
		n.up()
		w.reach(h, n)
		if s, err := n.status(); err != nil || s.SyncInfo.Earliest != 1 {
			w.t.Errorf("%s: %+v %v", name, s, err)
		}
		w.table.add(fmt.Sprintf("%s joins by block sync (%d blocks)", name, h), n.height()-h, time.Since(began))
	})
	return n
}

// send sends a transaction by the program and waits until ok.
func (w *network) send(n *node, what string, ok func() error, args ...string) {
	w.t.Helper()
	n.run(append(append(append([]string{"tx"}, args...), n.door()...), "--keyring-backend", "test", "--chain-id", chainID, "--yes")...)
	w.until(what, ok)
}

// becomeValidator has the node's operator stake so many AKT.
func (w *network) becomeValidator(n *node, akt int64) {
	w.t.Helper()
	w.phase(n.name+" becomes a validator", func() {
		n.run("keys", "add", "operator", "--keyring-backend", "test")
		address := n.address("operator")
		w.send(w.nodes[0], "its coins arrive", func() error {
			out, err := n.try(append([]string{"query", "bank", "balance", address, "uakt"}, n.door()...)...)
			if err == nil && !strings.Contains(out, "000000") {
				err = errors.New(out)
			}
			return err
		}, "bank", "send", "operator", address, fmt.Sprintf("%duakt", (akt+100)*1_000_000))
		file := filepath.Join(n.home, "validator.json")
		write(w.t, file, []byte(fmt.Sprintf(`{"pubkey": %s, "amount": "%duakt", "moniker": %q,
			"commission-rate": "0.1", "commission-max-rate": "0.2", "commission-max-change-rate": "0.01", "min-self-delegation": "1"}`,
			n.run("comet", "show-validator"), akt*1_000_000, n.name)))
		w.send(n, "it signs blocks", func() error { return w.signs(n, 0) }, "staking", "create-validator", file, "--from", "operator")
	})
}

// signs tells whether the last block is above a height and has a signature of the node's validator.
func (w *network) signs(n *node, above int64) error {
	s, err := n.status()
	if err != nil {
		return err
	}
	var c struct {
		SignedHeader struct {
			Commit struct {
				Height     int64 `json:"height,string"`
				Signatures []struct {
					Flag    int    `json:"block_id_flag"`
					Address string `json:"validator_address"`
				}
			}
		} `json:"signed_header"`
	}
	if err := w.nodes[0].ask(&c, "/commit", nil); err != nil {
		return err
	}
	for _, sig := range c.SignedHeader.Commit.Signatures {
		if sig.Address == s.ValidatorInfo.Address && sig.Flag == 2 && c.SignedHeader.Commit.Height > above {
			return nil
		}
	}
	return fmt.Errorf("height %d: no signature of %s, power %d", c.SignedHeader.Commit.Height, s.ValidatorInfo.Address, s.ValidatorInfo.Power)
}

// crashes kills validators at random moments, most often in the middle of a block, tears their consensus log, and
// starts them again at once.
func (w *network) crashes() {
	w.t.Helper()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	w.t.Logf("seed %d", seed)
	tears := []struct {
		name string
		tear func([]byte) []byte
	}{
		{"as it was", func(b []byte) []byte { return b }},
		{"1 byte short", func(b []byte) []byte { return b[:max(0, len(b)-1)] }},
		{"7 bytes short", func(b []byte) []byte { return b[:max(0, len(b)-7)] }},
		{"cut anywhere in its last 4 KiB", func(b []byte) []byte { return b[:max(0, len(b)-1-random.IntN(4096))] }},
		{"with garbage behind it", func(b []byte) []byte { return append(b, "garbage, as a crash leaves it"...) }},
		{"with zeros behind it", func(b []byte) []byte { return append(b, make([]byte, 4096)...) }},
		{"empty", func([]byte) []byte { return nil }},
	}
	for i := range 10 {
		n := w.others()[i%4]
		time.Sleep(time.Duration(random.Int64N(int64(2 * pause)))) // the moment is what is random
		n.kill()
		tear := tears[i%len(tears)]
		wal := filepath.Join(n.home, "data", "cs.wal", "wal")
		write(w.t, wal, tear.tear(read(w.t, wal)))
		from := highest(w.others(n))
		n.up()
		took := w.reach(from+1, n)
		w.table.add(n.name+" killed, its log "+tear.name, n.height()-from, took)
	}
}

// ends waits for a node to end by itself, with one sentence that has all the words.
func (w *network) ends(n *node, words ...string) {
	w.t.Helper()
	code, last := n.ended()
	if code != 1 || !strings.HasPrefix(last, "Error: ") {
		w.t.Errorf("%s ended with code %d and %q", n.name, code, last)
	}
	for _, word := range words {
		if !strings.Contains(last, word) {
			w.t.Errorf("%q isn't in the last words of %s: %s", word, n.name, last)
		}
	}
}

// tornSigner tears the record of what a validator signed last. It doesn't start until its operator names a height
// from which on it may sign, and then signs again.
func (w *network) tornSigner(n *node) {
	w.t.Helper()
	from := highest(w.others(n))
	n.kill()
	file := filepath.Join(n.home, "data", "priv_validator_state.json")
	text := read(w.t, file)
	for _, torn := range [][]byte{nil, text[:len(text)/2]} {
		write(w.t, file, torn)
		n.up()
		w.ends(n, file, "torn", "akash comet sign-after HEIGHT")
	}
	h := highest(w.others(n))
	n.run("comet", "sign-after", fmt.Sprint(h+5))
	n.up()
	began := time.Now()
	w.until(n.name+" signs again", func() error {
		if n.height() == 0 {
			return errors.New("it doesn't answer")
		}
		return w.signs(n, h+1) // the last block may still have been signed before
	})
	if now := highest(w.others(n)); now <= h+5 {
		w.t.Errorf("it signed at %d, though it was told to sign nothing up to %d", now, h+5)
	}
	w.table.add(n.name+"'s signing state torn", h-from, time.Since(began))
}

// damaged destroys a validator's database. It says so, and takes the state from the others anew.
func (w *network) damaged(n *node) {
	w.t.Helper()
	from := highest(w.others(n))
	n.kill()
	files, err := filepath.Glob(filepath.Join(n.home, "data", "application.db", "MANIFEST-*"))
	if err != nil || len(files) == 0 {
		w.t.Fatalf("no database: %v", err)
	}
	write(w.t, files[0], make([]byte, 1000))
	n.up()
	w.ends(n, "application.db", "akash comet reset", "--state-sync")
	n.run("comet", "reset")
	began, h := time.Now(), highest(w.others(n))
	rest := w.others(n)
	n.up("--state-sync", "http://"+rest[0].rpc+",http://"+rest[1].rpc)
	w.reach(h, n)
	w.until(n.name+" signs again", func() error { return w.signs(n, h+1) })
	w.table.add(n.name+"'s database damaged, state sync", h-from, time.Since(began))
}

// restored loses all of a validator but the backup that its guide tells to make, and brings it back from that.
func (w *network) restored(n *node) {
	w.t.Helper()
	backup := n.home + ".backup"
	if err := os.CopyFS(filepath.Join(backup, "config"), os.DirFS(filepath.Join(n.home, "config"))); err != nil {
		w.t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(backup, "keyring-test"), os.DirFS(filepath.Join(n.home, "keyring-test"))); err != nil {
		w.t.Fatal(err)
	}
	from := highest(w.others(n))
	n.kill()
	if err := os.RemoveAll(n.home); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(backup, n.home); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(n.home, "data"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	n.up()
	w.ends(n, "priv_validator_state.json", "missing", "akash comet sign-after HEIGHT")
	rest := w.others(n)
	h := highest(rest)
	n.run("comet", "sign-after", fmt.Sprint(h+10))
	began := time.Now()
	n.up("--state-sync", "http://"+rest[0].rpc+",http://"+rest[1].rpc)
	w.until(n.name+" signs again", func() error {
		if !n.runs() {
			return fatal(errors.New(n.tail(5)))
		}
		return w.signs(n, h+1)
	})
	if now := highest(rest); now <= h+10 {
		w.t.Errorf("it signed at %d, though it was told to sign nothing up to %d", now, h+10)
	}
	w.table.add(n.name+" lost, back from its backup", h-from, time.Since(began))
}

// upgrade has the network vote for a program that nobody has: all nodes end in the very block, and say so.
func (w *network) upgrade(nodes []*node) {
	w.t.Helper()
	h := highest(nodes) + 45
	w.send(nodes[0], "the proposal is there", func() error {
		_, err := nodes[0].try(append([]string{"query", "gov", "proposal", "1"}, nodes[0].door()...)...)
		return err
	}, "upgrade", "software-upgrade", "v-next", "--upgrade-height", fmt.Sprint(h), "--title", "v-next", "--summary", "the next program",
		"--deposit", "10000000uakt", "--no-validate", "--from", "operator")
	for _, n := range w.others() {
		n.run(append(append([]string{"tx", "gov", "vote", "1", "yes", "--from", "operator"}, n.door()...), "--keyring-backend", "test", "--chain-id", chainID, "--yes")...)
	}
	for _, n := range nodes {
		w.ends(n, `the chain upgrades to "v-next" at height `+fmt.Sprint(h))
	}
	// What cosmovisor waits for.
	if info := read(w.t, filepath.Join(nodes[0].home, "data", "upgrade-info.json")); !strings.Contains(string(info), "v-next") {
		w.t.Errorf("upgrade-info.json: %s", info)
	}
	nodes[0].up() // whoever starts the old program again is told the same
	w.ends(nodes[0], `the chain upgrades to "v-next" at height `+fmt.Sprint(h))
}

func (w *network) validator(n *node) (jailed bool, err error) {
	out, err := w.nodes[0].try(append([]string{"query", "staking", "validator", n.address("operator", "--bech", "val")}, w.nodes[0].door()...)...)
	return strings.Contains(out, `"jailed":true`), err
}

// unjail waits until the node that was missing is jailed for that and may come back, and brings it back.
func (w *network) unjail(n *node) {
	w.t.Helper()
	w.phase(n.name+" is jailed for being away, and comes back", func() {
		w.until("it is jailed", func() error {
			jailed, err := w.validator(n)
			if err == nil && !jailed {
				err = errors.New("it isn't")
			}
			return err
		})
		h := highest(w.others())
		began := time.Now()
		n.up()
		w.reach(h, n)
		w.table.add(n.name+" away until it was jailed", 0, time.Since(began))
		w.until("it may come back", func() error {
			_, err := n.try(append(append([]string{"tx", "slashing", "unjail", "--from", "operator"}, n.door()...), "--keyring-backend", "test")...)
			if err == nil {
				return nil
			}
			if !strings.Contains(err.Error(), "jailed") {
				return fatal(err)
			}
			return err
		})
		w.until("it signs again", func() error { return w.signs(n, h) })
	})
}

// doubleSign runs a validator's key in two places. It is found out and locked away for good, and the chain goes on.
func (w *network) doubleSign(n *node) *node {
	w.t.Helper()
	twin := w.add("twin")
	w.phase(n.name+"'s key signs in two places", func() {
		// More power, so that it soon proposes a block, twice.
		w.send(w.nodes[0], "it has more power", func() error {
			s, err := n.status()
			if err == nil && s.ValidatorInfo.Power < 500_000 {
				err = fmt.Errorf("power %d", s.ValidatorInfo.Power)
			}
			return err
		}, "staking", "delegate", n.address("operator", "--bech", "val"), "900000000000uakt", "--from", "operator")
		n.stop()
		if err := os.CopyFS(twin.home, os.DirFS(n.home)); err != nil {
			w.t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(twin.home, "config", "node_key.json")); err != nil {
			w.t.Fatal(err)
		}
		began, from := time.Now(), highest(w.others())
		for _, x := range []*node{n, twin} {
			// Votes of both reach the others before either is known to be there.
			x.up("--set", "consensus.peer_gossip_sleep_duration=2ms")
		}
		w.until("it is found out", func() error {
			out, err := w.nodes[0].try(append([]string{"query", "slashing", "signing-infos"}, w.nodes[0].door()...)...)
			if err == nil && !strings.Contains(out, `"tombstoned":true`) {
				err = fmt.Errorf("height %d: %s", highest(w.others()), out)
			}
			return err
		})
		h := highest(w.others())
		w.table.add(n.name+"'s key in two places, found out", h-from, time.Since(began))
		w.reach(h+2, w.others()...)
		if jailed, err := w.validator(n); err != nil || !jailed {
			w.t.Errorf("it isn't jailed: %v", err)
		}
	})
	return twin
}
