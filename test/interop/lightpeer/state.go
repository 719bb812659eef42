package main

import (
	"bytes"
	"context"
	"math/rand"
	"os"
	"sync"
	"time"

	pb "xi-k8s/interop/lightpeer/pb"
)

var lastState struct {
	sync.Mutex
	content []byte
}

// writeState puts the payload of each block of another peer into the file.
func writeState(path string) func([]byte) {
	return func(payload []byte) {
		lastState.Lock()
		defer lastState.Unlock()
		lastState.content = payload
		_ = os.WriteFile(path, payload, 0o644)
	}
}

// pollState looks at the file every one to two seconds, and persists what has changed.
func pollState(p *peer, path string) {
	for {
		time.Sleep(time.Second + time.Duration(rand.Intn(1000))*time.Millisecond)
		content, err := os.ReadFile(path)
		lastState.Lock()
		changed := err == nil && !bytes.Equal(content, lastState.content)
		if changed {
			lastState.content = content
		}
		lastState.Unlock()
		if changed {
			_, _ = p.Persist(context.Background(), &pb.PersistRequest{Payload: content})
		}
	}
}
