package main

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"connectrpc.com/connect"

	"xi-k8s/interop/plugin/pb/echopb"
	"xi-k8s/interop/plugin/pb/hostpb"
	"xi-k8s/interop/plugin/pb/hostpb/hostpbconnect"
)

const (
	cookieKey   = "CONNECT_PLUGIN"
	cookieValue = "d3f40b3c2e1a5f8b9c4d7e6a1b2c3d4e"
)

// identity is what a handshake, or the host by itself, gave; every later call carries it.
type identity struct {
	mu        sync.RWMutex
	id, token string
}

func (i *identity) set(id, token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.id, i.token = id, token
}

func (i *identity) get() (id, token string) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.id, i.token
}

func (i *identity) addTo(header http.Header) {
	id, token := i.get()
	if id != "" {
		header.Set("X-Plugin-Runtime-ID", id)
	}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
}

func (i *identity) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if req.Spec().IsClient {
			i.addTo(req.Header())
		}
		return next(ctx, req)
	}
}

func (i *identity) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		i.addTo(conn.RequestHeader())
		return conn
	}
}

func (i *identity) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// hostClient is what a plugin, or a program beside the plugins, has of its host.
type hostClient struct {
	identity
	url       string
	http      *http.Client
	options   []connect.ClientOption
	handshake hostpbconnect.HandshakeServiceClient
	registry  hostpbconnect.ServiceRegistryClient
	lifecycle hostpbconnect.PluginLifecycleClient
	broker    hostpbconnect.CapabilityBrokerClient
}

func newHostClient(url string, options ...connect.ClientOption) *hostClient {
	return newHostClientOver(http.DefaultClient, url, options...)
}

func newHostClientOver(client *http.Client, url string, options ...connect.ClientOption) *hostClient {
	c := &hostClient{url: strings.TrimRight(url, "/"), http: client}
	c.options = append([]connect.ClientOption{connect.WithInterceptors(&c.identity)}, options...)
	c.handshake = hostpbconnect.NewHandshakeServiceClient(c.http, c.url, options...)
	c.registry = hostpbconnect.NewServiceRegistryClient(c.http, c.url, c.options...)
	c.lifecycle = hostpbconnect.NewPluginLifecycleClient(c.http, c.url, c.options...)
	c.broker = hostpbconnect.NewCapabilityBrokerClient(c.http, c.url, c.options...)
	return c
}

func (c *hostClient) shakeHands(ctx context.Context, req *hostpb.HandshakeRequest) (*hostpb.HandshakeResponse, error) {
	res, err := c.handshake.Handshake(ctx, connect.NewRequest(req))
	if err != nil {
		return nil, err
	}
	c.set(res.Msg.RuntimeId, res.Msg.RuntimeToken)
	return res.Msg, nil
}

func (c *hostClient) register(ctx context.Context, serviceType, version, path string, metadata map[string]string) (string, error) {
	res, err := c.registry.RegisterService(ctx, connect.NewRequest(&hostpb.RegisterServiceRequest{
		ServiceType: serviceType, Version: version, EndpointPath: path, Metadata: metadata,
	}))
	if err != nil {
		return "", err
	}
	return res.Msg.RegistrationId, nil
}

func (c *hostClient) discover(ctx context.Context, serviceType, minVersion string) (*hostpb.DiscoverServiceResponse, error) {
	res, err := c.registry.DiscoverService(ctx, connect.NewRequest(&hostpb.DiscoverServiceRequest{
		ServiceType: serviceType, MinVersion: minVersion,
	}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func (c *hostClient) reportHealth(ctx context.Context, state hostpb.HealthState, reason string, missing ...string) error {
	_, err := c.lifecycle.ReportHealth(ctx, connect.NewRequest(&hostpb.ReportHealthRequest{
		State: state, Reason: reason, UnavailableDependencies: missing,
	}))
	return err
}

// routed calls a method of a provider through the host's router, whose paths are not those of generated clients.
func routed[Req, Res any](c *hostClient, endpoint, method string, options ...connect.ClientOption) *connect.Client[Req, Res] {
	return connect.NewClient[Req, Res](c.http, c.url+endpoint+"/"+method, append(c.options[:len(c.options):len(c.options)], options...)...)
}

func (c *hostClient) echo(ctx context.Context, endpoint string, req *echopb.EchoRequest, options ...connect.ClientOption) (*echopb.EchoResponse, error) {
	res, err := routed[echopb.EchoRequest, echopb.EchoResponse](c, endpoint, "Echo", options...).CallUnary(ctx, connect.NewRequest(req))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// count calls see with every number, as it comes.
func (c *hostClient) count(ctx context.Context, endpoint string, req *echopb.CountRequest, see func(int32), options ...connect.ClientOption) error {
	stream, err := routed[echopb.CountRequest, echopb.CountResponse](c, endpoint, "Count", options...).CallServerStream(ctx, connect.NewRequest(req))
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
		see(stream.Msg().Number)
	}
	return stream.Err()
}

func (c *hostClient) gather(ctx context.Context, endpoint string, texts []string) (*echopb.EchoResponse, error) {
	stream := routed[echopb.EchoRequest, echopb.EchoResponse](c, endpoint, "Gather").CallClientStream(ctx)
	for _, text := range texts {
		if err := stream.Send(&echopb.EchoRequest{Text: text}); err != nil {
			return nil, err
		}
	}
	res, err := stream.CloseAndReceive()
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}
