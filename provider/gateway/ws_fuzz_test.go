package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/akash-supercloud/akash/provider/runtime"
)

// FuzzShellFrames holds that whatever a client sends into a shell, its reader ends when the client leaves, and passes on no more than
// was sent.
func FuzzShellFrames(f *testing.F) {
	f.Add([]byte{2, shellStdin, 'l', 5, shellResize, 0, 80, 0, 24, 3, shellResize, 1, 2, 1, 200, 0}, true)
	f.Add([]byte{200, shellStdin, 1, 2, 3}, false)
	ended := make(chan int, 1)
	var wanted bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithCancel(r.Context())
		pr, pw := io.Pipe()
		read := make(chan int, 1)
		go func() {
			n, _ := io.Copy(io.Discard, pr)
			read <- int(n)
		}()
		readShell(ctx, cancel, conn, pw, make(chan runtime.Size, 4), wanted)
		ended <- <-read
	}))
	f.Cleanup(srv.Close)
	f.Fuzz(func(t *testing.T, frames []byte, in bool) {
		wanted = in
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		for rest := frames; len(rest) > 0; {
			n := min(int(rest[0]), len(rest)-1)
			kind := websocket.MessageBinary
			if rest[0]%7 == 6 {
				kind = websocket.MessageText
			}
			if conn.Write(ctx, kind, rest[1:1+n]) != nil {
				break // the other side has ended
			}
			sent += n
			rest = rest[1+n:]
		}
		_ = conn.CloseNow()
		select {
		case n := <-ended:
			if n > sent || n > 0 && !in {
				t.Errorf("%d bytes were passed on of %d; wanted %v", n, sent, in)
			}
		case <-ctx.Done():
			t.Fatal("the reader goes on after the client has left")
		}
	})
}
