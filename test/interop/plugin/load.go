package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// headers collects -header name:value.
type headers []string

func (h *headers) String() string { return strings.Join(*h, "\n") }
func (h *headers) Set(line string) error {
	*h = append(*h, line)
	return nil
}

// runLoad posts the same body over kept connections, one call under way on each, and says how fast it went. The requests
// are prepared bytes, and no more of an answer is looked at than its end needs, so that it costs little beside the servers.
func runLoad(args []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	target := flags.String("url", "", "what is called")
	body := flags.String("body", "{}", "the body of each call")
	connections := flags.Int("connections", 1, "how many at once")
	duration := flags.Duration("duration", time.Second, "how long")
	calls := flags.Int64("calls", 1<<62, "and no more calls than these")
	warm := flags.Duration("warm", 0, "calls before it, which do not count")
	var extra headers
	flags.Var(&extra, "header", "name: value; may be given again")
	if err := flags.Parse(args); err != nil {
		return err
	}
	at, err := url.Parse(*target)
	if err != nil {
		return err
	}
	request := prepared(at, *body, extra)
	if *warm > 0 {
		if _, err := drive(at.Host, request, *connections, *warm, 1<<62); err != nil {
			return err
		}
	}
	figures, err := drive(at.Host, request, *connections, *duration, *calls)
	if err != nil {
		return err
	}
	say(figures)
	return nil
}

func prepared(at *url.URL, body string, extra headers) []byte {
	var request bytes.Buffer
	fmt.Fprintf(&request, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		at.RequestURI(), at.Host, len(body))
	for _, line := range extra {
		fmt.Fprintf(&request, "%s\r\n", line)
	}
	fmt.Fprintf(&request, "\r\n%s", body)
	return request.Bytes()
}

type loadFigures struct {
	Calls          int     `json:"calls"`
	CallsPerSecond float64 `json:"calls_per_second"`
	P50            float64 `json:"p50_ms"`
	P99            float64 `json:"p99_ms"`
	Most           float64 `json:"most_ms"`
}

func drive(address string, request []byte, connections int, duration time.Duration, calls int64) (loadFigures, error) {
	var (
		left    atomic.Int64
		workers sync.WaitGroup
		took    = make([][]time.Duration, connections)
		failed  = make([]error, connections)
	)
	left.Store(calls)
	started := time.Now()
	until := started.Add(duration)
	for i := range connections {
		workers.Add(1)
		go func() {
			defer workers.Done()
			took[i], failed[i] = work(address, request, until, &left)
		}()
	}
	workers.Wait()
	seconds := time.Since(started).Seconds()
	if err := errors.Join(failed...); err != nil {
		return loadFigures{}, err
	}
	all := slices.Concat(took...)
	if len(all) == 0 {
		return loadFigures{}, errors.New("there was no time for a single call")
	}
	slices.Sort(all)
	ms := func(part float64) float64 {
		return float64(all[int(part*float64(len(all)-1))].Nanoseconds()) / 1e6
	}
	return loadFigures{len(all), float64(len(all)) / seconds, ms(0.5), ms(0.99), ms(1)}, nil
}

func work(address string, request []byte, until time.Time, left *atomic.Int64) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 16<<10)
	var took []time.Duration
	for left.Add(-1) >= 0 {
		started := time.Now()
		if started.After(until) {
			break
		}
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		if err := skipAnswer(reader); err != nil {
			return nil, err
		}
		took = append(took, time.Since(started))
	}
	return took, nil
}

// skipAnswer reads one whole answer. It fails when that is no success.
func skipAnswer(reader *bufio.Reader) error {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	status := string(line)
	length, chunked := int64(-1), false
	for {
		if line, err = reader.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	if !strings.HasPrefix(status, "HTTP/1.1 2") {
		text := make([]byte, max(0, min(length, 1<<10)))
		io.ReadFull(reader, text)
		return fmt.Errorf("an answer was %s: %s", strings.TrimSpace(status), text)
	}
	if chunked {
		return skipChunks(reader)
	}
	if length < 0 {
		return errors.New("an answer has neither a length nor chunks")
	}
	_, err = reader.Discard(int(length))
	return err
}

// skipChunks reads a chunked body without trailers.
func skipChunks(reader *bufio.Reader) error {
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return err
		}
		if _, err := reader.Discard(int(size) + 2); err != nil || size == 0 {
			return err
		}
	}
}

// runTransfer sends, or receives, one long body, and says how fast it went.
func runTransfer(args []string) error {
	flags := flag.NewFlagSet("transfer", flag.ExitOnError)
	target := flags.String("url", "", "what is called; its answer is read to the end")
	up := flags.Int64("up", 0, "bytes to send along, in chunks")
	var extra headers
	flags.Var(&extra, "header", "name: value; may be given again")
	if err := flags.Parse(args); err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, *target, http.NoBody)
	if err != nil {
		return err
	}
	if *up > 0 {
		// Without a length, so that it is chunked.
		request.Body, request.ContentLength = io.NopCloser(io.LimitReader(zeros{}, *up)), -1
	}
	for _, line := range extra {
		name, value, _ := strings.Cut(line, ":")
		request.Header.Set(name, strings.TrimSpace(value))
	}
	started := time.Now()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		return fmt.Errorf("the answer was %s: %s", answer.Status, text)
	}
	received, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, answer.Body, make([]byte, 64<<10))
	if err != nil {
		return err
	}
	seconds := time.Since(started).Seconds()
	say(map[string]any{"event": "transferred", "sent": *up, "received": received, "seconds": seconds, "mib_per_second": float64(*up+received) / (1 << 20) / seconds})
	return nil
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	clear(into)
	return len(into), nil
}
