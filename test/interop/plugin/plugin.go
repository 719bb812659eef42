package main

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"connectrpc.com/connect"

	"xi-k8s/interop/plugin/pb/echopb/echopbconnect"
	"xi-k8s/interop/plugin/pb/hostpb"
	"xi-k8s/interop/plugin/pb/hostpb/hostpbconnect"
)

// pluginOptions come from the environment, as those of a container do.
type pluginOptions struct {
	hostURL  string // HOST_URL; unmanaged plugins only
	hostname string // HOSTNAME, localhost by default
	port     string // PORT; with 0, the default, a free one
	selfID   string // SELF_ID
	version  string // SELF_VERSION
	// SERVICES: type=version, separated by commas; all are served at the same path.
	services []service
	metadata map[string]string // METADATA: key=value, separated by commas, beside base_url
	needs    string            // NEEDS: a type to discover before it is healthy
	// MANAGED: waits for the host to give it an identity instead of shaking hands; with "register" it then registers.
	managed string
	control bool // CONTROL: serves PluginControl, as managed ones always do
	h2c     bool // H2C: serves HTTP/2 without TLS too
}

type service struct{ serviceType, version string }

const (
	echoPath     = "/" + echopbconnect.EchoName + "/"
	connectRetry = 50 * time.Millisecond
	needRetry    = 100 * time.Millisecond
)

func pluginOptionsFromEnvironment() pluginOptions {
	o := pluginOptions{
		hostURL:  os.Getenv("HOST_URL"),
		hostname: orElse(os.Getenv("HOSTNAME"), "localhost"),
		port:     orElse(os.Getenv("PORT"), "0"),
		selfID:   orElse(os.Getenv("SELF_ID"), "echo-plugin"),
		version:  orElse(os.Getenv("SELF_VERSION"), "1.0.0"),
		needs:    os.Getenv("NEEDS"),
		managed:  os.Getenv("MANAGED"),
		control:  os.Getenv("CONTROL") != "",
		h2c:      os.Getenv("H2C") != "",
	}
	o.metadata = pairs(strings.FieldsFunc(os.Getenv("METADATA"), func(r rune) bool { return r == ',' }))
	for _, each := range strings.Split(orElse(os.Getenv("SERVICES"), "echo=1.0.0"), ",") {
		serviceType, version, _ := strings.Cut(each, "=")
		o.services = append(o.services, service{serviceType, orElse(version, "1.0.0")})
	}
	return o
}

// pairs makes a map of texts like key=value.
func pairs(texts []string) map[string]string {
	made := map[string]string{}
	for _, text := range texts {
		key, value, _ := strings.Cut(text, "=")
		made[key] = value
	}
	return made
}

// echoPlugin is one running plugin, with what it tells of itself at /echo…/state.
type echoPlugin struct {
	pluginOptions
	at          atomic.Pointer[hostClient]
	url         string
	stop        context.CancelFunc
	health      atomic.Int32
	connections atomic.Int64
	sent        atomic.Int64 // bytes that source wrote
	left        atomic.Int64 // calls whose caller left before their end
}

func runPlugin([]string) error {
	options := pluginOptionsFromEnvironment()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	p := &echoPlugin{pluginOptions: options, stop: stop}
	p.at.Store(newHostClient(options.hostURL))
	p.health.Store(int32(hostpb.HealthState_HEALTH_STATE_HEALTHY))
	return p.run(ctx)
}

func (p *echoPlugin) host() *hostClient { return p.at.Load() }

func (p *echoPlugin) run(ctx context.Context) error {
	// With a port of its own it registers before it listens, as the reference's plugins do.
	address := net.JoinHostPort(p.hostname, p.port)
	p.url = "http://" + address
	if p.port != "0" && p.managed == "" {
		if err := p.comeUp(ctx); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	p.url = "http://" + listener.Addr().String()
	if p.port == "0" && p.managed == "" {
		if err := p.comeUp(ctx); err != nil {
			return err
		}
	}
	server := &http.Server{Handler: p.routes(), Protocols: p.protocols(), ConnState: p.seeConnection}
	go func() {
		<-ctx.Done()
		// Not ctx, which is over.
		bound, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(bound) != nil {
			server.Close()
		}
	}()
	say(map[string]any{"event": "listening", "url": p.url})
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func (p *echoPlugin) protocols() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(p.h2c)
	return protocols
}

func (p *echoPlugin) seeConnection(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		p.connections.Add(1)
	}
}

// comeUp does what the reference's client does: handshake until the host is there, register, report health once.
func (p *echoPlugin) comeUp(ctx context.Context) error {
	req := &hostpb.HandshakeRequest{
		CoreProtocolVersion: 1, AppProtocolVersion: 1, MagicCookieKey: cookieKey, MagicCookieValue: cookieValue,
		SelfId: p.selfID, SelfVersion: p.version,
	}
	for {
		_, err := p.host().shakeHands(ctx, req)
		if err == nil {
			break
		}
		if connect.CodeOf(err) != connect.CodeUnavailable {
			return err
		}
		if err := sleep(ctx, connectRetry); err != nil {
			return err
		}
	}
	id, token := p.host().get()
	say(map[string]any{"event": "identity", "runtime_id": id, "runtime_token": token})
	return p.registerAll(ctx)
}

func (p *echoPlugin) registerAll(ctx context.Context) error {
	metadata := maps.Clone(p.metadata)
	metadata["base_url"] = p.url
	for _, each := range p.services {
		registration, err := p.host().register(ctx, each.serviceType, each.version, echoPath, metadata)
		if err != nil {
			return err
		}
		say(map[string]any{"event": "registered", "type": each.serviceType, "registration_id": registration})
	}
	if err := p.awaitNeeds(ctx); err != nil {
		return err
	}
	if err := p.host().reportHealth(ctx, hostpb.HealthState_HEALTH_STATE_HEALTHY, ""); err != nil {
		return err
	}
	say(map[string]any{"event": "healthy"})
	return nil
}

// awaitNeeds reports DEGRADED until the type that it needs can be discovered.
func (p *echoPlugin) awaitNeeds(ctx context.Context) error {
	for reported := false; p.needs != ""; {
		found, err := p.host().discover(ctx, p.needs, "")
		if err == nil {
			say(map[string]any{"event": "discovered", "type": p.needs, "endpoint_url": found.Endpoint.EndpointUrl})
			return nil
		}
		if connect.CodeOf(err) != connect.CodeNotFound {
			return err
		}
		if !reported {
			reason := p.needs + " is missing"
			if err := p.host().reportHealth(ctx, hostpb.HealthState_HEALTH_STATE_DEGRADED, reason, p.needs); err != nil {
				return err
			}
			say(map[string]any{"event": "degraded", "missing": p.needs})
			reported = true
		}
		if err := sleep(ctx, needRetry); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}

func (p *echoPlugin) routes() http.Handler {
	mux := http.NewServeMux()
	path, handler := echopbconnect.NewEchoHandler(&echoService{p})
	mux.Handle(path, handler)
	mux.HandleFunc(echoPath+"plain", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc(echoPath+"seen", seen)
	mux.HandleFunc(echoPath+"source", p.source)
	mux.HandleFunc(echoPath+"sink", sink)
	mux.HandleFunc(echoPath+"trailers", trailers)
	mux.HandleFunc(echoPath+"state", p.state)
	mux.HandleFunc("/report", p.report)
	if p.control || p.managed != "" {
		mux.Handle(hostpbconnect.NewPluginControlHandler(&controlService{p}))
	}
	if p.managed != "" {
		mux.Handle(hostpbconnect.NewPluginIdentityHandler(&identityService{p}))
	}
	return mux
}
