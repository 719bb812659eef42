// Plugins, a client and hosts of connect-plugin's protocol in Go, as its reference behaves on the wire. Written from the
// facts of the protocol, for tests of our own host against them and for its benchmarks; it is no part of what is installed.
//
//	golike plugin                                as the environment says (see plugin.go)
//	golike client [FLAG…] COMMAND [ARGUMENT…]    prints a line of JSON for all that it learns
//	golike host [-router reference|proxy]        a host, to be measured beside ours
//	golike shortener logger|storage|api          the plugins of the URL shortener
//	golike load|transfer|enroll FLAG…            drives a server, and prints what it took as JSON
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"connectrpc.com/connect"
)

func main() {
	commands := map[string]func([]string) error{
		"plugin":    runPlugin,
		"client":    runClient,
		"host":      runHost,
		"shortener": runShortener,
		"load":      runLoad,
		"enroll":    runEnroll,
		"transfer":  runTransfer,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "golike plugin|client|host|shortener|load|transfer|enroll")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		say(map[string]any{"event": "error", "code": codeOf(err), "message": err.Error()})
		os.Exit(1)
	}
}

// codeOf is the Connect code of an error, or "" when it is none.
func codeOf(err error) string {
	var failure *connect.Error
	if !errors.As(err, &failure) {
		return ""
	}
	return failure.Code().String()
}

var saying sync.Mutex

// say prints a line of JSON.
func say(line any) {
	saying.Lock()
	defer saying.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, "golike:", err)
		os.Exit(1)
	}
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
