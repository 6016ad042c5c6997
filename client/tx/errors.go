package tx

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Errors that a Chain returns and that the pipeline tells apart.
var (
	// ErrNotFound is returned by Chain.Tx for a hash that no block holds, as far as known.
	ErrNotFound = errors.New("tx: transaction not found")
	// ErrNoIndex is returned by Chain.Tx when the node keeps no index of transactions.
	ErrNoIndex = errors.New("tx: the node keeps no transaction index")
	// ErrNoAccount is returned by Chain.Account for an address the chain has never seen.
	ErrNoAccount = errors.New("tx: account not found")
)

// noAccount is ErrNoAccount in words for people.
type noAccount string

func (e noAccount) Error() string        { return string(e) }
func (e noAccount) Is(target error) bool { return target == ErrNoAccount }

// Error is the chain's refusal of a transaction. Nothing of the transaction was done,
// though its fee is gone if Height isn't 0.
type Error struct {
	// Codespace and Code name the error on the chain; see the tables of the modules.
	Codespace string
	Code      uint32
	// GRPC is the status the chain would give for it over gRPC; codes.Unknown if not known.
	GRPC codes.Code
	// Log is what the chain said, word for word.
	Log string
	// TxHash is upper-case hex; empty if it was refused before it was signed.
	TxHash string
	// Height of the block that holds the failed transaction; 0 if none does.
	Height int64
}

// NewError makes the error of a codespace, code and log.
func NewError(codespace string, code uint32, log string) *Error {
	return &Error{Codespace: codespace, Code: code, GRPC: grpcCode(codespace, code), Log: log}
}

// Error is one sentence: what the chain refused, what is wrong and where, and what to do about it.
func (e *Error) Error() string {
	return "the chain refused the transaction: " + sentence(e.Codespace, e.Code, e.Log)
}

// GRPCStatus lets status.Code and status.FromError see the status.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.GRPC, e.Error()) }

// Is makes errors.Is match any Error with the same codespace and code.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Codespace == e.Codespace && t.Code == e.Code
}

// UnknownError says that a transaction was sent and that nobody can tell yet whether it
// will be in a block: the node couldn't be reached for too long, or the caller gave up.
// Look for TxHash; after block TimeoutHeight it can't be included any more.
type UnknownError struct {
	TxHash        string
	TimeoutHeight uint64
	Err           error
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("transaction %s was sent, but whether it was included isn't known yet: %v; look it up with `akash query tx %s`",
		e.TxHash, e.Err, e.TxHash)
}

func (e *UnknownError) Unwrap() error { return e.Err }

// Codes of the SDK's own codespace that the pipeline acts on.
const (
	sdkSpace        = "sdk"
	codeOutOfGas    = 11
	codeInCache     = 19
	codeMempoolFull = 20
	codeTimeout     = 30
	codeSequence    = 32
)

func (e *Error) sdk(code uint32) bool { return e.Codespace == sdkSpace && e.Code == code }

var expected = regexp.MustCompile(`account sequence mismatch, expected (\d+), got (\d+)`)

// wrongSequence reports whether err says that the sequence is wrong, and which the node
// wants; want is only set if known.
func wrongSequence(err error) (want uint64, known, is bool) {
	var e *Error
	if !errors.As(err, &e) || !e.sdk(codeSequence) {
		return 0, false, false
	}
	if m := expected.FindStringSubmatch(e.Log); m != nil {
		want, err = strconv.ParseUint(m[1], 10, 64)
		return want, err == nil, true
	}
	return 0, false, true
}

var (
	noise = []*regexp.Regexp{
		regexp.MustCompile(` with gas used: '\d+'$`),
		regexp.MustCompile(`\s*\[[^\]\s]+\.go:\d+\]`),
		regexp.MustCompile(`(?s)\s*stack:\s*goroutine \d+ .*`), // of a panic that the chain caught
	}
	decimal = regexp.MustCompile(`\d+\.\d{18}`) // a price as the chain writes it
	message = regexp.MustCompile(`failed to execute message; message index: (\d+): `)
)

// plain takes the machinery out of a log: message counters, gas, source lines. Always one line.
func plain(log string) string {
	log = message.ReplaceAllString(log, "")
	for _, re := range noise {
		log = re.ReplaceAllString(log, "")
	}
	log = decimal.ReplaceAllStringFunc(strings.Join(strings.Fields(log), " "), func(n string) string {
		return strings.TrimSuffix(strings.TrimRight(n, "0"), ".")
	})
	if most := 600; len(log) > most {
		log = strings.ToValidUTF8(log[:most], "") + "…"
	}
	// The node says that it only tried, at either end.
	log = strings.TrimPrefix(log, "failed to simulate tx: ")
	return strings.TrimSuffix(log, ": failed to simulate tx")
}

// sentence says what a refusal means: what is wrong, the details that the chain gave, in which message if it isn't the first,
// and what to do.
func sentence(codespace string, code uint32, log string) string {
	name := codespace + " error " + strconv.FormatUint(uint64(code), 10)
	if m := message.FindStringSubmatch(log); m != nil && m[1] != "0" {
		if n, err := strconv.Atoi(m[1]); err == nil {
			name = "message " + strconv.Itoa(n+1) + ", " + name
		}
	}
	r := refusals[codespace][code]
	what, detail := r.what, plain(log)
	switch {
	case what == "": // the chain's own words are good enough
		what, detail = detail, ""
	case detail == r.text:
		detail = ""
	default: // in a transaction's log the text comes last, in a query's error first
		detail = strings.TrimPrefix(strings.TrimSuffix(detail, ": "+r.text), r.text+": ")
	}
	if what == "" {
		what = "no reason given"
	}
	if detail != "" {
		what += ": " + detail
	}
	if r.do != "" && !strings.Contains(detail, "; use ") { // else the chain has said what to do
		what += "; " + r.do
	}
	return what + " (" + name + ")"
}

var answered = regexp.MustCompile(`(?s)^codespace (\S+) code (\d+): (.*)$`)

// Sentence makes the sentence of a query that the chain refused, out of its gRPC status' message; false if that isn't
// one of the chain's errors.
func Sentence(message string) (string, bool) {
	m := answered.FindStringSubmatch(message)
	if m == nil {
		return "", false
	}
	code, err := strconv.ParseUint(m[2], 10, 32)
	if err != nil {
		return "", false
	}
	return sentence(m[1], uint32(code), m[3]), true
}

// grpcCode gives the status of an error by its codespace and code, as the chain registers it.
func grpcCode(codespace string, code uint32) codes.Code {
	if r, ok := refusals[codespace][code]; ok {
		return r.status
	}
	return codes.Unknown
}
