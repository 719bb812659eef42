package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"

	"xi-k8s/interop/plugin/pb/hostpb"
	"xi-k8s/interop/plugin/pb/hostpb/hostpbconnect"
)

// registered is one registration.
type registered struct {
	serviceType, version, path, provider string
	metadata                             map[string]string
}

// slowHost is a host with the reference's shape, as far as its speed goes: maps under one lock, and a router that makes a
// client a call and writes two lines a call. It has none of the reference's validation, watches or capabilities.
type slowHost struct {
	hostpbconnect.UnimplementedServiceRegistryHandler
	mu        sync.RWMutex
	tokens    map[string]string
	byType    map[string][]*registered
	health    map[string]hostpb.HealthState
	selection map[string]int
}

// runHost serves a host until the process is ended.
func runHost(args []string) error {
	flags := flag.NewFlagSet("host", flag.ExitOnError)
	address := flags.String("listen", "127.0.0.1:0", "where it listens")
	router := flags.String("router", "reference", "reference: a client a call; proxy: the standard library's ReverseProxy")
	lines := flags.Bool("lines", true, "whether the router writes a line at the start and the end of a call")
	if err := flags.Parse(args); err != nil {
		return err
	}
	h := &slowHost{
		tokens: map[string]string{}, byType: map[string][]*registered{},
		health: map[string]hostpb.HealthState{}, selection: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.Handle(hostpbconnect.NewHandshakeServiceHandler(h))
	mux.Handle(hostpbconnect.NewServiceRegistryHandler(h))
	mux.Handle(hostpbconnect.NewPluginLifecycleHandler(h))
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	forward := h.forwardAsReference
	if *router == "proxy" {
		forward = proxying()
	}
	mux.Handle("/services/", h.route(forward, *lines))
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	log.SetOutput(os.Stderr)
	say(map[string]any{"event": "listening", "url": "http://" + listener.Addr().String()})
	return http.Serve(listener, mux)
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random)
	return hex.EncodeToString(random)
}

func (h *slowHost) Handshake(_ context.Context, req *connect.Request[hostpb.HandshakeRequest]) (*connect.Response[hostpb.HandshakeResponse], error) {
	if req.Msg.MagicCookieKey != cookieKey || req.Msg.MagicCookieValue != cookieValue {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("the cookie is another one"))
	}
	id, token := req.Msg.SelfId+"-"+randomHex(2), randomHex(32)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens[id] = token
	return connect.NewResponse(&hostpb.HandshakeResponse{
		CoreProtocolVersion: 1, AppProtocolVersion: req.Msg.AppProtocolVersion, RuntimeId: id, RuntimeToken: token,
	}), nil
}

func (h *slowHost) RegisterService(_ context.Context, req *connect.Request[hostpb.RegisterServiceRequest]) (*connect.Response[hostpb.RegisterServiceResponse], error) {
	made := &registered{
		req.Msg.ServiceType, req.Msg.Version, req.Msg.EndpointPath, req.Header().Get("X-Plugin-Runtime-ID"), req.Msg.Metadata,
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byType[made.serviceType] = append(h.byType[made.serviceType], made)
	return connect.NewResponse(&hostpb.RegisterServiceResponse{RegistrationId: randomHex(16)}), nil
}

func (h *slowHost) DiscoverService(_ context.Context, req *connect.Request[hostpb.DiscoverServiceRequest]) (*connect.Response[hostpb.DiscoverServiceResponse], error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var fit []*registered
	for _, each := range h.byType[req.Msg.ServiceType] {
		healthy := h.health[each.provider] != hostpb.HealthState_HEALTH_STATE_UNHEALTHY
		if healthy && each.version >= req.Msg.MinVersion {
			fit = append(fit, each)
		}
	}
	if len(fit) == 0 {
		return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("nobody provides %s", req.Msg.ServiceType))
	}
	nth := h.selection[req.Msg.ServiceType]
	h.selection[req.Msg.ServiceType] = nth + 1
	chosen := fit[nth%len(fit)]
	return connect.NewResponse(&hostpb.DiscoverServiceResponse{
		Endpoint: &hostpb.ServiceEndpoint{
			ProviderId: chosen.provider, Version: chosen.version, Metadata: chosen.metadata,
			EndpointUrl: "/services/" + chosen.serviceType + "/" + chosen.provider,
		},
		SingleProvider: len(fit) == 1,
	}), nil
}

func (h *slowHost) ReportHealth(_ context.Context, req *connect.Request[hostpb.ReportHealthRequest]) (*connect.Response[emptypb.Empty], error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.health[req.Header().Get("X-Plugin-Runtime-ID")] = req.Msg.State
	return connect.NewResponse(&emptypb.Empty{}), nil
}

// routedCall is a call whose caller and provider are known.
type routedCall struct {
	caller, provider, method string
	target                   *url.URL
}

type forwarder func(http.ResponseWriter, *http.Request, routedCall) (status int)

func (h *slowHost) authentic(r *http.Request) (string, bool) {
	id := r.Header.Get("X-Plugin-Runtime-ID")
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	h.mu.RLock()
	defer h.mu.RUnlock()
	known, exists := h.tokens[id]
	return id, bearer && exists && subtle.ConstantTimeCompare([]byte(known), []byte(token)) == 1
}

func (h *slowHost) find(serviceType, provider string) *registered {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, each := range h.byType[serviceType] {
		if each.provider == provider {
			return each
		}
	}
	return nil
}

func (h *slowHost) route(forward forwarder, lines bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, authentic := h.authentic(r)
		if !authentic {
			http.Error(w, "who calls?", http.StatusUnauthorized)
			return
		}
		parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/services/"), "/", 3)
		if len(parts) < 3 {
			http.NotFound(w, r)
			return
		}
		found := h.find(parts[0], parts[1])
		if found == nil {
			http.NotFound(w, r)
			return
		}
		h.mu.RLock()
		unhealthy := h.health[found.provider] == hostpb.HealthState_HEALTH_STATE_UNHEALTHY
		h.mu.RUnlock()
		if unhealthy {
			http.Error(w, "unhealthy", http.StatusServiceUnavailable)
			return
		}
		target, err := url.Parse(found.metadata["base_url"] + found.path + parts[2])
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		target.RawQuery = r.URL.RawQuery
		call := routedCall{caller, found.provider, parts[2], target}
		if lines {
			log.Printf("[ROUTER] %s → %s /%s (service: %s)", call.caller, call.provider, call.method, parts[0])
		}
		started := time.Now()
		status := forward(w, r, call)
		if lines {
			log.Printf("[ROUTER] %s → %s /%s %d (duration: %s)", call.caller, call.provider, call.method, status, time.Since(started))
		}
	})
}

func (h *slowHost) forwardAsReference(w http.ResponseWriter, r *http.Request, call routedCall) int {
	request, err := http.NewRequestWithContext(r.Context(), r.Method, call.target.String(), r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return http.StatusBadGateway
	}
	request.Header = r.Header.Clone()
	request.Header.Del("Authorization")
	request.Header.Del("X-Plugin-Runtime-ID")
	client := &http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return http.StatusBadGateway
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	io.Copy(w, response.Body)
	return response.StatusCode
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

type targetKey struct{}

// proxying is what the standard library has for a router: one ReverseProxy, with connections enough kept.
func proxying() forwarder {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 1024, 256
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL = r.In.Context().Value(targetKey{}).(*url.URL)
			r.Out.Host = ""
			r.Out.Header.Del("Authorization")
			r.Out.Header.Del("X-Plugin-Runtime-ID")
		},
		FlushInterval: -1,
	}
	return func(w http.ResponseWriter, r *http.Request, call routedCall) int {
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		proxy.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), targetKey{}, call.target)))
		return seen.status
	}
}
