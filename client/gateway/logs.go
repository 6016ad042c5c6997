package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
)

// LogOptions choose lines.
type LogOptions struct {
	// Services to hear; empty: all.
	Services []string
	// Follow goes on until ctx ends or the lease does.
	Follow bool
	// Tail is how many last lines of each replica come first; negative: all.
	Tail int
}

// maxFrame bounds one line of a log or one event.
const maxFrame = 1 << 20

// Logs calls fn for each line until it returns an error (which Logs returns), ctx ends or,
// when not following, the end is reached. name is the replica that wrote the line.
func (c *Client) Logs(ctx context.Context, lease marketv1.LeaseID, opt LogOptions, fn func(name, line string) error) error {
	return c.stream(ctx, leasePath(lease)+"/logs", opt.query(), func(data []byte) error {
		var line struct {
			Name    string `json:"name"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(data, &line); err != nil {
			return &Error{Provider: c.provider, Status: http.StatusOK, Message: "a log line can't be read: " + err.Error()}
		}
		return fn(line.Name, line.Message)
	})
}

// Events calls fn for each event of a lease, as JSON; like Logs.
func (c *Client) Events(ctx context.Context, lease marketv1.LeaseID, opt LogOptions, fn func(json.RawMessage) error) error {
	return c.stream(ctx, leasePath(lease)+"/kubeevents", opt.query(), func(data []byte) error { return fn(data) })
}

func (o LogOptions) query() url.Values {
	q := url.Values{"follow": {strconv.FormatBool(o.Follow)}}
	if o.Tail >= 0 {
		q.Set("tail", strconv.Itoa(o.Tail))
	}
	if len(o.Services) > 0 {
		list := strings.Join(o.Services, ",")
		q.Set("service", list)  // what servers read
		q.Set("services", list) // what clients send
	}
	return q
}

func (c *Client) stream(ctx context.Context, path string, q url.Values, fn func([]byte) error) error {
	h, err := c.header()
	if err != nil {
		return err
	}
	u := c.base.JoinPath(path)
	u.RawQuery = q.Encode()
	dialCtx, cancelDial := context.WithTimeout(ctx, 45*time.Second)
	conn, res, err := websocket.Dial(dialCtx, u.String(), &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: h})
	cancelDial()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			data, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
			return &Error{Provider: c.provider, Status: res.StatusCode, Message: message(data)}
		}
		return &UnreachableError{Provider: c.provider, Host: c.base.Host, Err: err}
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxFrame)
	// A provider that went away says nothing: ask whether it is there.
	alive, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		tick := time.NewTicker(15 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-alive.Done():
				return
			case <-tick.C:
				pingCtx, cancel := context.WithTimeout(alive, 15*time.Second)
				err := conn.Ping(pingCtx)
				cancel()
				if err != nil {
					stop(errors.New("the connection is lost"))
					return
				}
			}
		}
	}()
	for {
		_, data, err := conn.Read(alive)
		if err != nil {
			return c.ended(ctx, alive, err)
		}
		if err := fn(data); err != nil {
			return err
		}
	}
}

// ended tells a stream's normal end from the others.
func (c *Client) ended(ctx, alive context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if alive.Err() != nil {
		return &UnreachableError{Provider: c.provider, Host: c.base.Host, Err: context.Cause(alive)}
	}
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		switch closed.Code {
		case websocket.StatusNormalClosure, websocket.StatusNoStatusRcvd, websocket.StatusGoingAway:
			return nil
		case 4001:
			return &Error{Provider: c.provider, Status: http.StatusNotFound, Message: "no such lease runs there"}
		case 4002:
			return &Error{Provider: c.provider, Status: http.StatusServiceUnavailable, Message: closed.Reason}
		}
		return &Error{Provider: c.provider, Status: http.StatusInternalServerError, Message: fmt.Sprintf("stream closed (%d): %s", closed.Code, closed.Reason)}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // today's providers just hang up after the last line
	}
	return &UnreachableError{Provider: c.provider, Host: c.base.Host, Err: err}
}
