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

// Error is one sentence: what the chain refused, why, and what to do where that is known.
func (e *Error) Error() string {
	why := plain(e.Log)
	if why == "" {
		why = "no reason given"
	}
	if hint := hints[e.name()]; hint != "" {
		why += "; " + hint
	}
	return fmt.Sprintf("the chain refused the transaction: %s (%s)", why, e.name())
}

func (e *Error) name() string {
	return e.Codespace + " error " + strconv.FormatUint(uint64(e.Code), 10)
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

var noise = []*regexp.Regexp{
	regexp.MustCompile(`^failed to simulate tx: `),
	regexp.MustCompile(`failed to execute message; message index: \d+: `),
	regexp.MustCompile(` with gas used: '\d+'$`),
	regexp.MustCompile(`\s*\[[^\]\s]+\.go:\d+\]`),
	regexp.MustCompile(`(?s)\s*stack:\s*goroutine \d+ .*`), // of a panic that the chain caught
}

// plain takes the machinery out of a log: message counters, gas, source lines, and the
// "context: description" order reads well enough as it is. Always one line.
func plain(log string) string {
	for _, re := range noise {
		log = re.ReplaceAllString(log, "")
	}
	log = strings.Join(strings.Fields(log), " ")
	if most := 600; len(log) > most {
		log = strings.ToValidUTF8(log[:most], "") + "…"
	}
	// A quoted stack or a wrapped "failed to simulate tx" may come at either end.
	log = strings.TrimPrefix(log, "failed to simulate tx: ")
	return strings.TrimSuffix(log, ": failed to simulate tx")
}

var hints = map[string]string{
	"sdk error 5":         "send it coins, or ask for less",
	"sdk error 11":        "raise --gas-adjustment",
	"sdk error 13":        "raise --gas-prices",
	"sdk error 20":        "the node is busy; try again in a moment",
	"deployment error 4":  "see `akash ls` for yours",
	"deployment error 5":  "see `akash ls` for yours",
	"deployment error 20": "see `akash query deployment params` for the least deposit",
	"market error 12":     "the bid was withdrawn or lost; choose another",
	"market error 28":     "see `akash query market params` for the least deposit",
	"market error 30":     "register first with `akash tx provider create`",
	"escrow error 4":      "deposit more with `akash tx escrow deposit`",
}

// grpcCode gives the status of an error by its codespace and code, as the chain registers it.
func grpcCode(codespace string, code uint32) codes.Code {
	letters := statuses[codespace]
	if code == 0 || int(code) > len(letters) {
		return codes.Unknown
	}
	switch letters[code-1] {
	case 'i':
		return codes.InvalidArgument
	case 'n':
		return codes.NotFound
	case 'x':
		return codes.AlreadyExists
	case 'p':
		return codes.FailedPrecondition
	case 'd':
		return codes.PermissionDenied
	case 'a':
		return codes.Aborted
	case 'I':
		return codes.Internal
	case 'u':
		return codes.Unauthenticated
	}
	return codes.Unknown
}

// statuses holds a letter for each code of a codespace, from code 1 on.
var statuses = map[string]string{
	"deployment": "nixnpiiiiiIiinppppiiiiiiii",
	"market":     "iiIiinnnnppppnnnpninxippxppiiniiiippppiii",
	"escrow":     "xpnpixpniiiiiidiii",
	"provider":   "iinxiipiII",
	"audit":      "nin",
	"cert":       "nixpiiiii",
	"bme":        "?iu?aaaiiiiIxaaaa",
	"sdk":        "?iidpiiini",
}
