package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// A replica's output goes into one file, opened and appended to by its shim: no process of
// ours is in the way, so output isn't lost or held up when the provider dies. The file keeps
// the newest LogBytes: older blocks are punched out of its front. That is atomic beside the
// shim's appends and leaves offsets as they were, so nothing is lost at the edge and readers
// don't notice. (A logger binary a container was the other way: its death kills the container,
// and this program is too large to run once for each.)

// maxLine is the longest line handed out; longer ones are split.
const maxLine = 64 << 10

func (rt *Runtime) logDir(key string) string { return filepath.Join(rt.opt.Home, "logs", key) }

func (rt *Runtime) logPath(key, service string, index int) string {
	return filepath.Join(rt.logDir(key), fmt.Sprintf("%s.%d.log", service, index))
}

// parseLogName is the inverse of logPath's file name.
func parseLogName(name string) (service string, index int, ok bool) {
	base, ok := strings.CutSuffix(name, ".log")
	if !ok {
		return "", 0, false
	}
	i := strings.LastIndexByte(base, '.')
	if i <= 0 {
		return "", 0, false
	}
	index, err := strconv.Atoi(base[i+1:])
	return base[:i], index, err == nil
}

// prepareLog makes the file; when the last container ended in the middle of a line, the
// line is ended.
func prepareLog(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], st.Size()-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		_, err = f.Write([]byte("\n"))
	}
	return err
}

// trimLog frees the old part of a log that grew over its bound.
func trimLog(path string, limit int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return err
	}
	if s.Blocks*512 <= limit {
		return nil
	}
	const block = 4096
	// Leave room, so that a busy log isn't trimmed at every look.
	end := (st.Size() - limit*3/4) / block * block
	if end <= 0 {
		return nil
	}
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, end)
}

// firstData returns where a log's kept part begins.
func firstData(f *os.File, size int64) int64 {
	off, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA)
	if err != nil { // ENXIO: nothing but hole; or not supported: all of it
		if errors.Is(err, unix.ENXIO) {
			return size
		}
		return 0
	}
	return off
}

// logReader reads one replica's log from an offset on.
type logReader struct {
	path    string
	line    runtime.LogLine // Replica and Service
	offset  int64
	partial []byte
}

// seek sets the offset to the start of the last tail lines, or of the kept part.
func (r *logReader) seek(tail int) error {
	f, err := os.Open(r.path)
	if err != nil {
		if os.IsNotExist(err) {
			return nil
		}
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	size := st.Size()
	first := firstData(f, size)
	if first > 0 {
		// The cut went through a line: begin with the next.
		buf := make([]byte, maxLine)
		n, _ := f.ReadAt(buf, first)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			first += int64(i) + 1
		}
	}
	r.offset = first
	if tail < 0 {
		return nil
	}
	if tail == 0 {
		r.offset = size
		return nil
	}
	// Backwards in steps, counting line ends.
	buf := make([]byte, 64<<10)
	lines := 0
	for end := size; end > first; {
		begin := max(first, end-int64(len(buf)))
		n, err := f.ReadAt(buf[:end-begin], begin)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' && begin+int64(i) != size-1 {
				if lines++; lines == tail {
					r.offset = begin + int64(i) + 1
					return nil
				}
			}
		}
		end = begin
	}
	return nil
}

// read hands out the lines that are there, at most about 1 MiB; final also hands out a last
// line without an end. It says whether there may be more.
func (r *logReader) read(fn func(runtime.LogLine) error, final bool) (more bool, err error) {
	emit := func(b []byte) error {
		l := r.line
		l.Line = strings.ToValidUTF8(string(bytes.TrimSuffix(b, []byte("\r"))), "\uFFFD")
		return fn(l)
	}
	f, err := os.Open(r.path)
	if err != nil {
		if os.IsNotExist(err) {
			return false, nil
		}
		return false, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	if r.offset > st.Size() { // a new file with the old name
		r.offset, r.partial = 0, nil
	}
	if first := firstData(f, st.Size()); first > r.offset { // we were slower than the writer
		r.offset, r.partial = first, nil
	}
	buf := make([]byte, 64<<10)
	for range 16 {
		n, err := f.ReadAt(buf, r.offset)
		r.offset += int64(n)
		chunk := buf[:n]
		for {
			i := bytes.IndexByte(chunk, '\n')
			if i < 0 {
				break
			}
			line := append(r.partial, chunk[:i]...)
			r.partial, chunk = nil, chunk[i+1:]
			for len(line) > maxLine {
				if err := emit(line[:maxLine]); err != nil {
					return false, err
				}
				line = line[maxLine:]
			}
			if err := emit(line); err != nil {
				return false, err
			}
		}
		r.partial = append(r.partial, chunk...)
		for len(r.partial) > maxLine {
			if err := emit(r.partial[:maxLine]); err != nil {
				return false, err
			}
			r.partial = append([]byte(nil), r.partial[maxLine:]...)
		}
		if err != nil || n == 0 {
			if final && len(r.partial) > 0 {
				line := r.partial
				r.partial = nil
				return false, emit(line)
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return false, err
			}
			return false, nil
		}
	}
	return true, nil
}

// Logs implements runtime.Runtime. A removed lease's logs can be read while they are kept.
func (rt *Runtime) Logs(ctx context.Context, id marketv1.LeaseID, opt runtime.LogOptions, fn func(runtime.LogLine) error) error {
	key := leaseKey(id)
	rt.mu.Lock()
	l := rt.leases[key]
	rt.mu.Unlock()
	if _, err := os.Stat(rt.logDir(key)); l == nil && err != nil {
		return runtime.ErrNotFound
	}
	readers := map[string]*logReader{}
	begun := false
	// find adds readers for files that appeared.
	find := func() ([]*logReader, error) {
		entries, err := os.ReadDir(rt.logDir(key))
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		var list []*logReader
		for _, e := range entries {
			service, index, ok := parseLogName(e.Name())
			if !ok || len(opt.Services) > 0 && !slices.Contains(opt.Services, service) {
				continue
			}
			r := readers[e.Name()]
			if r == nil {
				r = &logReader{
					path: filepath.Join(rt.logDir(key), e.Name()),
					line: runtime.LogLine{Replica: replicaName(key, service, index), Service: service},
				}
				readers[e.Name()] = r
				if !begun { // later ones are new: all of it
					if err := r.seek(opt.Tail); err != nil {
						return nil, err
					}
				}
			}
			list = append(list, r)
		}
		begun = true
		return list, nil
	}
	const step = 100 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		// Whether the lease is gone is asked before reading, so nothing written until then is missed.
		rt.mu.Lock()
		gone := rt.leases[key] == nil
		rt.mu.Unlock()
		list, err := find()
		if err != nil {
			return err
		}
		final := !opt.Follow || gone
		for again := true; again; {
			again = false
			for _, r := range list {
				if err := ctx.Err(); err != nil {
					return err
				}
				more, err := r.read(fn, final)
				if err != nil {
					return err
				}
				again = again || more
			}
		}
		if final {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-rt.ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// replicaName is what logs and events call a replica.
func replicaName(key, service string, index int) string {
	return fmt.Sprintf("%s-%d-%s", service, index, key[:8])
}

// trimLogs bounds all logs, and deletes those of leases that were removed long enough ago.
func (rt *Runtime) trimLogs() {
	dirs, _ := os.ReadDir(filepath.Join(rt.opt.Home, "logs"))
	for _, d := range dirs {
		dir := filepath.Join(rt.opt.Home, "logs", d.Name())
		rt.mu.Lock()
		known := rt.leases[d.Name()] != nil
		rt.mu.Unlock()
		if !known {
			st, err := os.Stat(filepath.Join(dir, "closed"))
			if err != nil {
				// A lease that was removed without a mark: from now on.
				_ = os.WriteFile(filepath.Join(dir, "closed"), nil, 0o600)
			} else if rt.opt.LogRetention < 0 || time.Since(st.ModTime()) > rt.opt.LogRetention {
				_ = os.RemoveAll(dir)
			}
			continue
		}
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			if _, _, ok := parseLogName(f.Name()); ok {
				if err := trimLog(filepath.Join(dir, f.Name()), rt.opt.LogBytes); err != nil && !os.IsNotExist(err) {
					rt.log.Warn("a log can't be trimmed", "file", f.Name(), "error", err)
				}
			}
		}
	}
}
