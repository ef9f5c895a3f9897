package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

// sink is a collector that reads exports over gRPC and HTTP, on one port which it prints, and drops them.
// GET /seen tells how many came.
func sink() {
	var exports, bytes atomic.Int64
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		exports.Add(1)
		bytes.Add(n)
		kind := r.Header.Get("Content-Type")
		w.Header().Set("Content-Type", kind)
		// An empty message is a valid answer to each export; gRPC's frame of it has five bytes.
		if strings.HasPrefix(kind, "application/grpc") {
			w.Write(make([]byte, 5))
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		}
	})
	http.HandleFunc("GET /seen", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"exports":%d,"bytes":%d}`, exports.Load(), bytes.Load())
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := http.Server{Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	log.Fatal(server.Serve(listener))
}
