package node_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/app/node"
)

// refused runs the node of home, which must end by itself with one sentence that has all the words.
func refused(t *testing.T, home string, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := node.Run(ctx, node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0"})
	if err == nil {
		t.Fatal("the node started")
	}
	if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("not one sentence: %v", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q isn't in: %v", w, err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTornFiles holds that a node with damaged files goes on by itself, or ends with a sentence that says what to do.
func TestTornFiles(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{BlockTime: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	at, stop := start(t, home)
	await(t, at, 5)
	stop()
	key, signed := home+"/config/priv_validator_key.json", home+"/data/priv_validator_state.json"
	read := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	keyText, signedText := read(key), read(signed)

	for _, torn := range []string{"", "{", signedText[:len(signedText)/2]} {
		write(t, signed, torn)
		refused(t, home, signed, "torn", "akash comet sign-after HEIGHT")
	}
	if err := os.Remove(signed); err != nil {
		t.Fatal(err)
	}
	refused(t, home, signed, "missing", "akash comet sign-after HEIGHT")
	if err := node.SignAfter(home, 1); err == nil || !strings.Contains(err.Error(), "may have signed block") {
		t.Errorf("a height below the node's own: %v", err)
	}
	if err := node.SignAfter(home, 1000); err != nil {
		t.Fatal(err)
	}
	if err := node.SignAfter(home, 999); err == nil {
		t.Error("the height was lowered")
	}
	write(t, signed, signedText)

	write(t, key, keyText[:40])
	refused(t, home, key, "restore it from your backup")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	refused(t, home, key, "is missing", "restore it from your backup")
	write(t, key, keyText)

	// The consensus log: whatever its end looks like, the node goes on.
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	wal := home + "/data/cs.wal/wal"
	for round := range 6 {
		text := read(wal)
		switch round {
		case 0:
			text = ""
		case 1:
			text += string([]byte{1, 2, 3})
		case 2:
			text += strings.Repeat("\xff", 100)
		default:
			text = text[:len(text)-1-random.IntN(min(200, len(text)-1))]
		}
		write(t, wal, text)
		at, stop := start(t, home)
		h, _ := height(t, at)
		await(t, at, h+2)
		stop()
	}

	// Databases.
	for _, name := range []string{"application", "blockstore", "state"} {
		manifest, err := filepath.Glob(home + "/data/" + name + ".db/MANIFEST-*")
		if err != nil || len(manifest) == 0 {
			t.Fatalf("%s: %v %v", name, manifest, err)
		}
		whole := read(manifest[0])
		write(t, manifest[0], strings.Repeat("x", len(whole)))
		refused(t, home, "akash comet reset", "--state-sync")
		write(t, manifest[0], whole)
	}
	_, stop = start(t, home)
	stop()
	if err := node.Reset(home); err != nil {
		t.Fatal(err)
	}
	if read(signed) == "" {
		t.Error("the reset forgot what was signed")
	}
	if left, err := os.ReadDir(home + "/data"); err != nil || len(left) != 2 {
		t.Errorf("after the reset: %v %v", left, err)
	}
}
