package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/workload"
)

// Close codes that clients know.
const (
	closeInternal    = websocket.StatusCode(4000)
	closeNoLease     = websocket.StatusCode(4001)
	closeUnavailable = websocket.StatusCode(4002)
)

// Times of a WebSocket: how often the client is asked whether it is there, how long it may take to
// answer, and how long one frame may take to be read by it.
const (
	pingEvery = 10 * time.Second
	pongWait  = 15 * time.Second
	writeWait = 10 * time.Second
)

// streamQuery is what logs and events are asked for.
type streamQuery struct {
	services []string
	follow   bool
	tail     int
}

func parseStream(r *http.Request) (streamQuery, error) {
	q := streamQuery{tail: -1}
	v := r.URL.Query()
	list := v.Get("service")
	if list == "" {
		list = v.Get("services") // what stock clients send
	}
	if list != "" {
		if strings.HasSuffix(list, ",") {
			return q, errors.New(`parameter "service" must not contain trailing comma`)
		}
		q.services = strings.Split(list, ",")
		if len(q.services) > 100 {
			return q, errors.New(`parameter "service" names more than 100 services`)
		}
	}
	if f := v.Get("follow"); f != "" {
		var err error
		if q.follow, err = strconv.ParseBool(f); err != nil {
			return q, errors.New(`parameter "follow" contains invalid value`)
		}
	}
	if t := v.Get("tail"); t != "" {
		var err error
		if q.tail, err = strconv.Atoi(t); err != nil || q.tail < -1 {
			return q, errors.New(`parameter "tail" contains invalid value`)
		}
	}
	return q, nil
}

// stream checks a request for logs or events and upgrades it. run sends frames until it is done;
// its error, if any, decides the close code.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, c caller, scope auth.Scope, run func(ctx context.Context, id marketv1.LeaseID, q streamQuery, send func(v any) error) error) {
	id, err := s.lease(r, c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q, err := parseStream(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// A token for some services hears those only.
	all, names := c.claims.Services(s.opt.Provider, scope, id.DSeq, id.GSeq, id.OSeq)
	if !all {
		if len(q.services) == 0 {
			q.services = names
		}
		if len(names) == 0 || slices.ContainsFunc(q.services, func(n string) bool { return !slices.Contains(names, n) }) {
			deny(http.StatusUnauthorized, "unauthorized access").write(w)
			return
		}
	}
	conn, done, ok := s.upgrade(w, r, c)
	if !ok {
		return
	}
	defer done()
	ctx, cancel := context.WithCancel(conn.CloseRead(r.Context())) // clients have nothing to say here
	defer cancel()
	go keepAlive(ctx, cancel, conn)
	if _, err := s.opt.Workload.Lease(ctx, id); errors.Is(err, workload.ErrNoLease) {
		_ = conn.Close(closeNoLease, "lease not found")
		return
	}
	err = run(ctx, id, q, func(v any) error {
		frame, err := json.Marshal(v)
		if err != nil {
			return err
		}
		wctx, stop := context.WithTimeout(ctx, writeWait)
		defer stop()
		return conn.Write(wctx, websocket.MessageText, frame)
	})
	switch {
	case ctx.Err() != nil:
		_ = conn.CloseNow() // the client is gone, or this program ends
	case err == nil:
		_ = conn.Close(websocket.StatusNormalClosure, "")
	case errors.Is(err, errNoPods):
		_ = conn.Close(closeInternal, "no running pods")
	case errors.Is(err, runtime.ErrNotFound):
		_ = conn.Close(closeInternal, "no running pods")
	default:
		s.opt.Log.Warn("gateway: a stream broke off", "lease", id.String(), "err", err)
		_ = conn.Close(closeUnavailable, "service unavailable")
	}
}

var errNoPods = errors.New("no running pods")

// upgrade makes the connection a WebSocket, within the bounds on their number.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, c caller) (*websocket.Conn, func(), bool) {
	release, ok := s.streams.open(c.owner)
	if !ok {
		w.Header().Set("Retry-After", "5")
		http.Error(w, fmt.Sprintf("too many open streams; a tenant has at most %d at a time", maxStreamsTenant), http.StatusTooManyRequests)
		return nil, nil, false
	}
	// A stream may live for long; the server's own deadlines are for requests.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // tokens, not cookies: any page may ask
	if err != nil {
		release()
		return nil, nil, false
	}
	conn.SetReadLimit(64 << 10)
	return conn, func() { _ = conn.CloseNow(); release() }, true
}

// keepAlive ends a stream whose client doesn't answer.
func keepAlive(ctx context.Context, cancel func(), conn *websocket.Conn) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			pctx, stop := context.WithTimeout(ctx, pongWait)
			err := conn.Ping(pctx)
			stop()
			if err != nil {
				cancel()
				return
			}
		}
	}
}

func (s *Server) logs(w http.ResponseWriter, r *http.Request, c caller) {
	s.stream(w, r, c, auth.ScopeLogs, func(ctx context.Context, id marketv1.LeaseID, q streamQuery, send func(any) error) error {
		opt := runtime.LogOptions{Services: q.services, Follow: q.follow, Tail: q.tail}
		return s.opt.Runtime.Logs(ctx, id, opt, func(l runtime.LogLine) error {
			return send(struct {
				Name    string `json:"name"`
				Message string `json:"message"`
			}{l.Replica, l.Line})
		})
	})
}

// Namespace is the name of a lease in the words of Kubernetes, which clients of events know.
func Namespace(id marketv1.LeaseID) string {
	sum := sha256.Sum224([]byte(id.String()))
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

type eventFrame struct {
	Type       string      `json:"type"`
	Controller string      `json:"reportingController,omitempty"`
	Instance   string      `json:"reportingInstance,omitempty"`
	Reason     string      `json:"reason"`
	Note       string      `json:"note"`
	Object     eventObject `json:"object"`
}

type eventObject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (s *Server) events(w http.ResponseWriter, r *http.Request, c caller) {
	s.stream(w, r, c, auth.ScopeEvents, func(ctx context.Context, id marketv1.LeaseID, q streamQuery, send func(any) error) error {
		source, ok := s.opt.Runtime.(runtime.Eventer)
		if !ok {
			if q.follow {
				<-ctx.Done()
			}
			return nil
		}
		return source.Events(ctx, id, q.follow, func(e runtime.Event) error {
			if len(q.services) > 0 && !slices.Contains(q.services, e.Service) {
				return nil
			}
			f := eventFrame{Type: "Normal", Controller: "akash-provider", Reason: e.Reason, Note: e.Note,
				Object: eventObject{Kind: "Pod", Namespace: Namespace(id), Name: e.Replica}}
			if e.Warning {
				f.Type = "Warning"
			}
			if e.Replica == "" {
				f.Object.Kind, f.Object.Name = "Deployment", e.Service
			}
			return send(f)
		})
	})
}

// Codes of a shell's frames: the first byte of each.
const (
	shellStdout  = 100
	shellStderr  = 101
	shellResult  = 102
	shellFailure = 103
	shellStdin   = 104
	shellResize  = 105
)

type shellQuery struct {
	cmd        []string
	service    string
	pod        int
	tty, stdin bool
}

func parseShell(r *http.Request) (shellQuery, error) {
	v := r.URL.Query()
	var q shellQuery
	for i := 0; i < 1000; i++ {
		part := v.Get("cmd" + strconv.Itoa(i))
		if part == "" {
			break
		}
		q.cmd = append(q.cmd, part)
	}
	q.service = v.Get("service")
	pod, err := strconv.ParseUint(v.Get("podIndex"), 10, 31)
	if len(q.cmd) == 0 || q.service == "" || err != nil {
		return q, errors.New("a shell needs cmd0, service, podIndex, tty and stdin")
	}
	q.pod = int(pod)
	for name, to := range map[string]*bool{"tty": &q.tty, "stdin": &q.stdin} {
		switch v.Get(name) {
		case "0":
		case "1":
			*to = true
		default:
			return q, fmt.Errorf("parameter %q must be 0 or 1", name)
		}
	}
	return q, nil
}

type shellEnd struct {
	ExitCode int    `json:"exit_code"`
	Message  string `json:"message,omitempty"`
}

func (s *Server) shell(w http.ResponseWriter, r *http.Request, c caller) {
	q, err := parseShell(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, ok := s.permitted(w, r, c, auth.ScopeShell, q.service)
	if !ok {
		return
	}
	conn, done, ok := s.upgrade(w, r, c)
	if !ok {
		return
	}
	defer done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := &frames{ctx: ctx, conn: conn}
	end, failed := s.runShell(ctx, cancel, conn, out, id, q)
	if ctx.Err() != nil && failed {
		return
	}
	if failed {
		_ = out.write(shellFailure, nil)
	} else {
		body, _ := json.Marshal(end)
		_ = out.write(shellResult, append(body, '\n'))
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

func (s *Server) runShell(ctx context.Context, cancel func(), conn *websocket.Conn, out *frames, id marketv1.LeaseID, q shellQuery) (shellEnd, bool) {
	refuse := func(text string) (shellEnd, bool) { return shellEnd{ExitCode: 1, Message: text}, false }
	v, err := s.opt.Workload.Lease(ctx, id)
	if errors.Is(err, workload.ErrNoLease) {
		return refuse("kube: no service for that lease")
	}
	if err != nil {
		return shellEnd{}, true
	}
	i := slices.IndexFunc(v.Group.Services, func(sv groupService) bool { return sv.Name == q.service })
	if i < 0 {
		return refuse("remote command execute error: no such service exists with that name")
	}
	st := v.Status.Services[q.service]
	switch {
	case len(st.Replicas) == 0:
		return refuse("no active replicase for service")
	case q.pod >= len(st.Replicas):
		return refuse(fmt.Sprintf("remote command execute error: pod index out of range: valid range is [0, %d]", len(st.Replicas)-1))
	}
	pods := slices.Clone(st.Replicas)
	slices.SortFunc(pods, func(a, b runtime.Replica) int { return strings.Compare(a.Name, b.Name) })
	if pods[q.pod].State != runtime.StateRunning {
		return refuse("remote command execute error: service with that name is not running: the service is not ready")
	}
	exec, ok := s.opt.Runtime.(runtime.Execer)
	if !ok {
		return refuse("remote command execute error: command execution failed")
	}
	stdio := runtime.Stdio{Stdout: out.stream(shellStdout), Stderr: out.stream(shellStderr), TTY: q.tty}
	resize := make(chan runtime.Size, 4)
	stdio.Resize = resize
	pr, pw := io.Pipe()
	defer pr.Close()
	if q.stdin {
		stdio.Stdin = pr
	}
	go keepAlive(ctx, cancel, conn)
	go readShell(ctx, cancel, conn, pw, resize, q.stdin)
	code, err := exec.Exec(ctx, id, q.service, pods[q.pod].Index, q.cmd, stdio)
	switch {
	case err == nil:
		return shellEnd{ExitCode: code}, false
	case errors.Is(err, runtime.ErrNotFound):
		return refuse("remote command execute error: service with that name is not running")
	case ctx.Err() != nil:
		return shellEnd{}, true
	case errors.Is(err, runtime.ErrNoCommand):
		return refuse("remote command execute error: command could not be executed because it does not exist")
	}
	s.opt.Log.Warn("gateway: a shell failed", "lease", id.String(), "service", q.service, "err", err)
	return refuse("remote command execute error: command execution failed")
}

// readShell passes on what the client types until it goes away.
func readShell(ctx context.Context, cancel func(), conn *websocket.Conn, stdin *io.PipeWriter, resize chan<- runtime.Size, wanted bool) {
	defer cancel()
	defer stdin.Close()
	for {
		typ, frame, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if typ != websocket.MessageBinary || len(frame) == 0 {
			continue
		}
		switch body := frame[1:]; frame[0] {
		case shellStdin:
			if wanted {
				// A command that doesn't read holds the client back, not this program's memory.
				if _, err := stdin.Write(body); err != nil {
					wanted = false
				}
			}
		case shellResize:
			if len(body) == 4 {
				size := runtime.Size{Width: binary.BigEndian.Uint16(body), Height: binary.BigEndian.Uint16(body[2:])}
				select {
				case resize <- size:
				default:
				}
			}
		default:
			return
		}
	}
}

// frames writes a shell's frames, one at a time.
type frames struct {
	ctx  context.Context
	conn *websocket.Conn
	mu   sync.Mutex
}

func (f *frames) write(code byte, body []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.ctx, writeWait)
	defer cancel()
	return f.conn.Write(ctx, websocket.MessageBinary, append([]byte{code}, body...))
}

func (f *frames) stream(code byte) io.Writer { return frameWriter{f, code} }

type frameWriter struct {
	f    *frames
	code byte
}

func (w frameWriter) Write(p []byte) (int, error) {
	if err := w.f.write(w.code, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
