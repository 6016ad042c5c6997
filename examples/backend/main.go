// Command backend is the private half of the two-service example: it counts visits.
package main

import (
	"fmt"
	"log"
	"net/http"
	"sync/atomic"
	"time"
)

func main() {
	var visits atomic.Int64
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		n := visits.Add(1)
		log.Printf("visit %d", n)
		fmt.Fprintf(w, "visit %d\n", n)
	})
	srv := &http.Server{Addr: ":9000", ReadHeaderTimeout: 5 * time.Second}
	log.Print("listening on :9000")
	log.Fatal(srv.ListenAndServe())
}
