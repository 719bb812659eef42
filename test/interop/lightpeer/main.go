// A lightpeer as the Go implementation of 2020 behaves on the wire, its faults included, and a client of it. Written from
// the facts of the protocol for tests of our own peers against it; it is no part of what is installed.
//
//	golike peer -repo DIR -host H -port P [-statePath FILE]
//	golike join|persist|query|fill|load ADDRESS …
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("golike peer|join|persist|query|fill|load"))
	}
	var err error
	switch command, args := os.Args[1], os.Args[2:]; command {
	case "peer":
		err = runPeer(args)
	default:
		err = runClient(command, args)
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "golike:", err)
	os.Exit(1)
}
