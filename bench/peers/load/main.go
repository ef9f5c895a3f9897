// Calls a user service from a process of its own.
//
//	load rest|grpc -addr H:P -call get|create|list -seconds 4               closed loop, 64 calls at once
//	load rest|grpc -addr H:P -call get|create|list -seconds 4 -rate 2000    open loop
//	load sink                                                               a collector that reads and drops
//
// The first calls of a run, for -lead seconds, open the connections and are not measured. Then it prints
// "ready" and waits for a line on standard input, so that the CPU time of the server can be read while no
// call is under way. Last it prints the result as a line of JSON, and ends.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
)

var (
	addr    = flag.String("addr", "", "host:port")
	kind    = flag.String("call", "get", "get, create or list")
	users   = flag.Int64("users", 100000, "ids go from 1 to this")
	run     = flag.String("run", "", "makes mail addresses of this run differ from those of others")
	lead    = flag.Float64("lead", 0.5, "seconds before the measured ones")
	seconds = flag.Float64("seconds", 4, "measured seconds")
	rate    = flag.Float64("rate", 0, "calls a second; 0: closed loop")
)

// callers is how many calls are under way at once: so many connections of HTTP/1.1, or connections of
// HTTP/2 with so many streams in all.
const callers = 64

func main() {
	if len(os.Args) < 2 {
		log.Fatal("load grpc|rest|sink")
	}
	mode := os.Args[1]
	if mode == "sink" {
		sink()
		return
	}
	flag.CommandLine.Parse(os.Args[2:])
	calls := overREST
	if mode == "grpc" {
		calls = overGRPC
	}
	json.NewEncoder(os.Stdout).Encode(measure(calls()))
}

func measure(calls []call) result {
	before := load(calls, *lead)
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	r := load(calls, *seconds)
	// A call that fails while the connections are opened is a failed call, too.
	r.Failed += before.Failed
	if r.Error == "" {
		r.Error = before.Error
	}
	return r
}

func load(calls []call, seconds float64) result {
	if *rate > 0 {
		return open(calls, seconds, *rate)
	}
	return closed(calls, seconds)
}
