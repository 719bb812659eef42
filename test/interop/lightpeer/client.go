package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "xi-k8s/interop/lightpeer/pb"
)

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func runClient(command string, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("golike %s ADDRESS …", command)
	}
	conn, err := grpc.NewClient(args[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := pb.NewLightpeerClient(conn)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	switch {
	case command == "join" && len(args) == 2:
		_, err = client.JoinNetwork(ctx, &pb.JoinRequest{Address: args[1]})
		return err
	case command == "persist" && len(args) == 2:
		_, err = client.Persist(ctx, &pb.PersistRequest{Payload: []byte(args[1])})
		return err
	case command == "query" && len(args) == 1:
		return query(ctx, client)
	case command == "fill" && len(args) == 3:
		return fill(client, args[1:])
	case command == "load" && len(args) == 4:
		return load(client, args[1:])
	}
	return fmt.Errorf("no such call: %s %v", command, args)
}

// query prints a line a payload, newest first.
func query(ctx context.Context, client pb.LightpeerClient) error {
	stream, err := client.Query(ctx, &pb.EmptyQueryRequest{})
	if err != nil {
		return err
	}
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", answer.Payload)
	}
}

// fill persists so many BLOCKS of so many BYTES, eight at once.
func fill(client pb.LightpeerClient, args []string) error {
	blocks, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	failures := make(chan error, 8)
	for i := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for at := i; at < blocks; at += 8 {
				if _, err := client.Persist(context.Background(), &pb.PersistRequest{Payload: make([]byte, size)}); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	group.Wait()
	close(failures)
	return <-failures
}

// load persists payloads of so many BYTES from so many WRITERS for so many SECONDS, and prints calls a second, the median
// and the 99th percentile in milliseconds, and how many failed.
func load(client pb.LightpeerClient, args []string) error {
	var numbers [3]float64
	for i, text := range args {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		numbers[i] = value
	}
	writers, seconds, payload := int(numbers[0]), numbers[1], make([]byte, int(numbers[2]))
	var group sync.WaitGroup
	var mutex sync.Mutex
	var took []float64
	failed := 0
	started := time.Now()
	for range writers {
		group.Add(1)
		go func() {
			defer group.Done()
			for time.Since(started).Seconds() < seconds {
				before := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				_, err := client.Persist(ctx, &pb.PersistRequest{Payload: payload})
				cancel()
				mutex.Lock()
				if err != nil {
					failed++
				} else {
					took = append(took, float64(time.Since(before).Microseconds())/1000)
				}
				mutex.Unlock()
			}
		}()
	}
	group.Wait()
	if len(took) == 0 {
		return fmt.Errorf("all %d calls failed", failed)
	}
	sort.Float64s(took)
	at := func(share float64) float64 { return took[int(share*float64(len(took)-1))] }
	fmt.Printf("%.1f %.3f %.3f %d\n", float64(len(took))/time.Since(started).Seconds(), at(0.5), at(0.99), failed)
	return nil
}
