package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a node that runs as a process of its own.
type process struct {
	cmd             *exec.Cmd
	home, rpc, grpc string
	ended           chan error
	client          http.Client
}

var readyLine = regexp.MustCompile(`RPC http://(\S+), gRPC (\S+), REST`)

// startNode starts the node of home with the program bin and returns once it answers.
func startNode(ctx context.Context, bin, home string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(home, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	const any = "127.0.0.1:0"
	p := &process{home: home, ended: make(chan error, 1), client: http.Client{Timeout: time.Minute}}
	p.cmd = exec.CommandContext(ctx, bin, append([]string{"start", "--home", home, "--rpc-addr", any, "--grpc-addr", any, "--rest-addr", any,
		"--p2p-addr", any, "--log-level", "warn", "--set", "consensus.timeout_commit=200ms"}, args...)...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 30 * time.Second
	p.cmd.Stderr = log
	// The node ends with this program, however that ends.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", bin, err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, out)
		p.ended <- p.cmd.Wait()
	}()
	m := readyLine.FindStringSubmatch(line)
	if m == nil {
		<-p.ended
		text, _ := os.ReadFile(filepath.Join(home, "log"))
		return nil, fmt.Errorf("the node didn't start (%v): %s", err, text[max(0, len(text)-2000):])
	}
	p.rpc, p.grpc = m[1], m[2]
	first := int64(-1)
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		h, err := p.height()
		if err != nil {
			continue
		}
		if first < 0 {
			first = h
		}
		if h > max(first, 1) { // it has made a block of its own
			return p, nil
		}
	}
	p.stop()
	return nil, errors.New("the node made no block within 5 minutes")
}

// stop ends the node and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// cpu is the processor time, user and system, that the node has used.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	text := string(b)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // from field 3 on
	if len(f) < 13 {
		return 0, errors.New("/proc/PID/stat is too short")
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100), errors.Join(err1, err2) // USER_HZ is 100 on Linux
}

// memory is the resident memory in MiB, now and at its highest.
func (p *process) memory() (now, peak int64) { return memoryOf(p.cmd.Process.Pid) }

func memoryOf(pid int) (now, peak int64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			now = n >> 10
		case "VmHWM:":
			peak = n >> 10
		}
	}
	return now, peak
}

// get asks the RPC for path and reads the result into v.
func (p *process) get(path string, v any) error {
	res, err := p.client.Get("http://" + p.rpc + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var r struct {
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if r.Error != nil {
		return fmt.Errorf("%s: %s", path, r.Error)
	}
	return json.Unmarshal(r.Result, v)
}

// block is what a measurement reads of a block.
type block struct {
	height int64
	txs    int
	time   time.Time
}

// height is that of the last block whose transactions have run and are saved. The RPC's status is a block ahead meanwhile.
func (p *process) height() (int64, error) {
	var s struct {
		Response struct {
			Height int64 `json:"last_block_height,string"`
		} `json:"response"`
	}
	err := p.get("/abci_info", &s)
	return s.Response.Height, err
}

// blocksAfter returns up to 20 blocks behind height, the lowest first.
func (p *process) blocksAfter(height int64) ([]block, error) {
	last, err := p.height()
	if err != nil || last <= height {
		return nil, err
	}
	var r struct {
		Metas []struct {
			Header struct {
				Height int64     `json:"height,string"`
				Time   time.Time `json:"time"`
			} `json:"header"`
			Txs int `json:"num_txs,string"`
		} `json:"block_metas"`
	}
	err = p.get(fmt.Sprintf("/blockchain?minHeight=%d&maxHeight=%d", height+1, min(last, height+20)), &r)
	var out []block
	for i := len(r.Metas) - 1; i >= 0; i-- {
		m := r.Metas[i]
		out = append(out, block{m.Header.Height, m.Txs, m.Header.Time})
	}
	return out, err
}

// failures counts the transactions of a block that failed, with the first one's reason.
func (p *process) failures(height int64) (int, string, error) {
	var r struct {
		Txs []struct {
			Code      uint32 `json:"code"`
			Codespace string `json:"codespace"`
			Log       string `json:"log"`
		} `json:"txs_results"`
	}
	if err := p.get(fmt.Sprintf("/block_results?height=%d", height), &r); err != nil {
		return 0, "", err
	}
	n, why := 0, ""
	for _, t := range r.Txs {
		if t.Code != 0 {
			if n++; n == 1 {
				why = fmt.Sprintf("%s/%d: %s", t.Codespace, t.Code, t.Log)
			}
		}
	}
	return n, why, nil
}
