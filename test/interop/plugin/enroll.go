package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"xi-k8s/interop/plugin/pb/hostpb"
)

// runEnroll makes many plugins known to a host, and says how long it took. Those that come at the same time come from
// different loopback addresses, as a host may bound how many come from one.
func runEnroll(args []string) error {
	flags := flag.NewFlagSet("enroll", flag.ExitOnError)
	url := flags.String("host", "", "the host's URL")
	count := flags.Int("count", 1000, "how many plugins")
	at := flags.Int("at", 50, "how many at the same time")
	prefix := flags.String("prefix", "bulk", "of their names and types")
	if err := flags.Parse(args); err != nil {
		return err
	}
	numbers := make(chan int)
	failed := make([]error, *at)
	var workers sync.WaitGroup
	started := time.Now()
	for i := range *at {
		workers.Add(1)
		go func() {
			defer workers.Done()
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 77, 0, byte(i+1))}}
			client := &http.Client{Transport: &http.Transport{DialContext: from.DialContext}}
			for number := range numbers {
				if failed[i] == nil {
					failed[i] = enroll(*url, client, fmt.Sprintf("%s-%d", *prefix, number))
				}
			}
		}()
	}
	for number := range *count {
		numbers <- number
	}
	close(numbers)
	workers.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	say(map[string]any{"event": "enrolled", "calls": *count, "seconds": time.Since(started).Seconds()})
	return nil
}

func enroll(url string, client *http.Client, name string) error {
	ctx := context.Background()
	host := newHostClientOver(client, url)
	if _, err := host.shakeHands(ctx, &hostpb.HandshakeRequest{
		CoreProtocolVersion: 1, AppProtocolVersion: 1, MagicCookieKey: cookieKey, MagicCookieValue: cookieValue,
		SelfId: name, SelfVersion: "1.0.0",
	}); err != nil {
		return err
	}
	_, err := host.register(ctx, name, "1.0.0", echoPath, map[string]string{"base_url": "http://127.0.0.1:9"})
	return err
}
