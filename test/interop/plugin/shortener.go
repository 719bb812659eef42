package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"

	"xi-k8s/interop/plugin/pb/hostpb"
)

// shortenerPlugin is one of the URL shortener's three plugins: plain HTTP with queries, called through the host.
type shortenerPlugin struct {
	host     *hostClient
	endpoint string // of what it needs
	mu       sync.Mutex
	urls     map[string]string
}

var shortenerNeeds = map[string]string{"logger": "", "storage": "logger", "api": "storage"}
var shortenerPaths = map[string]string{"logger": "/logger.v1.Logger/", "storage": "/storage.v1.Storage/", "api": "/api.v1.API/"}

// runShortener serves one of the plugins. HOST_URL, HOSTNAME and PORT are those of the example.
func runShortener(args []string) error {
	if len(args) != 1 || shortenerPaths[args[0]] == "" {
		return fmt.Errorf("golike shortener logger|storage|api")
	}
	name, ctx := args[0], context.Background()
	listener, err := net.Listen("tcp", net.JoinHostPort(orElse(os.Getenv("HOSTNAME"), "localhost"), orElse(os.Getenv("PORT"), "0")))
	if err != nil {
		return err
	}
	p := &shortenerPlugin{host: newHostClient(os.Getenv("HOST_URL")), urls: map[string]string{}}
	_, err = p.host.shakeHands(ctx, &hostpb.HandshakeRequest{
		CoreProtocolVersion: 1, AppProtocolVersion: 1, MagicCookieKey: cookieKey, MagicCookieValue: cookieValue,
		SelfId: name + "-plugin", SelfVersion: "1.0.0",
	})
	if err != nil {
		return err
	}
	at := "http://" + listener.Addr().String()
	if _, err := p.host.register(ctx, name, "1.0.0", shortenerPaths[name], map[string]string{"base_url": at}); err != nil {
		return err
	}
	if needed := shortenerNeeds[name]; needed != "" {
		found, err := p.host.discover(ctx, needed, "1.0.0")
		if err != nil {
			return err
		}
		p.endpoint = found.Endpoint.EndpointUrl
	}
	if err := p.host.reportHealth(ctx, hostpb.HealthState_HEALTH_STATE_HEALTHY, ""); err != nil {
		return err
	}
	say(map[string]any{"event": "listening", "url": at})
	return http.Serve(listener, p.routes())
}

func (p *shortenerPlugin) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/logger.v1.Logger/Log", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(os.Stderr, "[LOG]", r.URL.Query().Get("message"))
		answer(w, map[string]string{})
	})
	mux.HandleFunc("/storage.v1.Storage/Store", p.store)
	mux.HandleFunc("/storage.v1.Storage/Get", p.get)
	mux.HandleFunc("/api.v1.API/Shorten", p.shorten)
	mux.HandleFunc("/api.v1.API/Resolve", p.resolve)
	return mux
}

// ask calls a method of what it needs.
func (p *shortenerPlugin) ask(r *http.Request, method string, query url.Values, into any) error {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, p.host.url+p.endpoint+"/"+method+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	p.host.addTo(request.Header)
	response, err := p.host.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s was answered %s: %s", method, response.Status, text)
	}
	return json.Unmarshal(text, into)
}

// asked answers what another plugin did, or its failure.
func (p *shortenerPlugin) asked(w http.ResponseWriter, r *http.Request, method string, query url.Values, tell func(map[string]string) any) {
	var said map[string]string
	if err := p.ask(r, method, query, &said); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer(w, tell(said))
}

func (p *shortenerPlugin) store(w http.ResponseWriter, r *http.Request) {
	code, long := r.URL.Query().Get("code"), r.URL.Query().Get("url")
	p.mu.Lock()
	p.urls[code] = long
	p.mu.Unlock()
	p.asked(w, r, "Log", url.Values{"message": {"STORE " + code + " → " + long}}, func(map[string]string) any {
		return map[string]string{"code": code}
	})
}

func (p *shortenerPlugin) get(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	p.mu.Lock()
	long, known := p.urls[code]
	p.mu.Unlock()
	if !known {
		http.Error(w, "there is no code "+code, http.StatusNotFound)
		return
	}
	p.asked(w, r, "Log", url.Values{"message": {"GET " + code + " → " + long}}, func(map[string]string) any {
		return map[string]string{"url": long}
	})
}

func (p *shortenerPlugin) shorten(w http.ResponseWriter, r *http.Request) {
	code, long := randomHex(4), r.URL.Query().Get("url")
	p.asked(w, r, "Store", url.Values{"code": {code}, "url": {long}}, func(map[string]string) any {
		return map[string]string{"short_code": code, "url": long}
	})
}

func (p *shortenerPlugin) resolve(w http.ResponseWriter, r *http.Request) {
	p.asked(w, r, "Get", url.Values{"code": {r.URL.Query().Get("code")}}, func(said map[string]string) any {
		return map[string]string{"url": said["url"]}
	})
}
