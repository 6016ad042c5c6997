package containerd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// maxEvents is how many events of a lease are kept.
const maxEvents = 500

// history is what happened to a lease, newest last, in memory and in events.jsonl beside its logs.
type history struct {
	path string

	mu      sync.Mutex
	list    []runtime.Event
	first   int // number of list[0], counted from the lease's begin
	written int // lines in the file
	more    chan struct{}
	closed  bool
}

func openHistory(dir string) *history {
	h := &history{path: filepath.Join(dir, "events.jsonl"), more: make(chan struct{})}
	b, err := os.ReadFile(h.path)
	if err != nil {
		return h
	}
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		var e runtime.Event
		if json.Unmarshal(s.Bytes(), &e) == nil { // a torn last line isn't one
			h.list = append(h.list, e)
		}
		h.written++
	}
	if n := len(h.list); n > maxEvents {
		h.list = h.list[n-maxEvents:]
	}
	return h
}

func (h *history) add(e runtime.Event) {
	e.Time = time.Now().UTC()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, e)
	if len(h.list) > maxEvents {
		h.list = append([]runtime.Event(nil), h.list[1:]...)
		h.first++
	}
	close(h.more)
	h.more = make(chan struct{})
	_ = os.MkdirAll(filepath.Dir(h.path), 0o700)
	if h.written >= 2*maxEvents {
		var b bytes.Buffer
		for _, e := range h.list {
			line, _ := json.Marshal(e)
			b.Write(append(line, '\n'))
		}
		if writeFile(h.path, b.Bytes(), 0o600) == nil {
			h.written = len(h.list)
			return
		}
	}
	f, err := os.OpenFile(h.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return // events are for people; a full disk mustn't stop a lease
	}
	defer f.Close()
	line, _ := json.Marshal(e)
	if _, err := f.Write(append(line, '\n')); err == nil {
		h.written++
	}
}

func (h *history) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.more)
		h.more = make(chan struct{})
	}
}

// Events implements runtime.Eventer: what is remembered, oldest first, and with follow what
// comes, until fn fails, ctx ends or the lease is removed.
func (rt *Runtime) Events(ctx context.Context, id marketv1.LeaseID, follow bool, fn func(runtime.Event) error) error {
	key := leaseKey(id)
	rt.mu.Lock()
	l := rt.leases[key]
	rt.mu.Unlock()
	var h *history
	if l != nil {
		h = l.events
	} else {
		if _, err := os.Stat(rt.logDir(key)); err != nil {
			return runtime.ErrNotFound
		}
		h, follow = openHistory(rt.logDir(key)), false
	}
	next := 0
	for {
		h.mu.Lock()
		list, first, more, closed := h.list, h.first, h.more, h.closed
		h.mu.Unlock()
		for i, e := range list {
			if first+i < next {
				continue
			}
			if err := fn(e); err != nil {
				return err
			}
			next = first + i + 1
		}
		if !follow || closed {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-rt.ctx.Done():
			return nil
		case <-more:
		}
	}
}
