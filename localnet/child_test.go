package localnet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// The test's own program is the child: with CHILD_HOME set it does nothing until it is ended.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		fmt.Println("the child is up")
		select {}
	}
	os.Exit(m.Run())
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// A killed child is started again; when the supervisor ends, so does the child; and one whose
// supervisor was killed is found by its pid file and ended.
func TestChild(t *testing.T) {
	home := t.TempDir()
	for _, d := range []string{"run", "logs"} {
		if err := os.Mkdir(filepath.Join(home, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	notes := make(chan string, 100)
	c := &child{name: "node", args: []string{"child", home}, home: home, note: func(s string) { notes <- s }, done: make(chan struct{})}
	go c.run(ctx)
	eventually(t, "the child runs", func() bool { return running(home, "node") != 0 })
	eventually(t, "it says so", func() bool { return tail(home, "node", 5) == "the child is up" })
	first := running(home, "node")
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child runs again", func() bool { p := running(home, "node"); return p != 0 && p != first })
	t.Log(<-notes)
	eventually(t, "the log has its output twice", func() bool {
		return tail(home, "node", 5) == "the child is up\nthe child is up"
	})
	cancel()
	<-c.done
	if p := running(home, "node"); p != 0 {
		t.Fatalf("the child (pid %d) outlived its supervisor's end", p)
	}

	// As after a kill -9 of the supervisor: only the process and its pid file are left.
	ctx, cancel = context.WithCancel(t.Context())
	c.done = make(chan struct{})
	go c.run(ctx)
	eventually(t, "the child runs a third time", func() bool { return running(home, "node") != 0 })
	if err := end(home, "node", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-c.done

	// A pid that is someone else's by now is left alone.
	if err := os.WriteFile(pidFile(home, "node"), fmt.Appendf(nil, "%d 1\n", os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := running(home, "node"); p != 0 {
		t.Errorf("process %d was taken for the child", p)
	}
}
