// Command app is what the tests run as a tenant. Without a word it serves a page with $GREETING on :8080
// and logs each request; with one it is a command for a shell: exit N, cat, both, size.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	word := "serve"
	if len(os.Args) > 1 {
		word = os.Args[1]
	}
	switch word {
	case "serve":
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			fmt.Printf("%s %s\n", r.Method, r.URL.Path)
			fmt.Fprint(w, os.Getenv("GREETING"))
		})
		fmt.Println("listening,", os.Getenv("GREETING"))
		log.Fatal(http.ListenAndServe(":8080", nil))
	case "exit":
		code, err := strconv.Atoi(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("about to end with", code)
		os.Exit(code)
	case "cat": // to the end of its input, or to a line that says so
		buf, seen := make([]byte, 4096), 0
		for {
			n, err := os.Stdin.Read(buf)
			seen += n
			if _, err := os.Stdout.Write(buf[:n]); err != nil {
				log.Fatal(err)
			}
			if err == io.EOF || n > 0 && string(buf[max(0, n-4):n]) == "end\n" {
				fmt.Fprintln(os.Stderr, "copied", seen)
				return
			}
		}
	case "both":
		fmt.Fprintln(os.Stdout, "this is output")
		fmt.Fprintln(os.Stderr, "this is an error")
	case "size": // of the terminal, now and after each change; ends at its first input
		changed := make(chan os.Signal, 8)
		signal.Notify(changed, syscall.SIGWINCH)
		typed := make(chan struct{})
		go func() { _, _ = os.Stdin.Read(make([]byte, 1)); close(typed) }()
		for {
			if s, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err != nil {
				fmt.Println("no terminal:", err)
			} else {
				fmt.Printf("size %dx%d\n", s.Col, s.Row)
			}
			select {
			case <-changed:
			case <-typed:
				fmt.Println("typed")
				return
			}
		}
	default:
		log.Fatalf("no command %q", word)
	}
}
