// go-zero's own discovery, for the tests of src/fleet.
//
//	gozero subscribe ENDPOINT KEY        writes the addresses, as a JSON list in order, after each change
//	gozero publish ENDPOINT KEY ADDRESS  announces an address until standard input ends
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
)

func main() {
	logx.Disable()
	if err := run(os.Args[1], []string{os.Args[2]}, os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(command string, endpoints, args []string) error {
	if command == "publish" {
		publisher := discov.NewPublisher(endpoints, args[0], args[1])
		if err := publisher.KeepAlive(); err != nil {
			return err
		}
		fmt.Println("published")
		_, err := io.Copy(io.Discard, os.Stdin)
		publisher.Stop()
		return err
	}
	subscriber, err := discov.NewSubscriber(endpoints, args[0])
	if err != nil {
		return err
	}
	tell := func() {
		values := slices.Sorted(slices.Values(subscriber.Values()))
		line, _ := json.Marshal(append([]string{}, values...))
		fmt.Println(string(line))
	}
	subscriber.AddListener(tell)
	tell()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
