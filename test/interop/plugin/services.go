package main

import (
	"context"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"

	"xi-k8s/interop/plugin/pb/echopb"
	"xi-k8s/interop/plugin/pb/hostpb"
)

type echoService struct{ *echoPlugin }

func (s *echoService) Echo(_ context.Context, req *connect.Request[echopb.EchoRequest]) (*connect.Response[echopb.EchoResponse], error) {
	if text, refused := strings.CutPrefix(req.Msg.Text, "refuse: "); refused {
		return nil, connect.NewError(connect.CodeAlreadyExists, fmt.Errorf("%s", text))
	}
	return connect.NewResponse(&echopb.EchoResponse{Text: req.Msg.Text, Data: req.Msg.Data, By: s.selfID}), nil
}

func (s *echoService) Count(ctx context.Context, req *connect.Request[echopb.CountRequest], stream *connect.ServerStream[echopb.CountResponse]) error {
	for number := int32(1); number <= req.Msg.To; number++ {
		if err := stream.Send(&echopb.CountResponse{Number: number}); err != nil {
			return err
		}
		if req.Msg.Hold {
			<-ctx.Done()
			s.left.Add(1)
			return ctx.Err()
		}
	}
	return nil
}

func (s *echoService) Gather(_ context.Context, stream *connect.ClientStream[echopb.EchoRequest]) (*connect.Response[echopb.EchoResponse], error) {
	var texts []string
	for stream.Receive() {
		texts = append(texts, stream.Msg().Text)
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	return connect.NewResponse(&echopb.EchoResponse{Text: strings.Join(texts, " "), By: s.selfID}), nil
}

func (s *echoService) Ask(ctx context.Context, req *connect.Request[echopb.AskRequest]) (*connect.Response[echopb.AskResponse], error) {
	found, err := s.host().discover(ctx, req.Msg.ServiceType, "")
	if err != nil {
		return nil, err
	}
	var options []connect.ClientOption
	if req.Msg.Json {
		options = append(options, connect.WithProtoJSON())
	}
	endpoint := found.Endpoint.EndpointUrl
	echo, err := s.host().echo(ctx, endpoint, req.Msg.Echo, options...)
	if err != nil {
		return nil, err
	}
	answer := &echopb.AskResponse{Echo: echo}
	see := func(number int32) { answer.Numbers = append(answer.Numbers, number) }
	if err := s.host().count(ctx, endpoint, &echopb.CountRequest{To: req.Msg.CountTo}, see, options...); err != nil {
		return nil, err
	}
	return connect.NewResponse(answer), nil
}

type controlService struct{ *echoPlugin }

func (s *controlService) GetHealth(context.Context, *connect.Request[emptypb.Empty]) (*connect.Response[hostpb.GetHealthResponse], error) {
	return connect.NewResponse(&hostpb.GetHealthResponse{State: hostpb.HealthState(s.health.Load())}), nil
}

func (s *controlService) Shutdown(_ context.Context, req *connect.Request[hostpb.ShutdownRequest]) (*connect.Response[hostpb.ShutdownResponse], error) {
	say(map[string]any{"event": "shutdown", "reason": req.Msg.Reason, "grace_period_seconds": req.Msg.GracePeriodSeconds})
	s.stop()
	return connect.NewResponse(&hostpb.ShutdownResponse{Acknowledged: true}), nil
}

type identityService struct{ *echoPlugin }

func (s *identityService) GetPluginInfo(context.Context, *connect.Request[emptypb.Empty]) (*connect.Response[hostpb.GetPluginInfoResponse], error) {
	info := &hostpb.GetPluginInfoResponse{SelfId: s.selfID, SelfVersion: s.version}
	for _, each := range s.services {
		info.Provides = append(info.Provides, &hostpb.ServiceDeclaration{Type: each.serviceType, Version: each.version, Path: echoPath})
	}
	if s.needs != "" {
		info.Requires = append(info.Requires, &hostpb.ServiceDependency{Type: s.needs, RequiredForStartup: true})
	}
	return connect.NewResponse(info), nil
}

// SetRuntimeIdentity gives a managed plugin its identity.
func (s *identityService) SetRuntimeIdentity(_ context.Context, req *connect.Request[hostpb.SetRuntimeIdentityRequest]) (*connect.Response[hostpb.SetRuntimeIdentityResponse], error) {
	id, token := req.Msg.RuntimeId, req.Msg.RuntimeToken
	host := newHostClient(req.Msg.HostUrl)
	host.set(id, token)
	s.at.Store(host)
	say(map[string]any{"event": "identity", "runtime_id": id, "runtime_token": token, "host_url": req.Msg.HostUrl})
	if s.managed == "register" {
		// Not within the call: the host may not know the identity before it is answered.
		go func() {
			if err := s.registerAll(context.Background()); err != nil {
				say(map[string]any{"event": "error", "code": codeOf(err), "message": err.Error()})
			}
		}()
	}
	return connect.NewResponse(&hostpb.SetRuntimeIdentityResponse{Acknowledged: true}), nil
}
